import { statSync } from 'node:fs';
import { NETLINK, NLMSG } from '../linux/constants.generated.ts';
import { SOCKET } from '../linux/sockets.ts';
import { rawSyscall, syscall } from '../native/libc.ts';

/** As large as the kernel makes a datagram of a list. */
const DATAGRAM = 32 << 10;

/** What became of a request: an errno (0 if it was done), and the messages that came back. */
export interface NetfilterReply {
  readonly errno: number;
  readonly messages: readonly Uint8Array[];
}

/** A NETLINK_NETFILTER socket of the calling thread's network namespace. The kernel answers before it returns. */
export class NetfilterSocket {
  readonly #fd: number;

  constructor() {
    const type = SOCKET.SOCK_RAW | SOCKET.SOCK_CLOEXEC;
    this.#fd = syscall('socket', [SOCKET.AF_NETLINK, type, NETLINK.NETLINK_NETFILTER]);
  }

  /** Sends a request that asks for an acknowledgement or for a list, and reads to the end of its answer. */
  request(message: Uint8Array): NetfilterReply {
    // Of an earlier one that was given up.
    while (rawSyscall('recvfrom', this.#fd, new Uint8Array(1), 1, SOCKET.MSG_DONTWAIT, null, null) > 0);
    syscall('sendto', [this.#fd, message, message.length, 0, null, 0]);
    const messages: Uint8Array[] = [];
    for (;;) {
      const datagram = new Uint8Array(DATAGRAM);
      const size = syscall('recvfrom', [this.#fd, datagram, DATAGRAM, 0, null, null]);
      const view = new DataView(datagram.buffer);
      for (let at = 0; at + 16 <= size; ) {
        const length = view.getUint32(at, true);
        if (length < 16 || at + length > size) break;
        const type = view.getUint16(at + 4, true);
        if (type === NLMSG.NLMSG_ERROR || type === NLMSG.NLMSG_DONE)
          return { errno: length >= 20 ? -view.getInt32(at + 16, true) : 0, messages };
        messages.push(datagram.subarray(at, at + length));
        at += (length + 3) & ~3;
      }
    }
  }
}

let shared: { readonly network: number; readonly socket: NetfilterSocket } | undefined;

/**
 * One for the network namespace of the calling thread. It is never closed: for a socket of this kind the kernel waits until
 * nobody can look at old rules any more, some milliseconds, in which nobody can change any.
 */
export function netfilterSocket(): NetfilterSocket {
  const network = statSync('/proc/thread-self/ns/net').ino;
  if (shared?.network !== network) shared = { network, socket: new NetfilterSocket() };
  return shared.socket;
}
