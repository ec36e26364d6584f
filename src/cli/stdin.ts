import { closeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { resizeTerminal } from '../runtime/container.ts';
import { type PumpOptions, pump } from '../runtime/stdin.ts';

export interface StdinOptions extends PumpOptions {
  /** -i: our input is the container's. */
  readonly isInteractive: boolean;
  /** The container has a terminal, and ours is to be like it. */
  readonly isTerminal: boolean;
}

/** Connects our own standard input, or terminal, with that of a container. */
export class StdinConnection {
  readonly #options: StdinOptions;
  #undo: (() => void)[] = [];

  constructor(options: StdinOptions) {
    this.#options = options;
  }

  /** Of our own terminal. */
  get consoleSize(): { readonly height: number; readonly width: number } | undefined {
    const { columns, rows } = process.stdout;
    return this.#options.isTerminal && columns > 0 && rows > 0 ? { height: rows, width: columns } : undefined;
  }

  readonly connect = (streams: {
    readonly stdin: number | undefined;
    readonly terminal: number | undefined;
  }): void => {
    this.close();
    const { isInteractive } = this.#options;
    if (streams.terminal !== undefined) this.#connectTerminal(streams.terminal);
    const fd = streams.terminal ?? streams.stdin;
    if (fd === undefined) return;
    const isTerminal = streams.terminal !== undefined;
    if (isInteractive) this.#undo.push(pump(process.stdin, { fd, isTerminal }, this.#options));
    else if (!isTerminal) closeSync(fd);
  };

  /** Puts our terminal back as it was. */
  close(): void {
    for (const undo of this.#undo.reverse()) undo();
    this.#undo = [];
  }

  #connectTerminal(master: number): void {
    const resize = (): void => {
      const { columns, rows } = process.stdout;
      if (columns !== undefined && rows !== undefined) resizeTerminal(master, columns, rows);
    };
    resize();
    process.on('SIGWINCH', resize);
    this.#undo.push(() => process.off('SIGWINCH', resize));
    const { isTerminal, isInteractive } = this.#options;
    if (!isTerminal || !isInteractive || !(process.stdin instanceof ReadStream)) return;
    const { stdin } = process;
    stdin.setRawMode(true);
    this.#undo.push(() => stdin.setRawMode(false));
  }
}
