import { close, closeSync, read, readSync, writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { errnoCode } from '../base/errors.ts';
import { duplicate } from '../native/execute.ts';

/** Takes a chunk; false when no more is wanted: the pipe is closed then, and who writes to it sees that. */
type OnData = (chunk: Buffer) => boolean | undefined;

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
  const take = (chunk: Buffer): boolean => {
    isWanted = onData(chunk) !== false;
    return isWanted;
  };
  try {
    await drain(new ReadStream(fd), take);
    if (isWanted) readRest(rest, take);
  } finally {
    closeSync(rest);
  }
}

function readRest(terminal: number, take: (chunk: Buffer) => boolean): void {
  const buffer = Buffer.allocUnsafe(4096);
  try {
    for (let size = -1; size !== 0; ) {
      size = readSync(terminal, buffer);
      if (size > 0 && !take(Buffer.from(buffer.subarray(0, size)))) return;
    }
  } catch (error) {
    if (!['EIO', 'EAGAIN'].includes(errnoCode(error) ?? '')) throw error;
  }
}

function drain(stream: Socket, onData: OnData): Promise<void> {
  return new Promise(resolve => {
    stream.on('data', chunk => {
      if (onData(chunk) === false) stream.destroy();
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
