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

/** Somebody who is told, and up to which version he has been. */
interface Watcher {
  readonly kind: string;
  readonly listener: Listener;
  seen: number;
}

/** The last changes, and who wants to hear of the next ones. */
export class History {
  readonly #entries: Entry[] = [];
  readonly #watchers = new Set<Watcher>();
  readonly #untold: Entry[] = [];
  #isTelling = false;
  /** Everything after this version is still known. */
  #from: number;

  constructor(version: number) {
    this.#from = version;
  }

  add(kind: string, version: number, event: WatchEvent): void {
    const entry = { kind, version, event };
    this.#entries.push(entry);
    if (this.#entries.length > LENGTH * 1.25) {
      const dropped = this.#entries.splice(0, this.#entries.length - LENGTH);
      this.#from = dropped.at(-1)?.version ?? this.#from;
    }
    this.#untold.push(entry);
    this.#tellAll();
  }

  /**
   * All changes of a kind after a version, those that have been before the next ones. Throws an ApiError (410) if some of
   * them are forgotten, and for a version that is none or that nobody has given out yet. Returns how to stop.
   */
  watch(kind: string, from: string, current: number, listener: Listener): () => void {
    const version = Number(from);
    if (!(version >= this.#from && version <= current)) throw expired(from, String(this.#from));
    const watcher: Watcher = { kind, listener, seen: version };
    // Whatever comes to them meanwhile is told, too.
    for (const entry of this.#entries) tell(watcher, entry);
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Whoever is told may make changes of his own: the others hear of them afterwards, in order. */
  #tellAll(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      for (let entry = this.#untold.shift(); entry !== undefined; entry = this.#untold.shift())
        for (const watcher of [...this.#watchers]) if (this.#watchers.has(watcher)) tell(watcher, entry);
    } finally {
      this.#isTelling = false;
    }
  }
}

function tell(watcher: Watcher, { kind, version, event }: Entry): void {
  if (kind !== watcher.kind || version <= watcher.seen) return;
  watcher.seen = version;
  watcher.listener(event, String(version));
}
