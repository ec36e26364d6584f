/** Milliseconds until what runs is written down for other commands. */
const DELAY = 4;

/** Writes a moment later: many containers start in one moment, and some are gone before anybody could ask. */
export class RecordLater {
  readonly #write: () => Promise<void>;
  readonly #onError: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(write: () => Promise<void>, onError: (error: unknown) => void) {
    this.#write = write;
    this.#onError = onError;
  }

  soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#write().catch(this.#onError);
    }, DELAY);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
