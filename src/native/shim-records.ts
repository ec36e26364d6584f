import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoCode } from '../base/errors.ts';

/** Where a shim's records are, in the directory of its pod. */
export const RECORDS = 'records';

/** What podspace-shim wrote down of a process, native/pod.c: it runs while there is no end. */
export interface ShimRecord {
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly end: ShimExit | undefined;
}

export interface ShimExit {
  /** As wait(2) has it. */
  readonly status: number;
  /** Milliseconds since the epoch. */
  readonly finishedAt: number;
  readonly cpuMicroseconds: number;
  /** Peak resident set, in bytes. */
  readonly maxRss: number;
}

const milliseconds = (seconds = '', nanoseconds = ''): number =>
  Number(seconds) * 1000 + Math.floor(Number(nanoseconds) / 1e6);

/** From the words of a record, or of what the shim tells. */
export function parseExit([status, seconds, nanoseconds, cpu, maxRss]: readonly string[]): ShimExit {
  return {
    status: Number(status),
    finishedAt: milliseconds(seconds, nanoseconds),
    cpuMicroseconds: Number(cpu),
    maxRss: Number(maxRss) * 1024,
  };
}

/** What is on record of a process; undefined if it was never started. */
export function readShimRecord(directory: string, id: string): ShimRecord | undefined {
  let text: string;
  try {
    text = readFileSync(join(directory, RECORDS, id), 'utf8');
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  const [start = '', end = ''] = text.split('\n');
  const [pid, seconds, nanoseconds] = start.split(' ');
  return {
    pid: Number(pid),
    startedAt: milliseconds(seconds, nanoseconds),
    end: end === '' ? undefined : parseExit(end.split(' ')),
  };
}
