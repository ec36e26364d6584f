import { closeSync, openSync } from 'node:fs';
import { CLONE, NETLINK } from '../linux/constants.generated.ts';
import { describeErrno, errnoName } from '../linux/errno.ts';
import { SOCKET } from '../linux/sockets.ts';
import { syscall, syscallInThread } from '../native/libc.ts';
import type { Names } from './messages/codec.ts';
import { describeMessage, encodeMessage, type Message } from './messages/messages.ts';
import { concat, readAnswer, readFrames, u32 } from './netlink.ts';

/** A message that the kernel did not do, in words; `code` is the errno's name. */
export class NetlinkError extends Error {
  readonly request: Message;
  readonly code: string;

  constructor(request: Message, { errno, words }: Reply, names?: Names) {
    const reason = words === '' ? describeErrno(errno) : `${describeErrno(errno)}: ${words}`;
    super(`${describeMessage(request, names)}: ${reason}`);
    this.name = 'NetlinkError';
    this.request = request;
    this.code = errnoName(errno);
  }
}

/** What became of one message: 0 or an errno, the kernel's words if it has some, and what was asked for. */
export interface Reply {
  readonly errno: number;
  readonly words: string;
  readonly data: readonly Uint8Array[];
}

/** As large as the kernel makes a datagram of a list. */
const DATAGRAM = 32 << 10;

/** A NETLINK_ROUTE socket; what is asked of it happens in the network namespace that it was made in. */
export class NetlinkSocket {
  readonly #fd: number;
  #sequence = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** Takes the fd of such a socket; {@link close} closes it. */
  constructor(fd: number) {
    this.#fd = fd;
    // Errors in words, and without the message that they are about.
    for (const option of [NETLINK.NETLINK_EXT_ACK, NETLINK.NETLINK_CAP_ACK])
      syscall('setsockopt', [fd, SOCKET.SOL_NETLINK, option, u32(1), 4]);
  }

  /** Opens one in the network namespace of the calling thread. */
  static open(): NetlinkSocket {
    const type = SOCKET.SOCK_RAW | SOCKET.SOCK_CLOEXEC;
    return new NetlinkSocket(syscall('socket', [SOCKET.AF_NETLINK, type, NETLINK.NETLINK_ROUTE]));
  }

  /** Opens one in the network namespace that a path of /proc names; the calling thread goes there, and comes back. */
  static openIn(path: string): NetlinkSocket {
    const own = openSync('/proc/thread-self/ns/net', 'r');
    const other = openSync(path, 'r');
    try {
      syscall('setns', [other, CLONE.CLONE_NEWNET], path);
      try {
        return NetlinkSocket.open();
      } finally {
        syscall('setns', [own, CLONE.CLONE_NEWNET], 'back');
      }
    } finally {
      closeSync(own);
      closeSync(other);
    }
  }

  /**
   * Has messages done one after the other, by one system call; those after one that failed are done too. A reply for each.
   * Throws a SyscallError where the socket itself fails.
   */
  exchange(messages: readonly Message[]): Promise<readonly Reply[]> {
    const next = this.#last.then(() => this.#exchange(messages));
    this.#last = next.catch(() => {});
    return next;
  }

  async #exchange(messages: readonly Message[]): Promise<readonly Reply[]> {
    const first = this.#sequence + 1;
    this.#sequence += messages.length;
    const bytes = concat(messages.map((message, i) => encodeMessage(message, first + i)));
    // In a thread: changes wait for all others that this machine makes to its network, which can be long.
    await syscallInThread('sendto', [this.#fd, bytes, bytes.length, 0, null, 0]);
    return this.#receive(first, messages.length);
  }

  /** The kernel has done it all when sendto(2) returns, and its answers are there. */
  #receive(first: number, count: number): readonly Reply[] {
    const replies = Array.from({ length: count }, () => ({ errno: 0, words: '', data: [] as Uint8Array[] }));
    const datagram = new Uint8Array(DATAGRAM);
    for (let ended = 0; ended < count; ) {
      const size = syscall('recvfrom', [
        this.#fd,
        datagram,
        datagram.length,
        SOCKET.MSG_DONTWAIT,
        null,
        null,
      ]);
      for (const frame of readFrames(datagram.subarray(0, size))) {
        const answer = readAnswer(frame);
        const reply = replies[answer.sequence - first];
        if (reply === undefined) continue;
        if (answer.kind === 'data') reply.data.push(answer.body.slice());
        else {
          reply.errno = answer.errno;
          reply.words = answer.words;
          ended++;
        }
      }
    }
    return replies;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Throws a {@link NetlinkError} for the first message that was not done. */
export function mustSucceed(messages: readonly Message[], replies: readonly Reply[], names?: Names): void {
  for (const [i, message] of messages.entries()) {
    const reply = replies[i];
    if (reply !== undefined && reply.errno !== 0) throw new NetlinkError(message, reply, names);
  }
}
