import type { OciConfig } from '../../oci/config.ts';
import type { ProgramBuilder } from '../builder.ts';
import { cloneTree, cloneTreeAt, close, moveMount, newMount, setAttributes } from '../mount-calls.ts';
import type { RootPaths } from '../root-paths.ts';

const EMPTY = ['ro', 'nosuid', 'nodev', 'noexec', 'size=4k', 'nr_inodes=2', 'mode=755'];

/**
 * Covers masked paths: a directory with an empty read-only tmpfs, anything else with the host's /dev/null (never the
 * container's: CVE-2025-31133). A path that does not exist is skipped. Two steps instead of a branch: the first one is
 * skipped for what is no directory, the second may fail only because the path *is* a directory, which the first covered.
 */
export function maskPaths(b: ProgramBuilder, paths: RootPaths, config: OciConfig): void {
  if (config.linux.maskedPaths.length === 0) return;
  b.phase('masked paths');
  for (const path of config.linux.maskedPaths) {
    const directory = paths.find(path, 'directory');
    const empty = newMount(b, 'tmpfs', 'tmpfs', EMPTY, { guard: directory });
    moveMount(b, empty, directory);
    const file = paths.find(path, 'any');
    const nothing = cloneTree(b, '/dev/null', false, { guard: file });
    setAttributes(b, nothing, { set: ['MOUNT_ATTR_RDONLY'] });
    moveMount(b, nothing, file, ['ENOTDIR']);
    for (const fd of [directory, empty, file, nothing]) close(b, fd);
  }
}

/** Binds each path onto itself and makes that mount read-only; flags the mount has already stay. */
export function makePathsReadonly(b: ProgramBuilder, paths: RootPaths, config: OciConfig): void {
  if (config.linux.readonlyPaths.length === 0) return;
  b.phase('read-only paths');
  for (const path of config.linux.readonlyPaths) {
    const target = paths.find(path, 'any');
    const tree = cloneTreeAt(b, target, true);
    setAttributes(b, tree, { set: ['MOUNT_ATTR_RDONLY'], recursive: true });
    moveMount(b, tree, target);
    close(b, target);
    close(b, tree);
  }
}
