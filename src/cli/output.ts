import { errnoCode, fileFailure, UserError } from '../base/errors.ts';
import { SIG } from '../linux/constants.generated.ts';
import type { OutputStream } from '../runtime/run-options.ts';
import { writeFully } from '../runtime/streams.ts';

/** What a shell shows of a program that SIGPIPE has ended. */
const BROKEN_PIPE = 128 + SIG.SIGPIPE;

/**
 * Our own stdout and stderr, for the output of others. When their reader has gone (`podspace run … | head`), or their disk
 * is full, that is told once.
 */
export class Output {
  readonly #onBroken: () => void;
  readonly #isStdoutOurs: boolean;
  #failure: { readonly stream: OutputStream; readonly error: unknown } | undefined;

  /** `isStdoutOurs`: all that containers print goes to stderr. */
  constructor(onBroken: () => void, isStdoutOurs = false) {
    this.#onBroken = onBroken;
    this.#isStdoutOurs = isStdoutOurs;
  }

  get isBroken(): boolean {
    return this.#failure !== undefined;
  }

  /** False when nobody reads any more: there is no point in more output. */
  write(stream: OutputStream, chunk: Uint8Array): boolean {
    return this.own(this.#isStdoutOurs ? 'stderr' : stream, chunk);
  }

  /** What the command itself says. */
  own(stream: OutputStream, chunk: Uint8Array): boolean {
    if (this.isBroken) return false;
    try {
      writeFully(stream === 'stdout' ? 1 : 2, chunk);
      return true;
    } catch (error) {
      this.#failure = { stream, error };
      this.#onBroken();
      return false;
    }
  }

  /** The command's exit code, unless not all of its output was written. Throws a UserError for what is nobody's wish. */
  exitCode(code: number): number {
    if (this.#failure === undefined) return code;
    const { stream, error } = this.#failure;
    if (errnoCode(error) === 'EPIPE') return BROKEN_PIPE;
    throw new UserError(`cannot write to ${stream}: ${fileFailure(error)}`, { cause: error });
  }
}
