import { closeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { makeSocketPair, receiveFd } from '../native/pipe.ts';
import { readTerminal, writeFully } from '../runtime/streams.ts';

export interface AttachedTerminal {
  /** Where the program sends the master. */
  readonly socket: number;
  /** Joins it to our own streams; resolves at its end. */
  show(): Promise<void>;
  restore(): void;
}

/** A terminal without a console socket: ours is joined to it, raw if it is one. */
export function attachTerminal(): AttachedTerminal {
  const [ours, socket] = makeSocketPair();
  return {
    socket,
    show: async () => {
      const master = receiveFd(ours);
      closeSync(ours);
      closeSync(socket);
      if (process.stdin.isTTY) process.stdin.setRawMode(true);
      process.stdin.on('data', (chunk: Buffer) => writeFully(master, chunk));
      process.stdin.on('error', () => {});
      await readTerminal(master, chunk => {
        writeFully(1, chunk);
        return true;
      });
    },
    restore: () => {
      if (process.stdin instanceof ReadStream && process.stdin.isTTY) process.stdin.setRawMode(false);
      process.stdin.destroy();
    },
  };
}
