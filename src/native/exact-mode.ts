import { chmodSync, closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoCode } from '../base/errors.ts';

/**
 * Makes a directory, and what its parents lack; returns the first that was made. Node's own says ENOENT where the kernel
 * says that a disk is full or read-only.
 */
export function makeTree(path: string, mode = 0o777): string | undefined {
  try {
    mkdirSync(path, { mode });
    return path;
  } catch (error) {
    if (errnoCode(error) === 'EEXIST') return undefined;
    if (errnoCode(error) !== 'ENOENT' || dirname(path) === path) throw error;
  }
  const parent = makeTree(dirname(path), mode);
  const own = makeLast(path, mode);
  return parent ?? own;
}

/** Another command may have made it meanwhile. */
function makeLast(path: string, mode: number): string | undefined {
  try {
    mkdirSync(path, { mode });
    return path;
  } catch (error) {
    if (errnoCode(error) !== 'EEXIST') throw error;
    return undefined;
  }
}

/** Makes a directory, and what its parents lack, with a mode that no umask changes: a container's user looks in there. */
export function makeDirectories(path: string, mode: number): void {
  const first = makeTree(path, mode);
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
