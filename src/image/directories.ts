import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { errnoCode } from '../base/errors.ts';
import { LOCK } from '../linux/constants.generated.ts';
import { makeTree } from '../native/exact-mode.ts';
import { flock } from '../native/libc.ts';

/**
 * The directories of unpacked layers are locked by what needs them: exclusively while one is filled or removed, shared while
 * an image is being made of it or a pod runs on it. Locks go with the process that has them.
 */

/** Makes a directory that nobody else knows yet, and locks it. A sweep in between takes it for a crashed import's: then again. */
export function makeLocked(directory: string): number {
  for (;;) {
    makeTree(directory, 0o700);
    const lock = lockDirectory(directory, LOCK.LOCK_EX);
    if (lock !== undefined) return lock;
  }
}

/** Undefined where it is not there, or, with LOCK_NB, where somebody else has it. */
export function lockDirectory(directory: string, operation: number): number | undefined {
  const fd = openIfThere(directory);
  if (fd === undefined) return undefined;
  if (flock(fd, operation) && statSync(directory, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino)
    return fd;
  closeSync(fd);
  return undefined;
}

/** Keeps one from being removed, for as long as the fd is open; undefined where that has begun already. */
export function holdDirectory(directory: string): number | undefined {
  return lockDirectory(directory, LOCK.LOCK_SH | LOCK.LOCK_NB);
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
