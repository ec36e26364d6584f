import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { ReadStream, WriteStream } from 'node:tty';
import { duplicate } from '../native/execute.ts';
import { resizeTerminal } from '../runtime/container.ts';

/** Connects our own standard input, or terminal, with that of a container. */
export class StdinConnection {
  readonly #isInteractive: boolean;
  readonly #isTerminal: boolean;
  #undo: (() => void)[] = [];

  constructor(isInteractive: boolean, isTerminal: boolean) {
    this.#isInteractive = isInteractive;
    this.#isTerminal = isTerminal;
  }

  /** Of our own terminal. */
  get consoleSize(): { readonly height: number; readonly width: number } | undefined {
    const { columns, rows } = process.stdout;
    return this.#isTerminal && columns > 0 && rows > 0 ? { height: rows, width: columns } : undefined;
  }

  readonly connect = (streams: {
    readonly stdin: number | undefined;
    readonly terminal: number | undefined;
  }): void => {
    this.close();
    if (streams.terminal !== undefined) this.#connectTerminal(streams.terminal);
    const target = streams.terminal ?? streams.stdin;
    if (target === undefined) return;
    if (!this.#isInteractive) {
      if (streams.terminal === undefined) closeSync(target);
      return;
    }
    this.#pump(target, streams.terminal !== undefined);
  };

  /** Puts our terminal back as it was. */
  close(): void {
    for (const undo of this.#undo.reverse()) undo();
    this.#undo = [];
  }

  #pump(target: number, isTerminal: boolean): void {
    const sink = isTerminal ? terminalWriter(target) : pipeWriter(target);
    const onData = (chunk: Buffer): void => {
      if (!sink.write(chunk)) {
        process.stdin.pause();
        sink.once('drain', () => process.stdin.resume());
      }
    };
    // The end of our input is the end of the container's; a terminal has the key for that itself.
    const onEnd = (): void => void (isTerminal ? sink.write('\u0004') : sink.end());
    process.stdin.on('data', onData).on('end', onEnd);
    // A container that is started again finds nothing left: its input ends at once.
    if (process.stdin.readableEnded) onEnd();
    process.stdin.resume();
    this.#undo.push(() => {
      process.stdin.off('data', onData).off('end', onEnd);
      process.stdin.pause();
      sink.destroy();
    });
  }

  #connectTerminal(master: number): void {
    const resize = (): void => {
      const { columns, rows } = process.stdout;
      if (columns !== undefined && rows !== undefined) resizeTerminal(master, columns, rows);
    };
    resize();
    process.on('SIGWINCH', resize);
    this.#undo.push(() => process.off('SIGWINCH', resize));
    if (!this.#isTerminal || !this.#isInteractive || !(process.stdin instanceof ReadStream)) return;
    const { stdin } = process;
    stdin.setRawMode(true);
    this.#undo.push(() => stdin.setRawMode(false));
  }
}

/** A writer for a container's stdin; a container that does not read is no error. */
function pipeWriter(fd: number): Socket {
  const socket = new Socket({ fd, readable: false, writable: true });
  socket.on('error', () => socket.destroy());
  return socket;
}

/** A writer for a terminal's master, which somebody else reads: libuv watches an fd only once, so this takes a copy. */
function terminalWriter(master: number): Socket {
  const stream = new WriteStream(duplicate(master));
  stream.on('error', () => stream.destroy());
  return stream;
}
