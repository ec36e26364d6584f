import { AT } from '../../linux/constants.generated.ts';
import { errnoName } from '../../linux/errno.ts';
import { rawSyscall } from '../../native/libc.ts';
import { type TarEntry, TarError } from '../tar/entry.ts';
import { call, cPath, showPath } from './directory-tree.ts';

const MAX_ID = 2 ** 32 - 2;
const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xfffff;
const SECOND = 1_000_000_000n;
const UTIME_OMIT = (1n << 30n) - 2n;
/** What a file system can say; beyond it the kernel clamps, and beyond 64 bits there is no number. */
const MAX_SECONDS = 1n << 40n;

export function checkIds(path: string, { uid, gid }: Pick<TarEntry, 'uid' | 'gid'>): void {
  for (const id of [uid, gid])
    if (id < 0 || id > MAX_ID) throw new TarError(`${showPath(path)}: ${id} is no user or group id`);
}

/** As the kernel's new_encode_dev. */
export function deviceNumber(path: string, { major, minor }: TarEntry): number {
  if (major < 0 || major > MAX_MAJOR || minor < 0 || minor > MAX_MINOR)
    throw new TarError(`${showPath(path)}: there is no device ${major}:${minor}`);
  return (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
}

/** Sets the time of an fd's file, or of a name in a directory, links not followed. */
export function setTime(path: string, directory: number, name: string | null, mtime: bigint): void {
  const times = Buffer.alloc(32);
  times.writeBigInt64LE(UTIME_OMIT, 8);
  const rest = ((mtime % SECOND) + SECOND) % SECOND;
  const seconds = (mtime - rest) / SECOND;
  times.writeBigInt64LE(
    seconds > MAX_SECONDS ? MAX_SECONDS : seconds < -MAX_SECONDS ? -MAX_SECONDS : seconds,
    16,
  );
  times.writeBigInt64LE(rest, 24);
  const flags = name === null ? 0 : AT.AT_SYMLINK_NOFOLLOW;
  call(path, 'utimensat', directory, name === null ? null : cPath(name), times, flags);
}

/**
 * Extended attributes belong to the image, but not those that would tell overlayfs to look for a file elsewhere, nor labels of
 * the machine that it was made on.
 */
const REFUSED = /^(trusted\.overlay\.|user\.overlay\.|security\.(selinux|ima|evm|apparmor)$)/;
/** What a file system may say that does not keep such attributes (or not of such files): the image is used without. */
const LACKING = new Set(['EOPNOTSUPP', 'ENOTSUP']);

type SetXattr = (name: Uint8Array, value: Uint8Array, size: number) => number;

export function setXattrs(
  path: string,
  { xattrs }: { readonly xattrs: Iterable<readonly [name: string, value: Buffer]> },
  set: SetXattr,
): void {
  for (const [name, value] of xattrs) {
    if (REFUSED.test(name)) continue;
    const result = set(cPath(name), value.length === 0 ? Buffer.alloc(1) : value, value.length);
    if (result < 0 && !LACKING.has(errnoName(-result)))
      throw new TarError(`${showPath(path)}: extended attribute ${showPath(name)}: ${errnoName(-result)}`);
  }
}

export const ofFd =
  (fd: number): SetXattr =>
  (name, value, size) =>
    rawSyscall('fsetxattr', fd, name, value, size, 0);

/** There is no lsetxattrat(2): by the directory's fd, and the last component is not followed. */
export const ofName =
  (directory: number, file: string): SetXattr =>
  (name, value, size) =>
    rawSyscall('lsetxattr', cPath(`/proc/self/fd/${directory}/${file}`), name, value, size, 0);
