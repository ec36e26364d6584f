import { isDiskFailure } from './disk-failure.ts';

/** Milliseconds until what runs is written down for other commands. */
const DELAY = 4;
/** Milliseconds until that is tried again, where there was no room for it. */
const AGAIN = 1000;

/** Writes a moment later: many containers start in one moment, and some are gone before anybody could ask. */
export class RecordLater {
  readonly #write: () => Promise<void>;
  readonly #onError: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #hasFailed = false;

  constructor(write: () => Promise<void>, onError: (error: unknown) => void) {
    this.#write = write;
    this.#onError = onError;
  }

  soon(): void {
    this.#after(DELAY);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #after(milliseconds: number): void {
    this.#timer ??= setTimeout(() => void this.#try(), milliseconds);
  }

  /** A full disk is told of once, until there is room again. */
  async #try(): Promise<void> {
    this.#timer = undefined;
    try {
      await this.#write();
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed) this.#onError(error);
      this.#hasFailed = isDiskFailure(error);
      if (this.#hasFailed) this.#after(AGAIN);
    }
  }
}
