import { appendFileSync, readFileSync } from 'node:fs';
import { errnoCode } from '../base/errors.ts';
import type { ApiObject } from './objects.ts';
import { writePrivate } from './private-file.ts';

/** Bytes: a file that has become larger is written anew, with what still counts. */
const LARGE = 4 << 20;

/** Where events outlive the agent: a line for each change of one. What is not written is a loss nobody notices. */
export class EventFile {
  readonly #path: string;
  #size = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** As they were, the last line of each counts. A line that was cut by a crash is left out. */
  load(): readonly ApiObject[] {
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return [];
      throw error;
    }
    const events = new Map<string, ApiObject>();
    for (const line of text.split('\n')) {
      const event = parse(line);
      if (event !== undefined) events.set(event.metadata.uid ?? '', event);
    }
    return [...events.values()];
  }

  append(event: ApiObject): void {
    const line = `${JSON.stringify(event)}\n`;
    try {
      appendFileSync(this.#path, line, { mode: 0o600 });
      this.#size += line.length;
    } catch {
      // A full disk: the event is in memory.
    }
  }

  /** Writes it anew if it has become large, or if that is wanted. */
  compact(events: readonly ApiObject[], isWanted = false): void {
    if (!isWanted && this.#size < LARGE) return;
    const text = events.map(event => `${JSON.stringify(event)}\n`).join('');
    try {
      writePrivate(this.#path, text);
      this.#size = text.length;
    } catch {
      // As above.
    }
  }
}

function parse(line: string): ApiObject | undefined {
  if (line === '') return undefined;
  try {
    const event = JSON.parse(line) as ApiObject;
    return event?.kind === 'Event' && event.metadata?.name !== undefined ? event : undefined;
  } catch {
    return undefined;
  }
}
