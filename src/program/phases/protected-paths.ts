import type { OciConfig } from '../../oci/config.ts';
import type { ProgramBuilder } from '../builder.ts';
import { cloneTree, cloneTreeAt, moveMount, newMount, setAttributes } from '../mount-calls.ts';
import type { ContainerPlan } from '../plan.ts';
import type { RootPaths } from '../root-paths.ts';
import type { UserNamespace } from './user-namespace.ts';

const EMPTY = ['nosuid', 'nodev', 'noexec'];

/**
 * Covers masked paths: a directory with an empty read-only tmpfs, anything else with the host's /dev/null (never the
 * container's: CVE-2025-31133). A path that does not exist is skipped; one that is not what the plan says it is fails
 * the program, rather than staying uncovered.
 */
export function maskPaths(
  b: ProgramBuilder,
  paths: RootPaths,
  plan: ContainerPlan,
  user: UserNamespace | undefined,
): void {
  const { maskedPaths } = plan.config.linux;
  if (maskedPaths.length > 0) b.phase('masked paths');
  for (const path of maskedPaths) {
    const target = paths.find(path);
    const cover = plan.maskedDirectories.includes(path)
      ? newMount(b, 'tmpfs', 'tmpfs', EMPTY, { guard: target })
      : (user?.covers.get(path) ?? cloneTree(b, '/dev/null', false, { guard: target }));
    setAttributes(b, cover, { set: ['MOUNT_ATTR_RDONLY'] });
    moveMount(b, cover, target);
  }
}

/** Binds each path onto itself and makes that mount read-only; flags the mount has already stay. */
export function makePathsReadonly(b: ProgramBuilder, paths: RootPaths, config: OciConfig): void {
  if (config.linux.readonlyPaths.length === 0) return;
  b.phase('read-only paths');
  for (const path of config.linux.readonlyPaths) {
    const target = paths.find(path);
    const tree = cloneTreeAt(b, target, true);
    setAttributes(b, tree, { set: ['MOUNT_ATTR_RDONLY'], recursive: true });
    moveMount(b, tree, target);
  }
}
