import { closeSync, existsSync, fstatSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoCode } from '../base/errors.ts';
import { LOCK } from '../linux/constants.generated.ts';
import { flock } from '../native/libc.ts';
import { removeEmptyDirectories } from './empty-directories.ts';

/** Locks a file for as long as this process lives; undefined while another one holds it. */
export function lockFile(path: string): number | undefined {
  return lock(path, LOCK.LOCK_EX | LOCK.LOCK_NB);
}

/** The same, but waits; for locks that are held for a moment. */
export function waitForLock(path: string): number {
  const fd = lock(path, LOCK.LOCK_EX);
  if (fd === undefined) throw new Error(`bug in podspace: no lock on ${path}`);
  return fd;
}

function lock(path: string, operation: number): number | undefined {
  for (;;) {
    const fd = openSync(path, 'a', 0o600);
    if (!flock(fd, operation)) {
      closeSync(fd);
      return undefined;
    }
    // The holder before us may have removed the file between our open and our lock: then this lock guards nothing.
    if (existsSync(path) && fstatSync(fd).ino === statSync(path).ino) return fd;
    closeSync(fd);
  }
}

/**
 * A lock of a file in a directory that whoever ends may be removing at this moment, because it is empty: both are made until
 * `lock` has it. One that does not wait is tried again while somebody else has it. Where that fails, no directory of ours stays.
 */
export function lockIn(directory: string, lock: () => number | undefined): number {
  let made: string | undefined;
  for (;;) {
    try {
      made = mkdirSync(directory, { recursive: true, mode: 0o700 }) ?? made;
      const fd = lock();
      if (fd !== undefined) return fd;
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') continue;
      if (made !== undefined) removeEmptyDirectories(between(directory, made));
      throw error;
    }
  }
}

/** A directory and those that it is in, up to `top`. */
function between(directory: string, top: string): readonly string[] {
  const all: string[] = [];
  for (let path = directory; path.length >= top.length; path = dirname(path)) all.push(path);
  return all;
}

/** True while some process holds the lock of a file. */
export function isLocked(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return false;
    throw error;
  }
  try {
    return !flock(fd, LOCK.LOCK_SH | LOCK.LOCK_NB);
  } finally {
    closeSync(fd);
  }
}
