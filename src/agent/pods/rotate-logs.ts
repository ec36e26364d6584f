import {
  createReadStream,
  createWriteStream,
  existsSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { errnoCode } from '../../base/errors.ts';
import type { DetachedPod } from '../../runtime/detached.ts';
import { isDiskFailure } from '../../runtime/disk-failure.ts';
import { filesOf, isCompressed } from '../../runtime/log-files.ts';
import { isBeingRead } from '../logs/log-source.ts';

/** The kubelet's containerLogMaxSize and containerLogMaxFiles. */
const MAX_SIZE = 10 << 20;
const MAX_FILES = 5;

/**
 * Moves logs away that have become large, and lets the shim begin new ones; what is printed in between is in the old file. The
 * oldest ones go, and those between them and the newest are compressed.
 */
export async function rotateLogs({ keeper, lifecycle }: DetachedPod): Promise<void> {
  for (const { name, attempt } of lifecycle.attempts()) {
    const directory = keeper.logDirectory(name);
    const stat = statSync(join(directory, `${attempt}.log`), { throwIfNoEntry: false });
    if (stat === undefined ? !existsSync(directory) : stat.size < MAX_SIZE) continue;
    if (stat !== undefined) rotateLog(directory, attempt);
    // Also where there is none: an agent that was killed had got no further.
    keeper.reopenLog(name, attempt);
    removeOldest(directory, attempt);
    await compressLogs(directory, attempt);
  }
}

/** Gives a log its name with a time, later than all there are whatever the clock says: they are read in that order. */
export function rotateLog(directory: string, attempt: number, now = Date.now()): void {
  const current = join(directory, `${attempt}.log`);
  const rotated = filesOf(directory, attempt).filter(file => file !== current);
  const last = rotated.at(-1);
  const time = last === undefined ? now : Math.max(now, timeOf(last) + 1000);
  renameSync(current, `${current}.${stampOf(time)}`);
}

export function removeOldest(directory: string, attempt: number): void {
  for (const old of filesOf(directory, attempt).slice(0, -MAX_FILES)) rmSync(old, { force: true });
}

/** The kubelet's form of a time. */
const stampOf = (time: number): string =>
  new Date(time).toISOString().replace(/[-:]/g, '').replace('T', '-').replace(/\..*/, '');

function timeOf(file: string): number {
  const stamp = /\.(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)/.exec(basename(file)) ?? [];
  const [year = 0, month = 1, day = 1, ...rest] = stamp.slice(1).map(Number);
  return Date.UTC(year, month - 1, day, ...(rest as [number, number, number]));
}

/** All but the newest of those that were rotated, unless somebody reads them, and what an agent has left that was killed. */
export async function compressLogs(directory: string, attempt: number): Promise<void> {
  for (const name of readdirSync(directory))
    if (name.startsWith(`${attempt}.log.`) && name.endsWith('.tmp')) unlinkSync(join(directory, name));
  for (const file of filesOf(directory, attempt).slice(0, -2)) {
    if (isCompressed(file)) continue;
    const inode = statSync(file, { throwIfNoEntry: false })?.ino;
    if (inode === undefined || isBeingRead(inode)) continue;
    if (!existsSync(`${file}.gz`)) await compress(file, inode);
    else unlinkSync(file);
  }
}

/** Without room for it, or if the pod has gone meanwhile, it stays as it is. */
async function compress(file: string, inode: number): Promise<void> {
  const temporary = `${file}.tmp`;
  try {
    const to = createWriteStream(temporary, { flags: 'wx', mode: 0o640 });
    await pipeline(createReadStream(file), createGzip(), to);
    if (isBeingRead(inode) || !existsSync(file)) rmSync(temporary);
    else {
      renameSync(temporary, `${file}.gz`);
      unlinkSync(file);
    }
  } catch (error) {
    rmSync(temporary, { force: true });
    if (!isDiskFailure(error) && errnoCode(error) !== 'ENOENT') throw error;
  }
}
