import { existsSync, readdirSync, readFileSync, realpathSync, rmdirSync, unlinkSync } from 'node:fs';
import { errnoCode } from '../base/errors.ts';
import { ERRNO } from '../linux/constants.generated.ts';
import { rawSyscall, SyscallError } from './libc.ts';

const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

/**
 * Unmounts what is mounted below a directory in this mount namespace. A container with `mountPropagation: Bidirectional`
 * can have left it there, and what is in it is not the pod's: it must be gone before {@link removeTree} gets there.
 */
export function unmountBelow(path: string): void {
  if (!existsSync(path)) return;
  const below = `${realpathSync(path)}/`;
  const text = readFileSync('/proc/self/mountinfo', 'latin1');
  if (!text.includes(` ${below}`)) return;
  // Later lines are mounted on earlier ones. The kernel's octal escapes are bytes, proc_pid_mountinfo(5).
  const points = text.split('\n').map(line => line.split(' ')[4] ?? '');
  for (const point of points.filter(each => each.startsWith(below)).reverse()) {
    const bytes = point.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const target = Buffer.from(`${bytes}\0`, 'latin1');
    const result = rawSyscall('umount2', target, MNT_DETACH | UMOUNT_NOFOLLOW);
    // One that was below a mount that has gone already.
    if (result < 0 && -result !== ERRNO.EINVAL && -result !== ERRNO.ENOENT)
      throw new SyscallError('umount2', -result, point);
  }
}

/**
 * Removes a directory with all that is in it; nothing there is no error. Links are not followed, and a mount point of this
 * namespace is the kernel's EBUSY.
 */
export function removeTree(path: string): void {
  try {
    removeEntries(path);
  } catch (error) {
    // What a container can do to be kept: names that are no UTF-8 (here U+FFFD, which is not there) and paths longer than
    // PATH_MAX. rm(1) takes bytes and goes from directory to directory by fd.
    // So it does where a tree is too deep for our stack.
    const isTooDeep = error instanceof RangeError;
    if (!isTooDeep && !['ENOENT', 'ENOTEMPTY', 'ENAMETOOLONG'].includes(errnoCode(error) ?? '')) throw error;
    if (existsSync(path)) removeByFd(path);
  }
}

/** A tenth of the time of fs.rmSync, which asks before each step. */
function removeEntries(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const child = `${path}/${entry.name}`;
    if (entry.isDirectory()) removeEntries(child);
    else unlinkSync(child);
  }
  rmdirSync(path);
}

function removeByFd(path: string): void {
  // Loaded only here: it takes 3 ms, and no ordinary pod needs it.
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const { status, stderr, error } = spawnSync('rm', ['-rf', '--one-file-system', '--', path], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  });
  if (status !== 0) throw error ?? new Error(stderr.trim().split('\n')[0] ?? `rm: status ${status}`);
}
