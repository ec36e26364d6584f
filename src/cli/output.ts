import { errnoCode } from '../base/errors.ts';
import { SIG } from '../linux/constants.generated.ts';
import type { OutputStream } from '../runtime/run-options.ts';
import { writeFully } from '../runtime/streams.ts';

/** What a shell shows of a program that SIGPIPE has ended. */
export const BROKEN_PIPE = 128 + SIG.SIGPIPE;

/** Our own stdout and stderr, for the output of others. When their reader has gone (`podspace run … | head`), that is told once. */
export class Output {
  readonly #onBroken: () => void;
  #isBroken = false;

  constructor(onBroken: () => void) {
    this.#onBroken = onBroken;
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** False when nobody reads any more: there is no point in more output. */
  write(stream: OutputStream, chunk: Uint8Array): boolean {
    if (this.#isBroken) return false;
    try {
      writeFully(stream === 'stdout' ? 1 : 2, chunk);
      return true;
    } catch (error) {
      if (errnoCode(error) !== 'EPIPE') throw error;
      this.#isBroken = true;
      this.#onBroken();
      return false;
    }
  }
}
