import { closeSync, existsSync, readdirSync, readFileSync, rmdirSync, unlinkSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoCode, UserError } from '../base/errors.ts';
import { makeTree } from '../native/exact-mode.ts';
import { ID_RANGE_SIZE } from '../oci/generate.ts';
import type { Cleanup } from './cleanup.ts';
import { isLocked, lockFile } from './lock-file.ts';

/**
 * A range's base is a multiple of its size. These are the ones from 0x70000000 to 0x7ffeffff: below, systemd gives ids to
 * containers of its own; above, not every program takes an id for a positive number. https://systemd.io/UIDS-GIDS
 */
const FIRST_RANGE = 0x7000;
const RANGES = 0x0fff;

/**
 * Ids belong to the machine, not to one --root: the same directory for all. It has a file for each range in use, locked
 * by the command that runs the pod; what it holds is the pod's uid, for people.
 */
const DIRECTORY = '/run/podspace/ids';

/** Takes a range that no other pod of this machine has now; returns its first id. Throws a UserError if all are taken. */
export function allocateRange(uid: string, cleanup: Cleanup, directory = DIRECTORY): number {
  const reserved = reservedRanges();
  // From a place of its own, so that hundreds of pods need not ask for each other's ranges first.
  const start = Number.parseInt(uid.slice(0, 8), 16) || 0;
  for (let i = 0; i < RANGES; i++) {
    const range = FIRST_RANGE + ((start + i) % RANGES);
    if (reserved.some(([from, to]) => range >= from && range <= to)) continue;
    const path = `${directory}/${range * ID_RANGE_SIZE}`;
    const lock = lockIn(directory, path);
    if (lock === undefined) continue;
    writeSync(lock, uid);
    cleanup.keep('ids', lock);
    cleanup.add('ids of the pod', () => {
      unlinkSync(path);
      closeSync(lock);
      removeEmpty(directory);
    });
    return range * ID_RANGE_SIZE;
  }
  throw new UserError('every range of ids is in use', {
    hint: 'hostUsers: false takes 65536 ids for each pod',
  });
}

/** The directory may be removed by another pod's end at any moment, because it is empty. */
function lockIn(directory: string, path: string): number | undefined {
  for (;;) {
    makeTree(directory, 0o700);
    try {
      return lockFile(path);
    } catch (error) {
      if (errnoCode(error) !== 'ENOENT') throw error;
    }
  }
}

/** Removes what killed commands have left. */
export function sweepRanges(directory = DIRECTORY): void {
  if (!existsSync(directory)) return;
  for (const name of readdirSync(directory))
    if (!isLocked(join(directory, name))) unlinkSync(join(directory, name));
  removeEmpty(directory);
}

function removeEmpty(directory: string): void {
  for (const path of [directory, dirname(directory)]) {
    try {
      rmdirSync(path);
    } catch (error) {
      if (!['ENOENT', 'ENOTEMPTY'].includes(errnoCode(error) ?? '')) throw error;
    }
  }
}

/** Ranges that subuid(5) and subgid(5) give to somebody: newuidmap(1) may hand out these ids at any time. */
export function reservedRanges(
  files: readonly string[] = ['/etc/subuid', '/etc/subgid'],
): readonly (readonly [from: number, to: number])[] {
  const lines = files.flatMap(file => (existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []));
  return lines.flatMap(line => {
    const [, start = 0, count = 0] = line.split(':').map(Number);
    if (!(start > 0 && count > 0)) return [];
    return [[Math.floor(start / ID_RANGE_SIZE), Math.floor((start + count - 1) / ID_RANGE_SIZE)] as const];
  });
}
