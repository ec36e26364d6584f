import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { errnoCode } from '../base/errors.ts';
import { MAGIC } from '../linux/constants.generated.ts';
import type { OciMount } from '../oci/config.ts';

/** How the machine has its cgroups, systemd's words: cgroups(7). */
export type CgroupMode = 'unified' | 'hybrid' | 'legacy' | 'none';

export interface Cgroups {
  readonly mode: CgroupMode;
  /** The hierarchy that podspace tracks processes in: v2 where there is one, else one v1 hierarchy. */
  readonly root: string | undefined;
  readonly isV2: boolean;
}

const MOUNT = '/sys/fs/cgroup';
/** v1 hierarchies to track processes in, best first: any will do, it only has to be there. */
const V1_CANDIDATES = ['pids', 'freezer', 'systemd', 'devices', 'memory', 'cpu,cpuacct', 'cpu'];

function isCgroup2(path: string): boolean {
  try {
    return statfsSync(path).type === MAGIC.CGROUP2_SUPER_MAGIC;
  } catch {
    return false;
  }
}

export function detectCgroups(): Cgroups {
  if (isCgroup2(MOUNT)) return { mode: 'unified', root: MOUNT, isV2: true };
  if (isCgroup2(`${MOUNT}/unified`)) return { mode: 'hybrid', root: `${MOUNT}/unified`, isV2: true };
  const v1 = V1_CANDIDATES.map(name => join(MOUNT, name)).find(path => existsSync(`${path}/cgroup.procs`));
  return v1 === undefined
    ? { mode: 'none', root: undefined, isV2: false }
    : { mode: 'legacy', root: v1, isV2: false };
}

/** What the runtime-spec's mount of type "cgroup" means here. */
export function cgroupMounts(cgroups: Cgroups): readonly OciMount[] {
  if (cgroups.mode === 'none') return [];
  if (cgroups.mode === 'unified')
    return [{ destination: MOUNT, type: 'cgroup2', source: 'cgroup', options: [] }];
  const rows = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map(line => line.split(' '));
  const hierarchies = rows.flatMap(fields => {
    const dash = fields.indexOf('-');
    const [mountPoint = '', type = '', options = ''] = [fields[4], fields[dash + 1], fields[dash + 3]];
    if (!mountPoint.startsWith(`${MOUNT}/`) || (type !== 'cgroup' && type !== 'cgroup2')) return [];
    // The superblock's options name its controllers; rw/ro and the agent are the mount's own business.
    const data = options
      .split(',')
      .filter(option => !/^(rw|ro|release_agent=.*|nsdelegate|xattr|clone_children)$/.test(option));
    const named = data.some(option => option.startsWith('name=')) ? ['none', ...data] : data;
    return [{ destination: mountPoint, type, source: 'cgroup', options: type === 'cgroup' ? named : [] }];
  });
  return [{ destination: MOUNT, type: 'tmpfs', source: 'tmpfs', options: ['mode=755'] }, ...hierarchies];
}

/** One cgroup that podspace made. */
export class Cgroup {
  readonly path: string;
  readonly isV2: boolean;

  constructor(path: string, isV2: boolean) {
    this.path = path;
    this.isV2 = isV2;
  }

  /** Makes the cgroup with its parents. */
  create(): void {
    mkdirSync(this.path, { recursive: true });
  }

  /** An fd to be born in it (CLONE_INTO_CGROUP, v2 only); the caller closes it. */
  open(): number | undefined {
    return this.isV2 ? openSync(this.path, 'r') : undefined;
  }

  /** The file that a process writes itself into where it cannot be born there (v1). */
  get procsFiles(): readonly string[] {
    return this.isV2 ? [] : [`${this.path}/cgroup.procs`];
  }

  /** Processes in it and below, by host pid. */
  processes(): readonly number[] {
    try {
      const own = readFileSync(`${this.path}/cgroup.procs`, 'utf8')
        .split('\n')
        .filter(line => line !== '')
        .map(Number);
      return [...own, ...this.#children().flatMap(child => child.processes())];
    } catch (error) {
      if (isGone(error)) return [];
      throw error;
    }
  }

  /** SIGKILL for all that is in it: at once on v2 (cgroup.kill, Linux 5.14), else again and again until none is left. */
  kill(): void {
    try {
      if (existsSync(`${this.path}/cgroup.kill`)) {
        writeFileSync(`${this.path}/cgroup.kill`, '1');
        return;
      }
    } catch (error) {
      if (isGone(error)) return;
      throw error;
    }
    for (let round = 0; round < 100; round++) {
      const pids = this.processes();
      if (pids.length === 0) return;
      for (const pid of pids) killQuietly(pid);
    }
  }

  /** Removes it and what is below; false while a process is still in it. */
  remove(): boolean {
    try {
      for (const child of this.#children()) if (!child.remove()) return false;
      rmdirSync(this.path);
      return true;
    } catch (error) {
      if (isGone(error)) return true;
      if (errnoCode(error) === 'EBUSY') return false;
      throw error;
    }
  }

  /** Removes it unless something is below it or in it. */
  removeIfEmpty(): void {
    try {
      rmdirSync(this.path);
    } catch (error) {
      if (!isGone(error) && !['EBUSY', 'ENOTEMPTY'].includes(errnoCode(error) ?? '')) throw error;
    }
  }

  #children(): readonly Cgroup[] {
    const entries = readdirSync(this.path, { withFileTypes: true });
    return entries
      .filter(entry => entry.isDirectory())
      .map(entry => new Cgroup(join(this.path, entry.name), this.isV2));
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errnoCode(error) !== 'ESRCH') throw error;
  }
}

function isGone(error: unknown): boolean {
  return ['ENOENT', 'ENODEV'].includes(errnoCode(error) ?? '');
}

/** Runs something with an fd of the cgroup, and closes it. */
export async function withCgroup<T>(
  cgroup: Cgroup | undefined,
  body: (fd: number | undefined) => Promise<T>,
): Promise<T> {
  const fd = cgroup?.open();
  try {
    return await body(fd);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
