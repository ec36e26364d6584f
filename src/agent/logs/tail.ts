import { fstatSync, readSync } from 'node:fs';

const BLOCK = 65_536;
const NEWLINE = 0x0a;

/**
 * Where in a file the last `count` whole lines begin, and how many of them it has. Entries that say that their line goes on
 * are no end of one, whatever stands in between.
 */
export function tailOf(fd: number, count: number): { readonly offset: number; readonly found: number } {
  const { size } = fstatSync(fd);
  let found = 0;
  // The beginning of what has been looked at: the entry that begins there may begin before.
  let rest = Buffer.alloc(0);
  let end = size;
  for (let start = size; start > 0; ) {
    const length = Math.min(BLOCK, start);
    start -= length;
    const block = Buffer.allocUnsafe(length);
    readSync(fd, block, 0, length, start);
    const bytes = Buffer.concat([block, rest]);
    end = start + bytes.length;
    let until = bytes.length;
    for (;;) {
      const newline = until === 0 ? -1 : bytes.lastIndexOf(NEWLINE, until - 2);
      const begin = newline + 1;
      if (newline === -1 && start > 0) break;
      if (isWholeLine(bytes.subarray(begin, until))) {
        if (found === count) return { offset: start + until, found };
        found++;
      }
      until = begin;
      if (begin === 0) break;
    }
    rest = bytes.subarray(0, until);
    end = start + until;
  }
  return { offset: found === count ? end : 0, found };
}

/** `TIME STREAM F TEXT`, with its newline. */
export function isWholeLine(entry: Buffer): boolean {
  if (entry.at(-1) !== NEWLINE) return false;
  const head = entry.toString('latin1', 0, 80);
  return /^\S+ \S+ F(?:[: \n]|$)/.test(head);
}
