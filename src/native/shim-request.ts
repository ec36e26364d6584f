import { SyscallError } from './libc.ts';
import { nativeLibrary } from './library.ts';

/** As in native/pod.c. */
const OPERATIONS = { keep: 0, log: 1, copy: 2, hold: 3, tee: 4, run: 5, quit: 6, release: 7 } as const;
const REQUEST_SIZE = 128;
const ID_OFFSET = 16;
/** The longest id of a process, in bytes. */
const ID_SIZE = 111;
export type ShimOperation = keyof typeof OPERATIONS;

type SendFds = (socket: number, bytes: Uint8Array, size: number, fds: Int32Array, count: number) => number;
let sendFds: SendFds | undefined;

/** Sends one request to a shim, with fds that it gets copies of. Throws a SyscallError. */
export function sendRequest(
  socket: number,
  operation: ShimOperation,
  id: string,
  fds: readonly number[],
  argument = 0,
  flags = 0,
): void {
  const bytes = Buffer.alloc(REQUEST_SIZE);
  bytes.writeUInt32LE(OPERATIONS[operation], 0);
  bytes.writeUInt32LE(argument, 4);
  bytes.writeBigUInt64LE(BigInt(flags), 8);
  bytes.write(id.slice(0, ID_SIZE), ID_OFFSET);
  const types = ['int', 'void *', 'size_t', 'void *', 'size_t'];
  sendFds ??= nativeLibrary().func('ps_send_fds', 'int64_t', types) as unknown as SendFds;
  const sent = Number(sendFds(socket, bytes, bytes.length, Int32Array.from(fds), fds.length));
  if (sent !== bytes.length) throw new SyscallError('sendmsg', -sent, 'podspace-shim');
}
