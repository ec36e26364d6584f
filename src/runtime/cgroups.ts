import {
  closeSync,
  existsSync,
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
import { makeTree } from '../native/exact-mode.ts';
import type { CgroupFacts, CgroupFile, CgroupPlan } from '../oci/cgroup-plan.ts';
import type { OciMount } from '../oci/config.ts';

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

/** v1 controllers that podspace has a use for; each is a link or a mount of its own name, cgroups(7). */
const V1_CONTROLLERS = ['cpu', 'memory', 'pids', 'hugetlb', 'devices', 'freezer'];

export function detectCgroups(): CgroupFacts {
  if (isCgroup2(MOUNT))
    return { mode: 'unified', root: MOUNT, isV2: true, v2Controllers: controllers(MOUNT), v1: {} };
  const v1 = Object.fromEntries(
    V1_CONTROLLERS.map(name => [name, join(MOUNT, name)] as const).filter(([, path]) =>
      existsSync(`${path}/tasks`),
    ),
  );
  const unified = `${MOUNT}/unified`;
  if (isCgroup2(unified))
    return { mode: 'hybrid', root: unified, isV2: true, v2Controllers: controllers(unified), v1 };
  const root = V1_CANDIDATES.map(name => join(MOUNT, name)).find(path => existsSync(`${path}/tasks`));
  return { mode: root === undefined ? 'none' : 'legacy', root, isV2: false, v2Controllers: [], v1 };
}

function controllers(root: string): readonly string[] {
  const text = readFileSync(`${root}/cgroup.controllers`, 'utf8').trim();
  return text === '' ? [] : text.split(' ');
}

/** What the runtime-spec's mount of type "cgroup" means here. */
export function cgroupMounts(cgroups: CgroupFacts): readonly OciMount[] {
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
    makeDirectory(this.path);
  }

  /** An fd to be born in it (CLONE_INTO_CGROUP, v2 only); the caller closes it. */
  open(): number | undefined {
    return this.isV2 ? openSync(this.path, 'r') : undefined;
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

  /** Removes it unless something is below it or in it, or it cannot be changed from here. */
  removeIfEmpty(): void {
    try {
      rmdirSync(this.path);
    } catch (error) {
      if (!isGone(error) && !['EBUSY', 'ENOTEMPTY', 'EROFS'].includes(errnoCode(error) ?? '')) throw error;
    }
  }

  #children(): readonly Cgroup[] {
    const entries = readdirSync(this.path, { withFileTypes: true });
    return entries
      .filter(entry => entry.isDirectory())
      .map(entry => new Cgroup(join(this.path, entry.name), this.isV2));
  }
}

/** A setting that the kernel did not take. */
export class CgroupError extends Error {}

/** With its parents, which another command may be removing at this moment, because they are empty. */
function makeDirectory(path: string): void {
  for (let attempt = 0; ; attempt++) {
    try {
      makeTree(path);
      return;
    } catch (error) {
      const code = errnoCode(error);
      if (code === 'ENOMEM')
        throw new CgroupError(`cannot make ${path}: a memory limit above it is too small`);
      if (code !== 'ENOENT' || attempt > 100) throw new CgroupError(`cannot make ${path}: ${code ?? error}`);
    }
  }
}

/** Makes the cgroup of a plan, settings and all. Returns warnings: what the machine turned out not to do. */
export function createCgroup(plan: CgroupPlan, facts: CgroupFacts): readonly string[] {
  for (const path of [plan.path, ...plan.others]) if (path !== undefined) makeDirectory(path);
  const problem = plan.v2Controllers.length === 0 ? undefined : enableControllers(plan, facts);
  const isTaken = ({ path }: CgroupFile): boolean =>
    problem === undefined || !path.startsWith(`${plan.path}/`);
  for (const { path, value, isOptional } of plan.files.filter(isTaken)) {
    try {
      writeFileSync(path, value);
    } catch (error) {
      if (!isOptional || errnoCode(error) !== 'ENOENT')
        throw new CgroupError(`cannot write ${value} to ${path}: ${errnoCode(error)}`);
    }
  }
  return plan.files.every(file => isTaken(file) || file.isOptional) ? [] : [problem ?? ''];
}

/** A cgroup has the controllers that all those above it hand down, cgroups(7). */
function enableControllers(
  { path = '', v2Controllers }: CgroupPlan,
  { root = '' }: CgroupFacts,
): string | undefined {
  const below = path.slice(root.length + 1).split('/');
  for (let i = 0; i < below.length; i++) {
    const directory = join(root, ...below.slice(0, i));
    try {
      writeFileSync(
        `${directory}/cgroup.subtree_control`,
        v2Controllers.map(controller => `+${controller}`).join(' '),
      );
    } catch (error) {
      return `limits are not enforced: ${directory} does not hand down the controllers ${v2Controllers.join(', ')} (${errnoCode(error)})`;
    }
  }
  return undefined;
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
