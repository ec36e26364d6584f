import { close, closeSync, read, readSync, writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { errnoCode } from '../base/errors.ts';
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

/**
 * Takes a chunk; false when no more is wanted: the pipe is closed then, and who writes to it sees that. A promise: no more
 * until it is resolved.
 */
type OnData = (chunk: Buffer) => boolean | undefined | Promise<unknown>;

/** Reads a pipe until its end, and closes it. node:net takes 4 ms to load, so it is not loaded before it is needed. */
export async function readAll(fd: number, onData: OnData): Promise<void> {
  const { Socket } = await import('node:net');
  return drain(new Socket({ fd, readable: true, writable: false }), onData);
}

/**
 * The same with reads that wait, each in a thread of Node's pool: without node:net, but only for a few pipes at a time,
 * and only in a process whose pool nobody else needs.
 */
export function readAllInThread(fd: number, onData: OnData): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(65536);
  return new Promise(resolve => {
    const next = (): void =>
      read(fd, buffer, 0, buffer.length, null, (error, size) => {
        const isMore = error === null && size > 0 && onData(Buffer.from(buffer.subarray(0, size))) !== false;
        if (isMore) next();
        else close(fd, () => resolve());
      });
    next();
  });
}

/**
 * Reads a terminal's master; EIO is how it says that its last process is gone. libuv takes a hang-up after a short read for
 * the end, but of a pty each read is short (4095 bytes), so what is left then is read here.
 */
export async function readTerminal(fd: number, onData: OnData): Promise<void> {
  const { ReadStream } = await import('node:tty');
  const rest = duplicate(fd);
  let isWanted = true;
  const take = (chunk: Buffer): boolean | Promise<unknown> => {
    const more = onData(chunk);
    isWanted = more !== false;
    return more ?? true;
  };
  try {
    await drain(new ReadStream(fd), take);
    if (isWanted) readRest(rest, take);
  } finally {
    closeSync(rest);
  }
}

function readRest(terminal: number, take: OnData): void {
  const buffer = Buffer.allocUnsafe(4096);
  try {
    for (let size = -1; size !== 0; ) {
      size = readSync(terminal, buffer);
      if (size > 0 && take(Buffer.from(buffer.subarray(0, size))) === false) return;
    }
  } catch (error) {
    if (!['EIO', 'EAGAIN'].includes(errnoCode(error) ?? '')) throw error;
  }
}

function drain(stream: Socket, onData: OnData): Promise<void> {
  return new Promise(resolve => {
    stream.on('data', chunk => {
      const more = onData(chunk);
      if (more === false) stream.destroy();
      if (!(more instanceof Promise)) return;
      stream.pause();
      more.then(
        () => stream.resume(),
        () => stream.destroy(),
      );
    });
    stream.on('error', () => stream.destroy());
    stream.on('close', () => resolve());
  });
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
