import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoCode, UserError } from '../base/errors.ts';
import { readProcStat } from '../native/proc-stat.ts';
import type { OciDeviceRule } from '../oci/config.ts';
import type { OciHooks } from '../oci/read/hooks.ts';
import { type CgroupRecord, isFrozen } from './cgroup.ts';

/** What is written down of a container; the rest is the machine's to tell. */
export interface ContainerRecord {
  readonly ociVersion: string;
  readonly id: string;
  readonly bundle: string;
  readonly rootfs: string;
  readonly created: string;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** Who makes it, until `init` is there. */
  readonly creator: ProcessIdentity;
  readonly init?: ProcessIdentity | undefined;
  readonly cgroup: CgroupRecord;
  readonly cgroupsPath: string;
  readonly hooks: OciHooks;
  /** `linux.resources.devices` as it was asked for: containerd says it again with each update of something else. */
  readonly deviceRules?: readonly OciDeviceRule[] | undefined;
  /** It shares its PID namespace, so that the end of its first process is not that of the others. */
  readonly sharesPid: boolean;
}

/** A process, and when it began: a pid alone may be another's by now. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, proc_pid_stat(5). */
  readonly startTime: string;
}

export type Status = 'creating' | 'created' | 'running' | 'paused' | 'stopped';

const ID = /^[A-Za-z0-9_+-][A-Za-z0-9_+.-]*$/;

/** Where a container's state is; only a plain name can be an id. */
export function directoryOf(root: string, id: string): string {
  if (!ID.test(id) || id.length > 255)
    throw new UserError(`invalid container ID: ${JSON.stringify(id.slice(0, 260))}`);
  return join(root, id);
}

export const fifoOf = (directory: string): string => join(directory, 'exec.fifo');

/** Makes the directory, which is what claims the id. */
export function claim(root: string, id: string): string {
  const directory = directoryOf(root, id);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (cause) {
    if (errnoCode(cause) !== 'EEXIST') throw cause;
    throw new UserError(`container with given ID already exists: ${id}`, { cause });
  }
  return directory;
}

/** Whole or not at all, for whoever reads it at this moment. */
export function writeAtomically(file: string, text: string): void {
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, text, { mode: 0o600 });
  try {
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

export const writeRecord = (directory: string, record: ContainerRecord): void =>
  writeAtomically(join(directory, 'state.json'), JSON.stringify(record));

/** The record; undefined where `create` was killed before it wrote one. */
function readIn(directory: string): ContainerRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, 'state.json'), 'utf8')) as ContainerRecord;
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Throws what callers know: "does not exist". */
export function readRecord(root: string, id: string): ContainerRecord {
  const record = readIn(directoryOf(root, id));
  if (record === undefined) throw new UserError(`container ${JSON.stringify(id)} does not exist`);
  return record;
}

/** For `delete --force`: what is there of it, if anything. */
export function readLeftover(root: string, id: string): { readonly record?: ContainerRecord } | undefined {
  const directory = directoryOf(root, id);
  if (!existsSync(directory)) return undefined;
  const record = readIn(directory);
  return record === undefined ? {} : { record };
}

export function allRecords(root: string): readonly ContainerRecord[] {
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .filter(name => ID.test(name))
    .sort()
    .flatMap(name => readIn(join(root, name)) ?? []);
}

export function identify(pid: number): ProcessIdentity {
  return { pid, startTime: readProcStat(pid)?.startTime ?? '' };
}

/** It runs, and it is the one that was written down. A zombie does not run. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  const stat = readProcStat(pid);
  return stat !== undefined && stat.startTime === startTime && !['Z', 'X'].includes(stat.state);
}

export function statusOf(root: string, record: ContainerRecord): Status {
  const { init } = record;
  if (init === undefined) return isAlive(record.creator) ? 'creating' : 'stopped';
  if (!isAlive(init)) return 'stopped';
  if (existsSync(fifoOf(directoryOf(root, record.id)))) return 'created';
  return isFrozen(record.cgroup) ? 'paused' : 'running';
}

/** runtime.md, "State". */
export function stateOf(record: ContainerRecord, status: Status): object {
  const { ociVersion, id, init, bundle, annotations } = record;
  const pid = status === 'stopped' || init === undefined ? 0 : init.pid;
  return {
    ociVersion,
    id,
    pid,
    status,
    bundle,
    ...(annotations === undefined || Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}

/** The same with what runtimes add. */
export const shownState = (record: ContainerRecord, status: Status): object => ({
  ...stateOf(record, status),
  rootfs: record.rootfs,
  created: record.created,
  owner: '',
});
