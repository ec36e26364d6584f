import { expired } from './api-error.ts';
import type { WatchEvent } from './objects.ts';

/** Changes that a watch can begin before: the newest ones of all kinds. */
const LENGTH = 4096;

type Listener = (event: WatchEvent, resourceVersion: string) => void;

interface Entry {
  readonly kind: string;
  readonly version: number;
  readonly event: WatchEvent;
}

/** The last changes, and who wants to hear of the next ones. */
export class History {
  readonly #entries: Entry[] = [];
  readonly #listeners = new Map<string, Set<Listener>>();
  /** Everything after this version is still known. */
  #from: number;

  constructor(version: number) {
    this.#from = version;
  }

  add(kind: string, version: number, event: WatchEvent): void {
    this.#entries.push({ kind, version, event });
    if (this.#entries.length > LENGTH * 1.25) {
      const dropped = this.#entries.splice(0, this.#entries.length - LENGTH);
      this.#from = dropped.at(-1)?.version ?? this.#from;
    }
    for (const listener of [...(this.#listeners.get(kind) ?? [])]) listener(event, String(version));
  }

  /**
   * All changes of a kind after a version, those that have been before the next ones. Throws an ApiError (410) if some of
   * them are forgotten, and for a version that is none or that nobody has given out yet. Returns how to stop.
   */
  watch(kind: string, from: string, current: number, listener: Listener): () => void {
    const version = Number(from);
    if (version < this.#from || version > current) throw expired(from, String(this.#from));
    const listeners = this.#listeners.get(kind) ?? new Set();
    this.#listeners.set(kind, listeners);
    for (const entry of this.#entries)
      if (entry.kind === kind && entry.version > version) listener(entry.event, String(entry.version));
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }
}
