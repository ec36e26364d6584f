import { closeSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { ReadStream, WriteStream } from 'node:tty';
import { SOCKET } from '../linux/sockets.ts';
import { duplicate } from '../native/execute.ts';
import { SyscallError, syscall } from '../native/libc.ts';
import { nativeLibrary } from '../native/library.ts';

/** Both ends of a pipe, O_CLOEXEC. The reading end is ours, or the writing one for stdin. */
export interface Pipe {
  readonly read: number;
  readonly write: number;
}

const O_CLOEXEC = 0o2000000;

function pair(call: 'pipe2' | 'socketpair'): readonly [number, number] {
  const fds = Buffer.alloc(8);
  if (call === 'pipe2') syscall('pipe2', [fds, O_CLOEXEC]);
  else syscall('socketpair', [SOCKET.AF_UNIX, SOCKET.SOCK_STREAM | O_CLOEXEC, 0, fds]);
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

/** Reads a pipe until its end, and closes it. */
export function readAll(fd: number, onData: (chunk: Buffer) => void): Promise<void> {
  return drain(new Socket({ fd, readable: true, writable: false }), onData);
}

/** Reads a terminal's master; EIO is how it says that its last process is gone. */
export function readTerminal(fd: number, onData: (chunk: Buffer) => void): Promise<void> {
  return drain(new ReadStream(fd), onData);
}

function drain(stream: Socket, onData: (chunk: Buffer) => void): Promise<void> {
  return new Promise(resolve => {
    stream.on('data', onData);
    stream.on('error', () => stream.destroy());
    stream.on('close', () => resolve());
  });
}

/** A writer for a container's stdin; a container that does not read is no error. */
export function pipeWriter(fd: number): Socket {
  const socket = new Socket({ fd, readable: false, writable: true });
  socket.on('error', () => socket.destroy());
  return socket;
}

/** A writer for a terminal's master, which somebody else reads: libuv watches an fd only once, so this takes a copy. */
export function terminalWriter(master: number): Socket {
  const stream = new WriteStream(duplicate(master));
  stream.on('error', () => stream.destroy());
  return stream;
}

/** Writes all of a chunk to one of our own streams, also where it is a full pipe of somebody slow. */
export function writeFully(fd: number, chunk: Uint8Array): void {
  for (let offset = 0; offset < chunk.length; ) {
    try {
      offset += writeSync(fd, chunk, offset);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
