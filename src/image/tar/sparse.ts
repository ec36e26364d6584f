import { type Extent, TarError } from './entry.ts';
import { BLOCK, numberOf } from './header.ts';
import { type PaxRecords, paxNumber } from './pax.ts';

/** A file of more pieces is an attack on memory. */
export const MAX_EXTENTS = 65_536;

/** The old GNU format: some in the header at 386, the rest in blocks of their own. */
export function oldExtents(block: Buffer, at: number, count: number, position: number): Extent[] {
  const extents: Extent[] = [];
  for (let i = 0; i < count; i++) {
    const start = at + i * 24;
    if (block[start] === 0 && block[start + 12] === 0) break;
    extents.push({
      offset: numberOf(block, start, 12, 'sparse offset', position),
      length: numberOf(block, start + 12, 12, 'sparse length', position),
    });
  }
  return extents;
}

/** Formats 0.0 and 0.1 have the map in the pax header: `OFFSET,LENGTH,…`. */
export function paxExtents(records: PaxRecords): Extent[] | undefined {
  const text = records.get('GNU.sparse.map')?.toString('latin1');
  return text === undefined ? undefined : pairs(text.split(','));
}

/** Format 1.0 has it in front of the data. */
export const hasMapInData = (records: PaxRecords): boolean => paxNumber(records, 'GNU.sparse.major') === 1;

/**
 * The map of format 1.0: decimal numbers, each with a line feed, the first says how many pairs there are. Undefined as long
 * as more blocks are needed.
 */
export function dataExtents(blocks: Buffer): Extent[] | undefined {
  const lines = blocks.toString('latin1').split('\n');
  lines.pop();
  const [count, ...rest] = lines;
  if (count === undefined) {
    if (blocks.length > BLOCK) throw bad();
    return undefined;
  }
  const wanted = decimal(count);
  if (wanted > MAX_EXTENTS) throw bad();
  return rest.length < wanted * 2 ? undefined : pairs(rest.slice(0, wanted * 2));
}

/** They must be in order and inside the file, and have as many bytes as the archive has. */
export function checkExtents(extents: readonly Extent[], stored: number, size: number): void {
  let end = 0;
  let sum = 0;
  for (const { offset, length } of extents) {
    if (offset < end || length < 0) throw bad();
    end = offset + length;
    sum += length;
  }
  if (end > size || sum !== stored || extents.length > MAX_EXTENTS) throw bad();
}

function pairs(numbers: readonly string[]): Extent[] {
  if (numbers.length % 2 === 1 || numbers.length > MAX_EXTENTS * 2) throw bad();
  return Array.from({ length: numbers.length / 2 }, (_, i) => ({
    offset: decimal(numbers[i * 2]),
    length: decimal(numbers[i * 2 + 1]),
  }));
}

function decimal(text: string | undefined): number {
  if (text === undefined || !/^[0-9]{1,15}$/.test(text)) throw bad();
  return Number(text);
}

const bad = (): TarError => new TarError('not a tar archive: the map of a sparse file is not well formed');
