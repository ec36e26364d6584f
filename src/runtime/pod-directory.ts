import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { LevelVersion } from '../admission/pod-security/levels.ts';
import type { DefaultedPolicy } from '../admission/pod-security-policy/policy.ts';
import { errnoCode, UserError } from '../base/errors.ts';
import type { Pod } from '../kube/types.generated.ts';
import { makeTree } from '../native/exact-mode.ts';
import { readProcStat } from '../native/proc-stat.ts';
import { removeTree, unmountBelow } from '../native/remove-tree.ts';
import type { OciProcess } from '../oci/config.ts';
import { PodPaths, type Roots } from '../oci/pod-paths.ts';
import { removeEmptyDirectories } from './empty-directories.ts';
import { isLocked, lockFile } from './lock-file.ts';
import type { SeccompRecord } from './seccomp.ts';

/** A process that podspace started, so that a reused pid is not taken for it. */
export interface ProcessRecord {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks after boot. */
  readonly startTime: string;
}

export interface ContainerRecord extends ProcessRecord {
  readonly name: string;
  readonly image: string;
  readonly imageId: string;
  readonly process: OciProcess;
  /** Its filter, for exec. */
  readonly seccomp: SeccompRecord | undefined;
  readonly cgroup: string | undefined;
  /** Of v1 hierarchies: what a process that joins it writes itself into. */
  readonly cgroupProcs: readonly string[];
  /** It has come up, and Services may send it traffic: as in its status. */
  readonly started: boolean;
  readonly ready: boolean;
}

/** What other podspace commands must know about a running pod: `pod.json` in its run directory. */
export interface PodRecord {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly owner: ProcessRecord;
  /** As it was admitted. */
  readonly pod: Pod;
  /** What it is held to, if anything. */
  readonly admission?: { readonly policy: DefaultedPolicy | undefined; readonly enforced: LevelVersion };
  readonly pause: ProcessRecord | undefined;
  readonly cgroup: string | undefined;
  /** The host's number of its user 0, in a user namespace of its own. */
  readonly hostRoot?: number;
  readonly images: readonly string[];
  readonly containers: readonly ContainerRecord[];
}

/** Creates what a path's parents lack; another command may be removing empty ones at this moment. */
function makeDirectory(path: string, mode = 0o700): void {
  for (let attempt = 0; ; attempt++) {
    try {
      // Whatever the umask: compile and explain read the images without root.
      if (makeTree(path, mode) !== undefined) chmodSync(path, mode);
      return;
    } catch (error) {
      if (errnoCode(error) !== 'ENOENT' || attempt > 100) throw error;
    }
  }
}

/** The directories of a pod that this process runs. Its lock says to others that it is alive. */
export class PodDirectory {
  readonly paths: PodPaths;
  readonly #nameLock: number;
  readonly #nameFile: string;
  #lock: number | undefined;
  #isLeftToGc = false;

  private constructor(paths: PodPaths, nameFile: string, nameLock: number) {
    this.paths = paths;
    this.#nameFile = nameFile;
    this.#nameLock = nameLock;
  }

  /** Claims the pod's name, and makes its directories. Throws a UserError if a running pod has that name. */
  static create(roots: Roots, uid: string, namespace: string, name: string): PodDirectory {
    const names = join(roots.run, 'names');
    const nameFile = nameFileOf(roots, namespace, name);
    try {
      makeDirectory(names);
      const nameLock = retryWhileMissing(() => lockFile(nameFile), names);
      if (nameLock === undefined)
        throw new UserError(`pods "${name}" already exists`, { hint: 'podspace ps shows the pods that run' });
      const directory = new PodDirectory(new PodPaths(roots, uid), nameFile, nameLock);
      try {
        directory.#make();
      } catch (error) {
        directory.remove();
        throw error;
      }
      return directory;
    } catch (error) {
      removeEmpty(roots);
      throw error;
    }
  }

  #make(): void {
    const { run, state, roots } = this.paths;
    makeDirectory(dirname(run));
    // Locked before it appears under its name: gc must never see a live pod without its lock.
    makeDirectory(this.#temporary);
    this.#lock = lockFile(join(this.#temporary, 'lock'));
    if (this.#lock === undefined) throw new Error(`bug in podspace: ${this.#temporary} is locked`);
    mkdirSync(join(this.#temporary, 'ns'), { mode: 0o700 });
    mkdirSync(join(this.#temporary, 'root'), { mode: 0o700 });
    renameSync(this.#temporary, run);
    makeDirectory(roots.state, 0o755);
    makeDirectory(state);
  }

  get #temporary(): string {
    return join(dirname(this.paths.run), `.${this.paths.uid}`);
  }

  /** Its locks, for whoever keeps the pod alive. */
  get locks(): readonly number[] {
    return [this.#nameLock, this.#lock].filter(fd => fd !== undefined);
  }

  /** Something of the pod could not be removed: its files stay too, unlocked, so that gc finds it by them. */
  leaveToGc(): void {
    this.#isLeftToGc = true;
  }

  /** Removes everything of the pod, and the directories above that are empty then. */
  remove(): void {
    try {
      if (this.#isLeftToGc) return;
      removePodFiles(this.paths);
      removeTree(this.#temporary);
      unlinkSync(this.#nameFile);
    } finally {
      closeSync(this.#nameLock);
      if (this.#lock !== undefined) closeSync(this.#lock);
      removeEmpty(this.paths.roots);
    }
  }
}

/** What other commands know of the pod from now on. */
export const writeRecord = (paths: PodPaths, record: PodRecord): void =>
  writeWhole(join(paths.run, 'pod.json'), record);

/** A file of JSON that is there as a whole, or as it was. */
export function writeWhole(path: string, value: unknown): void {
  const temporary = join(dirname(path), `.${basename(path)}`);
  try {
    writeFileSync(temporary, JSON.stringify(value), { mode: 0o600 });
    renameSync(temporary, path);
  } catch (error) {
    if (existsSync(temporary)) unlinkSync(temporary);
    throw error;
  }
}

/** The file whose lock says that a pod of that name runs. */
export const nameFileOf = ({ run }: Roots, namespace: string, name: string): string =>
  join(run, 'names', nameOf(namespace, name));

/** The longest name of a file. */
const NAME_MAX = 255;

/** What the lock of a pod's name is called; with a long namespace that is more than a file's name may be. */
function nameOf(namespace: string, name: string): string {
  const whole = `${namespace}_${name}`;
  if (whole.length <= NAME_MAX) return whole;
  // Looked up only here: it takes 3 ms to load.
  const { createHash } = process.getBuiltinModule('node:crypto');
  return `${whole.slice(0, NAME_MAX - 65)}~${createHash('sha256').update(whole).digest('hex')}`;
}

function retryWhileMissing<T>(body: () => T, directory: string): T {
  for (let attempt = 0; ; attempt++) {
    try {
      return body();
    } catch (error) {
      if (errnoCode(error) !== 'ENOENT' || attempt > 100) throw error;
      makeDirectory(directory);
    }
  }
}

export function removePodFiles(paths: PodPaths): void {
  unmountBelow(paths.state);
  unmountBelow(paths.run);
  removeTree(paths.state);
  removeTree(paths.run);
}

/** Leaves no empty directory behind; images and whatever else is there keep theirs. */
export function removeEmpty(roots: Roots): void {
  removeEmptyDirectories([
    join(roots.run, 'pods'),
    join(roots.run, 'names'),
    roots.run,
    join(roots.state, 'pods'),
    roots.state,
  ]);
}

/** A pod found on this machine; `isAlive` while the command that runs it lives. */
export interface FoundPod {
  readonly paths: PodPaths;
  readonly isAlive: boolean;
  /** Missing while the pod is being made, or if its file is damaged. */
  readonly record: PodRecord | undefined;
}

export function findPods(roots: Roots): readonly FoundPod[] {
  const uids = new Set(
    [...list(join(roots.run, 'pods')), ...list(join(roots.state, 'pods'))].map(name =>
      name.replace(/^\./, ''),
    ),
  );
  return [...uids].map(uid => {
    const paths = new PodPaths(roots, uid);
    const run = existsSync(paths.run) ? paths.run : join(dirname(paths.run), `.${uid}`);
    return { paths, isAlive: isLocked(join(run, 'lock')), record: readRecord(join(run, 'pod.json')) };
  });
}

function list(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

function readRecord(path: string): PodRecord | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as PodRecord;
  } catch (error) {
    if (errnoCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export const startTimeOf = (pid: number): string | undefined => readProcStat(pid)?.startTime;

export function isSameProcess(record: ProcessRecord): boolean {
  return startTimeOf(record.pid) === record.startTime;
}

/** The running pod of that name (`NAME`, `NAMESPACE/NAME` or its uid). */
export function findRunningPod(
  roots: Roots,
  name: string,
): { readonly paths: PodPaths; readonly record: PodRecord } {
  const alive = findPods(roots).flatMap(({ paths, isAlive, record }) =>
    isAlive && record !== undefined ? [{ paths, record }] : [],
  );
  const found = alive.filter(({ record }) =>
    [record.name, `${record.namespace}/${record.name}`, record.uid].includes(name),
  );
  if (found.length > 1) {
    throw new UserError(`pod "${name}" is ambiguous`, {
      hint: found.map(({ record }) => `${record.namespace}/${record.name}`).join(', '),
    });
  }
  if (found[0] === undefined) {
    const names = alive.map(({ record }) => record.name);
    throw new UserError(`pods "${name}" not found`, {
      hint: names.length === 0 ? 'no pod is running' : `running: ${names.join(', ')}`,
    });
  }
  return found[0];
}
