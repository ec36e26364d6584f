import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { WriteStream } from 'node:tty';
import type { Container } from '../kube/types.generated.ts';
import { duplicate } from '../native/execute.ts';

/** A container's end of an input: the writer of a pipe, or the master of a terminal that somebody else reads. */
export interface InputTarget {
  readonly fd: number;
  readonly isTerminal: boolean;
}

/**
 * Whether a container's stdin stays open when whoever was attached to it has gone: `stdin` without `stdinOnce`, as the
 * kubelet has it. What has no `stdin` in its spec gets one for the attached command only (kubectl run -i).
 */
export function staysOpen({ stdin, stdinOnce }: Container): boolean {
  return stdin === true && stdinOnce !== true;
}

export interface PumpOptions {
  /** The target's input does not end with the stream; this is called instead. */
  readonly onKeptOpen?: () => void;
  /** Takes out what is not for the target. */
  readonly filter?: { push(chunk: Uint8Array): Buffer; rest(): Buffer };
}

/**
 * Copies a stream to a container's input until the returned function is called. At the end of the stream the input ends
 * too, unless it is to stay open. A container that does not read holds the stream up.
 */
export function pump(
  source: Readable,
  target: InputTarget,
  { onKeptOpen, filter }: PumpOptions = {},
): () => void {
  const sink = target.isTerminal ? terminalWriter(target.fd) : pipeWriter(target.fd);
  const onData = (chunk: Buffer): void => {
    if (!sink.write(filter?.push(chunk) ?? chunk)) {
      source.pause();
      sink.once('drain', () => source.resume());
    }
  };
  const onEnd = (): void => {
    if (filter !== undefined) sink.write(filter.rest());
    if (onKeptOpen !== undefined) onKeptOpen();
    // The end of our input is the end of the container's; a terminal has a key for that.
    else if (target.isTerminal) sink.write('\u0004');
    else sink.end();
  };
  source.on('data', onData).on('end', onEnd);
  // A container that is started again finds nothing left: its input ends at once.
  if (source.readableEnded) onEnd();
  source.resume();
  return () => {
    source.off('data', onData).off('end', onEnd);
    source.pause();
    sink.destroy();
  };
}

/** A writer for a container's stdin; a container that does not read is no error. */
function pipeWriter(fd: number): Socket {
  const socket = new Socket({ fd, readable: false, writable: true });
  socket.on('error', () => socket.destroy());
  return socket;
}

/** libuv watches an fd only once, and the master is read already: this takes a copy. */
function terminalWriter(master: number): Socket {
  const stream = new WriteStream(duplicate(master));
  stream.on('error', () => stream.destroy());
  return stream;
}
