import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { errnoCode } from '../base/errors.ts';
import { printable } from '../base/printable.ts';
import { NAMESPACES, type NamespaceType } from '../linux/namespaces.ts';
import { Cgroup, detectCgroups } from './cgroups.ts';
import type { PodRecord } from './pod-directory.ts';

/** A process as /proc tells it, proc_pid_status(5). */
export interface ProcessInfo {
  readonly pid: number;
  /** Its pid in the innermost namespace. */
  readonly containerPid: number;
  /** Ids as the process itself sees them. */
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** Ids as the machine knows them: real, effective, saved, and for files; and the groups. */
  readonly hostIds: {
    readonly uids: readonly number[];
    readonly gids: readonly number[];
    readonly groups: readonly number[];
  };
  /** user_namespaces(7): the first row, `[0, 0, 4294967295]` in the host's own. */
  readonly uidMap: readonly number[];
  readonly capabilities: {
    readonly effective: bigint;
    readonly permitted: bigint;
    readonly inheritable: bigint;
    readonly bounding: bigint;
    readonly ambient: bigint;
  };
  readonly noNewPrivs: boolean;
  readonly seccomp: 'disabled' | 'strict' | 'filter';
  readonly command: string;
}

const SECCOMP = ['disabled', 'strict', 'filter'] as const;

/** user_namespaces(7): the first row of a process's id map. */
function firstMapping(pid: number, file: 'uid_map' | 'gid_map'): readonly number[] {
  const row = readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\n')[0] ?? '';
  return row.trim().split(/\s+/).map(Number);
}

/** Reads a process; undefined once it has ended. */
export function readProcess(pid: number): ProcessInfo | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const field = (name: string): string => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1] ?? '';
    const words = (name: string): number[] =>
      field(name)
        .split(/\s+/)
        .filter(word => word !== '')
        .map(Number);
    const mask = (name: string): bigint => BigInt(`0x${field(name) || '0'}`);
    const uidMap = firstMapping(pid, 'uid_map');
    const inside = ([first = 0, base = 0]: readonly number[], id: number): number => id - base + first;
    const gidMap = firstMapping(pid, 'gid_map');
    const hostIds = { uids: words('Uid'), gids: words('Gid'), groups: words('Groups') };
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      .replace(/\0+$/, '')
      .split('\0')
      .join(' ');
    return {
      pid,
      containerPid: words('NSpid').at(-1) ?? pid,
      uid: inside(uidMap, hostIds.uids[1] ?? 0),
      gid: inside(gidMap, hostIds.gids[1] ?? 0),
      groups: hostIds.groups.map(id => inside(gidMap, id)),
      hostIds,
      uidMap,
      capabilities: {
        effective: mask('CapEff'),
        permitted: mask('CapPrm'),
        inheritable: mask('CapInh'),
        bounding: mask('CapBnd'),
        ambient: mask('CapAmb'),
      },
      noNewPrivs: field('NoNewPrivs') === '1',
      seccomp: SECCOMP[Number(field('Seccomp'))] ?? 'disabled',
      // A container chooses its own command line: no control character of it reaches a terminal.
      command: printable(commandLine || `[${field('Name')}]`),
    };
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(errnoCode(error) ?? '')) return undefined;
    throw error;
  }
}

export interface PodProcess extends ProcessInfo {
  readonly container: string;
}

/** Every process of a pod, by its cgroups; where there are none, the main processes. */
export function podProcesses(pod: PodRecord): readonly PodProcess[] {
  const { isV2 } = detectCgroups();
  const groups = [
    ...(pod.pause === undefined
      ? []
      : [
          {
            name: '(pause)',
            pid: pod.pause.pid,
            cgroup: pod.cgroup === undefined ? undefined : `${pod.cgroup}/pause`,
          },
        ]),
    ...pod.containers,
  ];
  return groups.flatMap(({ name, pid, cgroup }) => {
    const pids = cgroup === undefined ? [pid] : new Cgroup(cgroup, isV2).processes();
    return pids.flatMap(each => {
      const info = readProcess(each);
      return info === undefined ? [] : [{ container: name, ...info }];
    });
  });
}

export type NamespaceInodes = Readonly<Record<NamespaceType, number | undefined>>;

/** The namespaces of a process, by inode: the same inode is the same namespace, namespaces(7). */
export function namespacesOf(pid: number | 'self'): NamespaceInodes {
  const inode = (file: string): number | undefined => {
    try {
      return Number(/\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/ns/${file}`))?.[1]);
    } catch {
      return undefined;
    }
  };
  const entries = Object.entries(NAMESPACES).map(([type, { file }]) => [type, inode(file)] as const);
  return Object.fromEntries(entries) as NamespaceInodes;
}

/** The inode of a namespace that the pod's command holds open. */
export function heldNamespace(link: string): number | undefined {
  return statSync(link, { throwIfNoEntry: false })?.ino;
}

export interface MountInfo {
  readonly mountPoint: string;
  readonly type: string;
  readonly source: string;
  readonly options: string;
}

/** The mounts of a process, proc_pid_mountinfo(5). */
export function mountsOf(pid: number): readonly MountInfo[] {
  const decode = (text: string): string =>
    printable(
      text.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8))),
    );
  const lines = readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
    .split('\n')
    .filter(line => line !== '');
  return lines.map(line => {
    const fields = line.split(' ');
    const dash = fields.indexOf('-');
    return {
      mountPoint: decode(fields[4] ?? ''),
      options: fields[5] ?? '',
      type: fields[dash + 1] ?? '',
      source: decode(fields[dash + 2] ?? ''),
    };
  });
}
