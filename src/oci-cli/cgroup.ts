import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoCode, UserError } from '../base/errors.ts';
import type { RuntimeResources } from '../oci/read/resources.ts';
import { impossible, type Setting, settingsOf } from './cgroup-settings.ts';
import { type Hierarchy, hierarchies, hierarchyOf, pathIn } from './hierarchies.ts';
import { warn } from './log.ts';

/** Where a container's cgroups are; JSON of the state. */
export interface CgroupRecord {
  /** One in each hierarchy, the v2 one first. */
  readonly directories: readonly string[];
  /** Those that were made for it, parents first. */
  readonly made: readonly string[];
  /** The one that processes are counted in. */
  readonly tracking: string | undefined;
  readonly isV2: boolean;
  /** Nobody else was in them: what is there now is the container's. */
  readonly isOwn?: boolean;
}

/** v1's `tasks` files, which the program writes itself into. On v2 it is born there. */
export const joinsOf = (path: string): readonly string[] =>
  hierarchies()
    .filter(({ version }) => version === 1)
    .map(one => join(pathIn(one, path), 'tasks'));

/** What would be there once {@link createCgroups} is through: written down first, for whoever cleans up after a kill. */
export function planCgroups(cgroupsPath: string): CgroupRecord {
  const all = hierarchies();
  const directories = all.map(one => pathIn(one, cgroupsPath));
  const made = all.flatMap(one => {
    const path = pathIn(one, cgroupsPath);
    const missing: string[] = [];
    for (let at = path; at.startsWith(`${one.mount}/`) && !existsSync(at); at = dirname(at))
      missing.unshift(at);
    return missing;
  });
  return { directories, made, tracking: directories[0], isV2: all[0]?.version === 2 };
}

export function createCgroups({ directories }: CgroupRecord): void {
  const all = hierarchies();
  for (const directory of directories) makeDirectory(directory, all);
  const taken = directories.find(directory => processesIn(directory).length > 0);
  if (taken !== undefined) throw new UserError(`linux.cgroupsPath: ${taken} has processes already`);
}

function makeDirectory(directory: string, all: readonly Hierarchy[]): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
  } catch (cause) {
    throw new UserError(`linux.cgroupsPath: cannot make ${directory}: ${errnoCode(cause)}`, { cause });
  }
  const hierarchy = all.find(({ mount }) => directory.startsWith(`${mount}/`));
  if (hierarchy?.version === 1 && hierarchy.controllers.includes('cpuset'))
    fillCpuset(hierarchy.mount, directory);
}

/** A cpuset of v1's begins empty, and nobody can join it then: what the one above has, from the top. */
function fillCpuset(mount: string, directory: string): void {
  if (directory === mount) return;
  fillCpuset(mount, dirname(directory));
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if (readFileSync(join(directory, file), 'utf8').trim() !== '') continue;
    writeFileSync(join(directory, file), readFileSync(join(dirname(directory), file)));
  }
}

/** Writes resources; a field that this machine cannot do is an error that names it. */
export function applyResources(cgroupsPath: string, resources: RuntimeResources): void {
  const all = hierarchies();
  const versions = new Set(
    all.filter(one => one.controllers.some(name => !name.startsWith('name='))).map(one => one.version),
  );
  for (const version of [1, 2] as const) {
    const field = versions.has(version === 1 ? 2 : 1) ? undefined : impossible(version, resources);
    if (field !== undefined)
      throw new UserError(`linux.resources.${field}: is not supported with cgroup v${version}`);
  }
  const settings = ([1, 2] as const).flatMap(version =>
    settingsOf(version, resources).filter(
      ({ controller }) => versionOf(all, controller, versions) === version,
    ),
  );
  enable(all, cgroupsPath, settings);
  // Memory before memory and swap where both shrink, and the other way round where they grow: what fails comes again.
  const failed = settings.filter(setting => write(all, cgroupsPath, setting) !== undefined);
  for (const setting of failed) {
    const problem = write(all, cgroupsPath, setting);
    if (problem === undefined) continue;
    if (setting.isOptional === true) warn(`${setting.field}: ${problem}`);
    else throw new UserError(`${setting.field}: ${problem}`);
  }
}

function versionOf(all: readonly Hierarchy[], controller: string, versions: ReadonlySet<number>): number {
  // Device rules are a program where there is a v2 hierarchy; `cgroup.…` are files of v2's own.
  if (controller === 'devices' && all.some(({ version }) => version === 2)) return 0;
  return (
    hierarchyOf(all, v1Name(controller))?.version ??
    hierarchyOf(all, controller)?.version ??
    (versions.has(2) ? 2 : 1)
  );
}

const v1Name = (controller: string): string => (controller === 'io' ? 'blkio' : controller);

function write(all: readonly Hierarchy[], cgroupsPath: string, setting: Setting): string | undefined {
  const own = setting.controller === 'cgroup' ? all.find(({ version }) => version === 2) : undefined;
  const hierarchy = own ?? hierarchyOf(all, setting.controller);
  if (hierarchy === undefined) return `this machine has no ${setting.controller} cgroup controller`;
  try {
    writeFileSync(join(pathIn(hierarchy, cgroupsPath), setting.file), setting.value);
    return undefined;
  } catch (error) {
    return `cannot write ${setting.value} to ${setting.file}: ${errnoCode(error)}`;
  }
}

/** A v2 cgroup has the controllers that all those above it hand down. One that is not is told by its missing file. */
function enable(all: readonly Hierarchy[], cgroupsPath: string, settings: readonly Setting[]): void {
  const v2 = all.find(({ version }) => version === 2);
  const wanted = new Set(
    settings.map(({ controller }) => controller).filter(name => v2?.controllers.includes(name)),
  );
  const parts = cgroupsPath.split('/').filter(part => part !== '');
  for (let i = 0; v2 !== undefined && i < parts.length; i++)
    for (const controller of wanted)
      try {
        writeFileSync(join(v2.mount, ...parts.slice(0, i), 'cgroup.subtree_control'), `+${controller}`);
      } catch {
        // told by what cannot be written
      }
}

/** Host pids in a cgroup and below. */
export function processesIn(directory: string): readonly number[] {
  try {
    const own = readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
    return [...own, ...children(directory).flatMap(processesIn)];
  } catch {
    return [];
  }
}

function children(directory: string): readonly string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(entry => join(directory, entry.name));
}

const sleep = (milliseconds: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
};

/** Never those of a cgroup that was refused, because others live there. */
const ownDirectories = ({ directories, made, isOwn }: CgroupRecord): readonly string[] =>
  directories.filter(directory => isOwn === true || made.includes(directory));

/** Ends all that is in the cgroups; on v1 a frozen process does not even die of SIGKILL, so it is thawed. */
export function killAll(record: CgroupRecord): void {
  if (record.isOwn === true) thaw(record);
  for (let round = 0; round < 400; round++) {
    const pids = new Set(ownDirectories(record).flatMap(processesIn));
    if (pids.size === 0) return;
    for (const pid of pids)
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // gone
      }
    sleep(Math.min(1 + round, 20));
  }
  throw new UserError(`processes in ${record.tracking} do not end`);
}

/** Removes what was made; a directory that others use stays. */
export function removeCgroups({ directories, made }: CgroupRecord): void {
  for (const directory of directories) if (made.includes(directory)) removeTree(directory);
  for (const directory of [...made].reverse())
    try {
      rmdirSync(directory);
    } catch {
      // somebody else's by now, or gone
    }
}

function removeTree(directory: string): void {
  for (let round = 0; round < 100; round++) {
    try {
      for (const child of children(directory)) removeTree(child);
      rmdirSync(directory);
      return;
    } catch (error) {
      if (['ENOENT', 'ENODEV'].includes(errnoCode(error) ?? '')) return;
      if (errnoCode(error) !== 'EBUSY') throw error;
      sleep(Math.min(1 + round, 20));
    }
  }
  throw new UserError(`cgroup ${directory} is still busy`);
}

/** The freezer of a container: v2's is everywhere, v1's a controller. */
function freezer(
  record: CgroupRecord,
): { readonly file: string; readonly words: readonly [string, string] } | undefined {
  for (const directory of record.directories) {
    if (existsSync(join(directory, 'cgroup.freeze')))
      return { file: join(directory, 'cgroup.freeze'), words: ['0', '1'] };
    if (existsSync(join(directory, 'freezer.state')))
      return { file: join(directory, 'freezer.state'), words: ['THAWED', 'FROZEN'] };
  }
  return undefined;
}

export function isFrozen(record: CgroupRecord): boolean {
  const found = freezer(record);
  if (found === undefined) return false;
  try {
    return ['1', 'FROZEN', 'FREEZING'].includes(readFileSync(found.file, 'utf8').trim());
  } catch {
    return false;
  }
}

export function freeze(record: CgroupRecord): void {
  const found = freezer(record);
  if (found === undefined) throw new UserError('this machine has no freezer cgroup');
  writeFileSync(found.file, found.words[1]);
  for (let round = 0; round < 1000 && !hasFrozen(found.file); round++) {
    // v1: a process that was being made needs to be told again.
    if (found.words[1] === 'FROZEN') writeFileSync(found.file, 'FROZEN');
    sleep(1 + (round >> 4));
  }
}

function hasFrozen(file: string): boolean {
  if (file.endsWith('freezer.state')) return readFileSync(file, 'utf8').trim() === 'FROZEN';
  return /^frozen 1$/m.test(readFileSync(join(dirname(file), 'cgroup.events'), 'utf8'));
}

export function thaw(record: CgroupRecord): void {
  const found = freezer(record);
  if (found !== undefined && isFrozen(record)) writeFileSync(found.file, found.words[0]);
}
