import type { ServerResponse } from 'node:http';

/** Bytes that the client of one watch may leave unread. */
const MAX = 4 << 20;
/** And that it may, where all of them together leave more than this. */
const FAIR = 256 << 10;
const MAX_OF_ALL = 64 << 20;

/** Milliseconds in which what a watch begins with has to be read, however much that is; and the rest of one that is over. */
const PATIENCE = 30_000;

const all = new Set<Unread>();
let ofAll = 0;

/**
 * An answer that goes on for long, and what its client has not read of it yet. One that leaves too much is dropped: it asks
 * again, and begins where it was.
 */
export class Unread {
  readonly #response: ServerResponse;
  readonly #onDropped: () => void;
  #bytes = 0;
  #allowed = Number.POSITIVE_INFINITY;
  #patience: NodeJS.Timeout | undefined;

  constructor(response: ServerResponse, onDropped: () => void) {
    this.#response = response;
    this.#onDropped = onDropped;
    all.add(this);
    response.on('drain', () => this.#allow(MAX));
    response.on('close', () => {
      clearTimeout(this.#patience);
      this.#set(0);
      all.delete(this);
    });
  }

  write(text: string): void {
    if (this.#response.writableEnded || this.#response.destroyed) return;
    this.#response.write(text);
    this.#count();
  }

  /** What has been written so far is what the client has asked for: it does not count for some time. */
  begun(): void {
    this.#patience = setTimeout(() => this.#allow(MAX), PATIENCE).unref();
    this.#allow(MAX + this.#response.writableLength);
  }

  /** What is unread then is not kept for ever. */
  end(): void {
    if (this.#response.writableEnded) return;
    this.#response.end();
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#response.destroy(), PATIENCE).unref();
  }

  #allow(bytes: number): void {
    this.#allowed = bytes;
    this.#count();
  }

  #count(): void {
    this.#set(this.#response.writableLength);
    this.#check();
    // The ones that have been at it for longest first.
    if (ofAll > MAX_OF_ALL) for (const each of all) each.#check();
  }

  #set(bytes: number): void {
    ofAll += bytes - this.#bytes;
    this.#bytes = bytes;
  }

  #check(): void {
    const hasBegun = this.#allowed !== Number.POSITIVE_INFINITY;
    const most = hasBegun && ofAll > MAX_OF_ALL ? FAIR : this.#allowed;
    if (this.#bytes <= most) return;
    this.#set(0);
    all.delete(this);
    this.#onDropped();
    this.#response.destroy();
  }
}
