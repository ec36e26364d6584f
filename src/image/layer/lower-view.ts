import { type BigIntStats, lstatSync, readdirSync, type Stats } from 'node:fs';
import { errnoCode } from '../../base/errors.ts';

/** A device 0:0 is a whiteout (kernel: Documentation/filesystems/overlayfs.rst). */
export const isWhiteout = (stat: Stats | BigIntStats): boolean =>
  stat.isCharacterDevice() && Number(stat.rdev) === 0;

/** A path as the layers below show it. */
export interface Seen {
  readonly stat: BigIntStats;
  /** Where it is, by layer, the uppermost first; more than one only for a directory. */
  readonly parts: readonly string[];
}

/**
 * What overlayfs would show of unpacked layers. They are complete and nobody writes to them; a component that is no directory
 * is not gone through, so no link is followed. Paths are latin1.
 */
export class LowerView {
  readonly #roots: readonly string[];

  /** The uppermost first. */
  constructor(roots: readonly string[]) {
    this.#roots = roots;
  }

  get isEmpty(): boolean {
    return this.#roots.length === 0;
  }

  find(path: string): Seen | undefined {
    let seen = this.#step(this.#roots);
    for (const component of path === '' ? [] : path.split('/')) {
      if (seen === undefined || !seen.stat.isDirectory()) return undefined;
      seen = this.#step(seen.parts.map(part => `${part}/${component}`));
    }
    return seen;
  }

  /** The names in a directory. */
  names(path: string): readonly string[] {
    const seen = this.find(path);
    if (seen?.stat.isDirectory() !== true) return [];
    const names = new Set(
      seen.parts.flatMap(part => readdirSync(Buffer.from(part, 'latin1'), { encoding: 'latin1' })),
    );
    return [...names].filter(name => this.find(path === '' ? name : `${path}/${name}`) !== undefined);
  }

  #step(candidates: readonly string[]): Seen | undefined {
    const parts: string[] = [];
    let first: BigIntStats | undefined;
    for (const candidate of candidates) {
      const stat = lstat(candidate);
      if (stat === undefined) continue;
      if (isWhiteout(stat)) break;
      if (!stat.isDirectory()) {
        if (first === undefined) return { stat, parts: [candidate] };
        break;
      }
      first ??= stat;
      parts.push(candidate);
    }
    return first === undefined ? undefined : { stat: first, parts };
  }
}

export function lstat(path: string): BigIntStats | undefined {
  try {
    return lstatSync(Buffer.from(path, 'latin1'), { bigint: true });
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoCode(error) ?? '')) return undefined;
    throw error;
  }
}
