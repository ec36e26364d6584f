import { ERRNO } from '../linux/constants.generated.ts';
import { rawSyscall, SyscallError, syscall } from './libc.ts';

/** Ids as this process' user namespace numbers them. */
export interface FileUser {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** Root of its own user namespace: every file there is its to use. */
  readonly isRoot: boolean;
}

const CAPABILITY_VERSION_3 = 0x20080522;

/**
 * Does something with files as another user would, and gives its result. The ids for files are those of one thread,
 * setfsuid(2), and so are groups where libc is not asked: `body` must be synchronous, which in Node is this thread.
 */
export function asUser<T>({ uid, gid, groups, isRoot }: FileUser, body: () => T): T {
  const own = process.getgroups?.() ?? [];
  const [header, data] = capabilities();
  try {
    setGroups(groups);
    rawSyscall('setfsgid', gid);
    // From 0 to another it takes away the capabilities that are about files; back to 0 it gives them again.
    rawSyscall('setfsuid', uid);
    if (rawSyscall('setfsuid', -1) !== uid) throw new SyscallError('setfsuid', ERRNO.EPERM, String(uid));
    if (isRoot && uid !== 0) syscall('capset', [header, data]);
    return body();
  } finally {
    rawSyscall('setfsuid', 0);
    rawSyscall('setfsgid', 0);
    setGroups(own);
  }
}

function setGroups(groups: readonly number[]): void {
  const list = Buffer.alloc(4 * Math.max(groups.length, 1));
  for (const [i, id] of groups.entries()) list.writeUInt32LE(id, 4 * i);
  syscall('setgroups', [groups.length, list]);
}

/** What this thread may do now, for capset(2). */
function capabilities(): readonly [header: Buffer, data: Buffer] {
  const [header, data] = [Buffer.alloc(8), Buffer.alloc(24)];
  header.writeUInt32LE(CAPABILITY_VERSION_3, 0);
  syscall('capget', [header, data]);
  return [header, data];
}
