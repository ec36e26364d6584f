import type { ServerResponse } from 'node:http';
import { tooManyRequests } from '../api-error.ts';
import { Tally } from './tally.ts';

/** Bytes of answers that one user may leave unread: then there are no others for him. */
const MAX_OF_USER = 64 << 20;
/** Milliseconds in which a client has to read something of an answer. */
const PATIENCE = 60_000;

/** What clients have not read yet of answers that are whole: a list may be large, and whoever asks need not read it. */
export class UnreadAnswers {
  readonly #bytes = new Tally();

  /** Throws an ApiError (429) where a user leaves too much. */
  require(user: string): void {
    if (this.#bytes.of(user) > MAX_OF_USER) throw tooManyRequests();
  }

  /** Counts what is left of an answer until it has been read, or given up. */
  count(user: string, response: ServerResponse): void {
    const bytes = response.writableLength;
    if (bytes === 0 || response.socket === null) return;
    this.#bytes.add(user, bytes);
    response.once('close', () => this.#bytes.add(user, -bytes));
    // Node ends a connection on which nothing has moved for so long.
    response.setTimeout(PATIENCE);
  }
}
