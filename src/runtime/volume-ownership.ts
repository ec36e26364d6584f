import { chmodSync, chownSync, closeSync, constants, fstatSync, openSync, readdirSync } from 'node:fs';
import { errnoCode } from '../base/errors.ts';
import { OPEN_FLAGS } from '../linux/constants.generated.ts';

/** Each level is open while those below it are looked at. */
const MAX_DEPTH = 500;

/**
 * SetVolumeOwnership of the kubelet: the group owns everything, may write unless the volume is read-only, and new files
 * inherit it; users stay. What is in a volume may be another container's, which can put a link in a file's place at any
 * moment: everything is reached by fd, from its directory's, and no link is followed. `isMismatchOnly` is the
 * fsGroupChangePolicy OnRootMismatch: a root that is as it should be tells that all is.
 */
export function ownByGroup(path: string, gid: number, isReadOnly: boolean, isMismatchOnly = false): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    if (isMismatchOnly && isRightRoot(fd, gid, isReadOnly)) return;
    ownTree(fd, gid, isReadOnly ? [0o2550, 0o440] : [0o2770, 0o660], 0);
  } finally {
    closeSync(fd);
  }
}

/** The opposite of the kubelet's requiresPermissionChange. */
function isRightRoot(fd: number, group: number, isReadOnly: boolean): boolean {
  const { gid, mode } = fstatSync(fd);
  const needed = isReadOnly ? 0o2550 : 0o2770;
  return gid === group && (mode & needed) === needed;
}

type Bits = readonly [directory: number, file: number];

function ownTree(directory: number, gid: number, bits: Bits, depth: number): void {
  const here = `/proc/self/fd/${directory}`;
  // Names are bytes: a container may have given one that is no UTF-8.
  for (const name of readdirSync(here, { encoding: 'buffer' }))
    ownEntry(Buffer.concat([Buffer.from(`${here}/`), name]), gid, bits, depth);
  own(directory, gid, bits[0]);
}

function ownEntry(path: Buffer, gid: number, bits: Bits, depth: number): void {
  let fd: number;
  try {
    fd = openSync(path, OPEN_FLAGS.O_PATH[0] | constants.O_NOFOLLOW);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return;
    throw error;
  }
  try {
    const stat = fstatSync(fd);
    if (stat.isSymbolicLink()) chownSync(`/proc/self/fd/${fd}`, stat.uid, gid);
    else if (!stat.isDirectory()) own(fd, gid, bits[1]);
    else if (depth === MAX_DEPTH) throw new Error(`directories are nested deeper than ${MAX_DEPTH}`);
    else ownTree(fd, gid, bits, depth + 1);
  } finally {
    closeSync(fd);
  }
}

/** A change of owner takes setuid and setgid bits away: the mode comes after it. */
function own(fd: number, gid: number, bits: number): void {
  const { uid, mode } = fstatSync(fd);
  chownSync(`/proc/self/fd/${fd}`, uid, gid);
  chmodSync(`/proc/self/fd/${fd}`, (mode & 0o7777) | bits);
}
