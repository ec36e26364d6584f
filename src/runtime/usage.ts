import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readProcStat } from '../native/proc-stat.ts';
import { Cgroup } from './cgroups.ts';
import type { ContainerRecord } from './pod-directory.ts';

/** What a container has used: processor time since its start, and memory now, without what the kernel could drop at once. */
export interface Usage {
  readonly cpuMicroseconds: number;
  readonly memoryBytes: number;
}

/** USER_HZ of every Linux that Node runs on, and the page size that /proc/PID/statm counts in. */
const CLOCK_TICK = 10_000;
const PAGE = 4096;

/** By the files of its cgroups; where those count nothing, by its processes. Undefined once it has ended. */
export function containerUsage({ cgroup, cgroupProcs }: ContainerRecord): Usage | undefined {
  if (cgroup === undefined) return undefined;
  const directories = [cgroup, ...cgroupProcs.map(dirname)];
  const read = (name: string): string | undefined => {
    for (const directory of directories) {
      const text = readText(join(directory, name));
      if (text !== undefined) return text;
    }
    return undefined;
  };
  const pids = new Cgroup(cgroup, true).processes();
  if (pids.length === 0) return undefined;
  return {
    cpuMicroseconds: cpuOf(read) ?? sum(pids, cpuTime),
    memoryBytes: memoryOf(read) ?? sum(pids, residentSet),
  };
}

type Read = (name: string) => string | undefined;

function cpuOf(read: Read): number | undefined {
  const usage = fieldOf(read('cpu.stat'), 'usage_usec');
  if (usage !== undefined) return usage;
  const nanoseconds = read('cpuacct.usage');
  return nanoseconds === undefined ? undefined : Number(nanoseconds) / 1000;
}

/** The working set: what is used without the pages of files that nobody has touched for some time. */
function memoryOf(read: Read): number | undefined {
  const used = read('memory.current') ?? read('memory.usage_in_bytes');
  if (used === undefined) return undefined;
  const stat = read('memory.stat');
  const inactive = fieldOf(stat, 'total_inactive_file') ?? fieldOf(stat, 'inactive_file') ?? 0;
  return Math.max(0, Number(used) - inactive);
}

function fieldOf(text: string | undefined, name: string): number | undefined {
  const value = text === undefined ? undefined : new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1];
  return value === undefined ? undefined : Number(value);
}

const sum = (pids: readonly number[], of: (pid: number) => number): number =>
  pids.reduce((total, pid) => total + of(pid), 0);

const cpuTime = (pid: number): number => (readProcStat(pid)?.ticks ?? 0) * CLOCK_TICK;

const residentSet = (pid: number): number =>
  Number(readText(`/proc/${pid}/statm`)?.split(' ')[1] ?? 0) * PAGE;

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
