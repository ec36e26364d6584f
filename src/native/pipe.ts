import { closeSync } from 'node:fs';
import { SOCKET } from '../linux/sockets.ts';
import { SyscallError, syscall } from './libc.ts';
import { nativeLibrary } from './library.ts';

/** Both ends of a pipe, SOCKET.SOCK_CLOEXEC. The reading end is ours, or the writing one for stdin. */
export interface Pipe {
  readonly read: number;
  readonly write: number;
}

function pair(call: 'pipe2' | 'socketpair'): readonly [number, number] {
  const fds = Buffer.alloc(8);
  if (call === 'pipe2') syscall('pipe2', [fds, SOCKET.SOCK_CLOEXEC]);
  else syscall('socketpair', [SOCKET.AF_UNIX, SOCKET.SOCK_STREAM | SOCKET.SOCK_CLOEXEC, 0, fds]);
  return [fds.readInt32LE(0), fds.readInt32LE(4)];
}

export function makePipe(): Pipe {
  const [read, write] = pair('pipe2');
  return { read, write };
}

/** A pipe whose writing end is closed: reading gives the end of file, and no device of the host is handed in. */
export function emptyPipe(): number {
  const { read, write } = makePipe();
  closeSync(write);
  return read;
}

/** A connected pair of stream sockets, for the fd of a terminal. */
export function makeSocketPair(): readonly [number, number] {
  return pair('socketpair');
}

/** The fd that a program sent (SCM_RIGHTS); the program has already ended its sending when this is called. */
export function receiveFd(socket: number): number {
  const receive = nativeLibrary().func('ps_receive_fd', 'int64_t', ['int']) as (socket: number) => number;
  const fd = Number(receive(socket));
  if (fd < 0) throw new SyscallError('recvmsg', -fd);
  return fd;
}
