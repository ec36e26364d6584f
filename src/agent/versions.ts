import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoCode } from '../base/errors.ts';

/** Versions that are taken from the file at a time. */
const BLOCK = 1_000_000;
/** And before it is tried again to write the file, when that was not possible. */
const SMALL_BLOCK = 100;

/**
 * Resource versions: a counter that never goes back, whatever the clock and the agent do. A file says up to where versions
 * may have been given out; it is written once for very many of them.
 */
export class Versions {
  readonly #file: string;
  #last: number;
  #reserved: number;

  constructor(file: string) {
    this.#file = file;
    // A start after a long time goes beyond all that clients can have seen, even where the file is lost.
    this.#last = Math.max(Date.now() * 1000, readCeiling(file));
    this.#reserved = this.#last;
    this.next();
  }

  /** The newest version. */
  get current(): number {
    return this.#last;
  }

  next(): number {
    if (this.#last >= this.#reserved) this.#reserve();
    this.#last++;
    return this.#last;
  }

  #reserve(): void {
    const reserved = this.#last + BLOCK;
    const temporary = `${this.#file}.new`;
    try {
      mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
      writeFileSync(temporary, `${reserved}\n`, { mode: 0o600 });
      renameSync(temporary, this.#file);
      this.#reserved = reserved;
    } catch (error) {
      // A full disk must not stop what is in memory: the clock will do, until there is room.
      if (!['ENOSPC', 'EDQUOT', 'EROFS'].includes(errnoCode(error) ?? '')) throw error;
      this.#reserved = this.#last + SMALL_BLOCK;
    }
  }
}

function readCeiling(file: string): number {
  try {
    const ceiling = Number(readFileSync(file, 'utf8'));
    return Number.isSafeInteger(ceiling) && ceiling > 0 ? ceiling : 0;
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return 0;
    throw error;
  }
}
