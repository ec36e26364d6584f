import { chmodSync, chownSync, constants, fstatSync, openSync } from 'node:fs';
import { errnoCode } from '../base/errors.ts';
import { namesIn, openName, withFd } from '../native/directory-fd.ts';

/** Each level is open while those below it are looked at. */
const MAX_DEPTH = 500;

/**
 * SetVolumeOwnership of the kubelet: the group owns everything, may write unless the volume is read-only, and new files
 * inherit it; users stay. What is in a volume may be another container's, which can put a link in a file's place at any
 * moment: everything is reached by fd, from its directory's, and no link is followed. `isMismatchOnly` is the
 * fsGroupChangePolicy OnRootMismatch: a root that is as it should be tells that all is.
 */
export function ownByGroup(path: string, gid: number, isReadOnly: boolean, isMismatchOnly = false): void {
  withFd(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY), fd => {
    if (isMismatchOnly && isRightRoot(fd, gid, isReadOnly)) return;
    ownTree(fd, gid, isReadOnly ? [0o2550, 0o440] : [0o2770, 0o660], 0);
  });
}

/** The opposite of the kubelet's requiresPermissionChange. */
function isRightRoot(fd: number, group: number, isReadOnly: boolean): boolean {
  const { gid, mode } = fstatSync(fd);
  const needed = isReadOnly ? 0o2550 : 0o2770;
  return gid === group && (mode & needed) === needed;
}

type Bits = readonly [directory: number, file: number];

function ownTree(directory: number, gid: number, bits: Bits, depth: number): void {
  for (const name of namesIn(directory)) ownEntry(directory, name, gid, bits, depth);
  own(directory, gid, bits[0]);
}

function ownEntry(directory: number, name: Buffer, gid: number, bits: Bits, depth: number): void {
  let node: number;
  try {
    node = openName(directory, name);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return;
    throw error;
  }
  withFd(node, fd => {
    const stat = fstatSync(fd);
    if (stat.isSymbolicLink()) chownSync(`/proc/self/fd/${fd}`, stat.uid, gid);
    else if (!stat.isDirectory()) own(fd, gid, bits[1]);
    else if (depth === MAX_DEPTH) throw new Error(`directories are nested deeper than ${MAX_DEPTH}`);
    else ownTree(fd, gid, bits, depth + 1);
  });
}

/** A change of owner takes setuid and setgid bits away: the mode comes after it. */
function own(fd: number, gid: number, bits: number): void {
  const { uid, mode } = fstatSync(fd);
  chownSync(`/proc/self/fd/${fd}`, uid, gid);
  chmodSync(`/proc/self/fd/${fd}`, (mode & 0o7777) | bits);
}
