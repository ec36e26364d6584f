import { type FSWatcher, statSync, watch } from 'node:fs';
import { filesOf } from '../../runtime/log-files.ts';
import { type LogEntry, parseEntry } from './cri-line.ts';
import { type LogSource, openLog } from './log-source.ts';

export interface ReadLogOptions {
  readonly directory: string;
  readonly attempt: number;
  /** Only the last lines of what is there now. */
  readonly tailLines?: number;
  /** Goes on with what is written later, until the container has ended. */
  readonly follow?: {
    hasEnded(): boolean;
    readonly signal: AbortSignal;
    /** Calls back when the container may have ended; returns how to stop. */
    onChange(changed: () => void): () => void;
  };
}

const NEWLINE = 0x0a;
/** Milliseconds between two looks, whatever the kernel has told. */
const LOOK = 2000;

/** The entries of a container's log over all its files. Files that are rotated meanwhile are read to their end. */
export async function* readLog(options: ReadLogOptions): AsyncGenerator<readonly LogEntry[]> {
  const { follow } = options;
  const log = new LogReader(options);
  const waiting = follow === undefined ? undefined : new Waiting(options.directory, follow);
  try {
    for (;;) {
      // In this order: what was written before the end is there.
      const hasEnded = follow === undefined || follow.hasEnded() || follow.signal.aborted;
      for (let entries = await log.read(); entries !== undefined; entries = await log.read()) {
        if (entries.length > 0) yield entries;
        if (follow?.signal.aborted === true) return;
        // Others have their turn too, however much there is.
        await new Promise(setImmediate);
      }
      if (hasEnded) return;
      await waiting?.next();
    }
  } finally {
    log.close();
    waiting?.close();
  }
}

/** A place in the log: an open file, and how far it has been read. */
class LogReader {
  readonly #directory: string;
  readonly #attempt: number;
  #source: LogSource | undefined;
  #rest: Buffer = Buffer.alloc(0);
  #tailLines: number | undefined;

  constructor({ directory, attempt, tailLines }: ReadLogOptions) {
    this.#directory = directory;
    this.#attempt = attempt;
    this.#tailLines = tailLines;
  }

  /** Entries that are there, perhaps none; undefined where there is nothing more to read now. */
  async read(): Promise<readonly LogEntry[] | undefined> {
    if (this.#tailLines !== undefined) await this.#openTail(this.#tailLines);
    this.#tailLines = undefined;
    if (this.#source === undefined) this.#openFirst();
    if (this.#source === undefined) return undefined;
    const next = this.#nextFile(this.#source);
    const block = await this.#source.read();
    if (block !== undefined) return this.#entries(block);
    if (next === undefined) return undefined;
    // Whoever writes has gone on to the next file before we have read this one to its end.
    this.#open(next);
    return [];
  }

  close(): void {
    this.#source?.close();
    this.#source = undefined;
  }

  #entries(block: Buffer): readonly LogEntry[] {
    const bytes = this.#rest.length === 0 ? block : Buffer.concat([this.#rest, block]);
    const entries: LogEntry[] = [];
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      const entry = parseEntry(bytes.subarray(start, end));
      if (entry !== undefined) entries.push(entry);
      start = end + 1;
    }
    this.#rest = bytes.subarray(start);
    return entries;
  }

  /** The file after the one that is open, once something is written there: until then this one may still grow. */
  #nextFile({ id: { ino, dev } }: LogSource): string | undefined {
    const files = filesOf(this.#directory, this.#attempt);
    const at = files.findIndex(file => {
      const stat = statSync(file, { throwIfNoEntry: false });
      return stat?.ino === ino && stat.dev === dev;
    });
    // One that has been removed meanwhile was older than all: what is being read is not compressed.
    const later = files.slice(at + 1);
    return later.find(file => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0);
  }

  #openFirst(): void {
    const [first] = filesOf(this.#directory, this.#attempt);
    if (first !== undefined) this.#open(first);
  }

  async #openTail(count: number): Promise<void> {
    let left = count;
    for (const file of filesOf(this.#directory, this.#attempt).toReversed()) {
      if (!this.#open(file) || this.#source === undefined) continue;
      const { found, hasMore } = await this.#source.toLast(left);
      left -= found;
      if (left === 0 && (hasMore || count === 0)) return;
    }
  }

  #open(file: string): boolean {
    const source = openLog(file);
    if (source === undefined) return false;
    this.close();
    this.#source = source;
    this.#rest = Buffer.alloc(0);
    return true;
  }
}

/** Waits until there may be more. */
class Waiting {
  readonly #watcher: FSWatcher | undefined;
  readonly #stop: () => void;
  readonly #timer: NodeJS.Timeout;
  readonly #wake = (): void => {
    this.#isDue = true;
    this.#resolve();
  };
  readonly #signal: AbortSignal;
  #isDue = false;
  #resolve = (): void => {};

  constructor(directory: string, { signal, onChange }: NonNullable<ReadLogOptions['follow']>) {
    this.#signal = signal;
    this.#stop = onChange(this.#wake);
    this.#timer = setInterval(this.#wake, LOOK).unref();
    signal.addEventListener('abort', this.#wake);
    try {
      this.#watcher = watch(directory, { persistent: false }, this.#wake);
      this.#watcher.on('error', () => {});
    } catch {
      // There is no directory yet, or no watch left: the clock is enough.
      this.#watcher = undefined;
    }
  }

  async next(): Promise<void> {
    if (!this.#isDue)
      await new Promise<void>(resolve => {
        this.#resolve = resolve;
      });
    this.#isDue = false;
    this.#resolve = () => {};
  }

  close(): void {
    this.#stop();
    clearInterval(this.#timer);
    this.#signal.removeEventListener('abort', this.#wake);
    this.#watcher?.close();
  }
}
