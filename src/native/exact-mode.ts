import { chmodSync, closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Makes a directory, and what its parents lack, with a mode that no umask changes: a container's user looks in there. */
export function makeDirectories(path: string, mode: number): void {
  const first = mkdirSync(path, { recursive: true, mode });
  if (first === undefined) return;
  for (let each = path; each.length >= first.length; each = dirname(each)) chmodSync(each, mode);
}

/** Writes a file whose mode no umask changes. */
export function writeWithMode(path: string, data: string | Uint8Array, mode: number): void {
  writeFileSync(path, data, { mode });
  chmodSync(path, mode);
}

/** Makes an empty file, unless there is one, with a mode that no umask changes. */
export function makeFile(path: string, mode: number): void {
  closeSync(openSync(path, 'ax', mode));
  chmodSync(path, mode);
}
