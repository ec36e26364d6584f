import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoCode } from '../base/errors.ts';
import type { ApiObject } from './objects.ts';

/** Bytes after which the file is written anew with what is still known. */
const LARGE = 8 * 1024 * 1024;

/**
 * Events as they were told, a line each: the next agent knows them, too. They are below the run root, so that a reboot forgets
 * them, and nothing waits for the disk.
 */
export class EventFile {
  readonly #path: string;
  #size = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** The last state of each event; lines that are cut or damaged are passed over. */
  read(): readonly ApiObject[] {
    let text = '';
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch (error) {
      if (errnoCode(error) !== 'ENOENT') throw error;
    }
    const events = new Map<string, ApiObject>();
    for (const line of text.split('\n')) {
      const event = parseEvent(line);
      if (event !== undefined) events.set(event.metadata.uid ?? '', event);
    }
    this.#size = text.length;
    // The next line would go on with one that was cut.
    if (text !== '' && !text.endsWith('\n')) this.#rewrite([...events.values()]);
    return [...events.values()];
  }

  /** `all` gives every event that is known, for when the file is written anew. A full disk loses events, and no more. */
  add(event: ApiObject, all: () => readonly ApiObject[]): void {
    try {
      const line = `${JSON.stringify(event)}\n`;
      if (this.#size > LARGE) this.#rewrite(all());
      else appendFileSync(this.#path, line, { mode: 0o600 });
      this.#size += line.length;
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') this.#rewrite(all());
      else if (errnoCode(error) === undefined) throw error;
    }
  }

  #rewrite(events: readonly ApiObject[]): void {
    const text = events.map(event => `${JSON.stringify(event)}\n`).join('');
    const temporary = `${this.#path}.new`;
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    writeFileSync(temporary, text, { mode: 0o600 });
    renameSync(temporary, this.#path);
    this.#size = text.length;
  }
}

function parseEvent(line: string): ApiObject | undefined {
  try {
    const event = JSON.parse(line) as ApiObject;
    const isEvent = event.kind === 'Event' && typeof event.metadata.name === 'string';
    return isEvent && typeof event.metadata.namespace === 'string' ? event : undefined;
  } catch {
    return undefined;
  }
}
