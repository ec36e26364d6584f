import { IOCTL, POLL } from '../linux/constants.generated.ts';
import { errnoName } from '../linux/errno.ts';
import { rawSyscall, SyscallError } from './libc.ts';

/** A system call that waits for its listener's answer: struct seccomp_notif, seccomp_unotify(2). */
export interface Notification {
  readonly id: bigint;
  /** The thread, in our PID namespace. */
  readonly pid: number;
  /** AUDIT_ARCH_* */
  readonly arch: number;
  readonly nr: number;
  args(index: number): bigint;
}

const REQUEST_SIZE = 80;
const RESPONSE_SIZE = 24;
/** linux/seccomp.h: SECCOMP_USER_NOTIF_FLAG_CONTINUE */
const CONTINUE = 1;
/** linux/seccomp.h since 6.6: SECCOMP_IOCTL_NOTIF_SET_FLAGS, and its SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP. */
const SET_FLAGS = 0x40082104;
const SYNC_WAKE_UP = 1;

/** Reads notifications of one listener and lets each call go on. Every call of this class waits as little as the kernel lets it. */
export class Listener {
  readonly #fd: number;
  readonly #request = Buffer.alloc(REQUEST_SIZE);
  readonly #response = Buffer.alloc(RESPONSE_SIZE);

  constructor(fd: number) {
    this.#fd = fd;
    // Both sides on one CPU, one after the other: a third faster. Where it is not known it does not matter.
    rawSyscall('ioctl', fd, SET_FLAGS, SYNC_WAKE_UP);
    this.#response.writeUInt32LE(CONTINUE, 20);
  }

  /** The next call that waits; undefined when whoever waited was killed meanwhile. */
  receive(): Notification | undefined {
    const request = this.#request.fill(0);
    const result = rawSyscall('ioctl', this.#fd, IOCTL.SECCOMP_IOCTL_NOTIF_RECV, request);
    if (result === 0)
      return {
        id: request.readBigUInt64LE(0),
        pid: request.readUInt32LE(8),
        nr: request.readInt32LE(16),
        arch: request.readUInt32LE(20),
        args: index => request.readBigUInt64LE(32 + index * 8),
      };
    if (isGone(result)) return undefined;
    throw new SyscallError('ioctl', -result, 'SECCOMP_IOCTL_NOTIF_RECV');
  }

  /** Lets the kernel do the call, as if there were no filter. */
  letGoOn({ id }: Notification): void {
    this.#response.writeBigUInt64LE(id, 0);
    const result = rawSyscall('ioctl', this.#fd, IOCTL.SECCOMP_IOCTL_NOTIF_SEND, this.#response);
    if (result < 0 && !isGone(result)) throw new SyscallError('ioctl', -result, 'SECCOMP_IOCTL_NOTIF_SEND');
  }
}

const isGone = (result: number): boolean => ['ENOENT', 'EINTR', 'EINPROGRESS'].includes(errnoName(-result));

/** poll(2) without an end: which of the fds can be read, and which will never be again. */
export function pollFds(
  fds: readonly number[],
): readonly { readonly isReady: boolean; readonly isOver: boolean }[] {
  const bytes = Buffer.alloc(fds.length * 8);
  fds.forEach((fd, i) => {
    bytes.writeInt32LE(fd, i * 8);
    bytes.writeInt16LE(POLL.POLLIN, i * 8 + 4);
  });
  for (;;) {
    const result = rawSyscall('ppoll', bytes, fds.length, null, null, 8);
    if (result >= 0) break;
    if (errnoName(-result) !== 'EINTR') throw new SyscallError('ppoll', -result);
  }
  return fds.map((_, i) => {
    const events = bytes.readInt16LE(i * 8 + 6);
    return { isReady: (events & POLL.POLLIN) !== 0, isOver: (events & (POLL.POLLHUP | POLL.POLLERR)) !== 0 };
  });
}
