import { constants, fstatSync, openSync, readdirSync, type Stats } from 'node:fs';
import { errnoCode } from '../base/errors.ts';
import { isWhiteout } from '../image/layer/lower-view.ts';
import { mergedLayers } from '../native/detached-mount.ts';
import { namesIn, openDirectory, openName, withFd } from '../native/directory-fd.ts';
import { rawSyscall } from '../native/libc.ts';
import type { PodPaths } from '../oci/pod-paths.ts';

/** `A`dded, `C`hanged, `D`eleted, as docker diff has them. */
export interface Change {
  readonly kind: 'A' | 'C' | 'D';
  readonly path: string;
}

/** The writable layer of the container's newest attempt. */
export function newestLayer(paths: PodPaths, container: string): string {
  const attempts = readdirSync(paths.state)
    .filter(name => name.startsWith(`${container}.`))
    .map(name => Number(name.slice(container.length + 1)));
  return paths.layer(container, Math.max(0, ...attempts), 'upper');
}

/**
 * What a container's writable layer changes in its image's layers, the uppermost first; in docker's order. Each level of both
 * is open at a time and no link is followed: the container may be changing the layer. `mountPoints` are podspace's own, made
 * there for its mounts: neither they nor directories that are there only for them are the container's doing.
 */
export function layerChanges(
  upper: string,
  lower: readonly string[],
  mountPoints: ReadonlySet<string>,
): readonly Change[] {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY;
  return withFd(openSync(upper, flags), top =>
    withFd(mergedLayers(lower), below => directoryChanges(top, below, '', mountPoints).changes),
  );
}

interface DirectoryChanges {
  readonly changes: readonly Change[];
  /** Something in it is podspace's. */
  readonly isOurs: boolean;
}

function directoryChanges(
  upper: number,
  lower: number | undefined,
  path: string,
  mountPoints: ReadonlySet<string>,
): DirectoryChanges {
  const changes: Change[] = [];
  const names = [...namesIn(upper)].sort(Buffer.compare);
  let isOurs = false;
  for (const name of names) {
    const own = `${path}/${name.toString()}`;
    if (mountPoints.has(own)) {
      isOurs = true;
      continue;
    }
    const node = withName(upper, name, fd => fstatSync(fd));
    if (node === undefined) continue;
    const before = lower === undefined ? undefined : withName(lower, name, fd => fstatSync(fd));
    if (isWhiteout(node)) {
      if (before !== undefined) changes.push({ kind: 'D', path: own });
    } else if (node.isDirectory()) {
      const inner = withDirectories(upper, lower, name, before, (top, below) =>
        directoryChanges(top, below, own, mountPoints),
      );
      isOurs ||= inner?.isOurs === true;
      const isOnlyForUs = inner?.isOurs === true && inner.changes.length === 0;
      if (before === undefined) changes.push(...(isOnlyForUs ? [] : [{ kind: 'A', path: own } as const]));
      else if (!isOnlyForUs && (inner?.changes.length || !isSameDirectory(node, before)))
        changes.push({ kind: 'C', path: own });
      changes.push(...(inner?.changes ?? []));
    } else changes.push({ kind: before === undefined ? 'A' : 'C', path: own });
  }
  if (lower !== undefined && isOpaque(upper)) {
    const kept = new Set(names.map(name => name.toString('latin1')));
    for (const name of namesIn(lower))
      if (!kept.has(name.toString('latin1'))) changes.push({ kind: 'D', path: `${path}/${name.toString()}` });
  }
  return { changes, isOurs };
}

/** As docker's sameFsTime and the rest: a directory that is in the layer only for what is in it. */
const isSameDirectory = (a: Stats, b: Stats): boolean =>
  a.mode === b.mode && a.uid === b.uid && a.gid === b.gid && a.mtimeMs === b.mtimeMs;

/** A directory that took the place of one below, of which it shows nothing. */
function isOpaque(fd: number): boolean {
  const value = Buffer.alloc(1);
  const length = rawSyscall('fgetxattr', fd, 'trusted.overlay.opaque', value, 1);
  return length === 1 && value.toString() === 'y';
}

function withDirectories<T>(
  upper: number,
  lower: number | undefined,
  name: Buffer,
  before: Stats | undefined,
  body: (upper: number, lower: number | undefined) => T,
): T | undefined {
  return whileThere(() =>
    withFd(openDirectory(upper, name), top =>
      lower !== undefined && before?.isDirectory() === true
        ? withFd(openDirectory(lower, name), below => body(top, below))
        : body(top, undefined),
    ),
  );
}

const withName = <T>(directory: number, name: Buffer, body: (fd: number) => T): T | undefined =>
  whileThere(() => withFd(openName(directory, name), body));

/** Undefined for what has gone, or has become something else since it was listed. */
function whileThere<T>(body: () => T): T | undefined {
  try {
    return body();
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errnoCode(error) ?? '')) throw error;
    return undefined;
  }
}
