import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { ContainerFacts, ProcessFacts } from '../admission/verify/facts.ts';
import { errnoCode } from '../base/errors.ts';
import { capabilityNames, isCapability } from '../linux/capabilities.ts';
import type { PodPaths } from '../oci/pod-paths.ts';
import type { PodRecord } from './pod-directory.ts';
import {
  heldNamespace,
  type MountInfo,
  mountsOf,
  namespacesOf,
  type PodProcess,
  podProcesses,
} from './processes.ts';
import { publishedPorts } from './published-ports.ts';

const HOST_NAMESPACES = ['network', 'pid', 'ipc', 'user'] as const;
/** The one of the protected paths that every kernel has. */
const PROTECTED = '/proc/sys';
/** What /proc says of a process that has ended, or has no namespaces any more. */
const ENDED = ['ENOENT', 'ESRCH', 'EINVAL'];

/** What the kernel says of each running container of a pod, at this moment. */
export function kernelFacts(record: PodRecord, paths: PodPaths): readonly ContainerFacts[] {
  const processes = podProcesses(record);
  const host = namespacesOf('self');
  // A container's processes may be in others, of their own making.
  const users = {
    root: record.hostRoot ?? 0,
    namespace: heldNamespace(paths.namespace('user')) ?? host.user,
  };
  return record.containers.flatMap(({ name, pid }): ContainerFacts[] => {
    const own = processes.filter(({ container }) => container === name);
    const namespaces = namespacesOf(pid);
    const mounts = unlessEnded(() => mountsOf(pid)) ?? [];
    if (own.length === 0 || mounts.length === 0) return [];
    return [
      {
        name,
        hostNamespaces: HOST_NAMESPACES.filter(type => namespaces[type] === host[type]),
        isRootReadOnly: isReadOnly(topmost(mounts, '/')),
        isSysWritable: isWritableSys(topmost(mounts, '/sys')),
        isProcProtected: isReadOnly(topmost(mounts, PROTECTED)),
        hostPorts:
          namespaces.network === host.network
            ? own.flatMap(({ pid: each }) => listeningPorts(each))
            : publishedPorts(record.uid),
        processes: own.map(process => factsOf(process, users)),
      },
    ];
  });
}

function unlessEnded<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (ENDED.includes(errnoCode(error) ?? '')) return undefined;
    throw error;
  }
}

/** Of several mounts at a path the last one counts. */
const topmost = (mounts: readonly MountInfo[], path: string): MountInfo | undefined =>
  mounts.findLast(({ mountPoint }) => mountPoint === path);

const isReadOnly = (mount: MountInfo | undefined): boolean =>
  mount?.options.split(',').includes('ro') === true;

/** Where a volume is mounted over it, it is not the kernel's. */
const isWritableSys = (mount: MountInfo | undefined): boolean =>
  mount?.type === 'sysfs' && !isReadOnly(mount);

/** A process in the ids of its pod, whose user 0 is the machine's `root`. */
function factsOf(
  { pid, hostIds, capabilities, noNewPrivs, seccomp }: PodProcess,
  { root, namespace }: { readonly root: number; readonly namespace: number | undefined },
): ProcessFacts {
  const ids = (all: readonly number[]): readonly number[] => [...new Set(all.map(id => id - root))];
  const isOwn = namespacesOf(pid).user === namespace;
  const all = Object.values(capabilities).reduce((mask, set) => mask | set, 0n);
  return {
    pid,
    uids: ids(hostIds.uids),
    gids: ids(hostIds.gids),
    groups: ids(hostIds.groups),
    capabilities: isOwn ? capabilityNames(all).filter(isCapability) : [],
    noNewPrivileges: noNewPrivs,
    hasSeccompFilter: seccomp === 'filter',
  };
}

/** proc_pid_net(5): the file, and the state of a socket that others can reach. */
const TABLES = [
  ['TCP', 'tcp', '0A'],
  ['TCP', 'tcp6', '0A'],
  ['UDP', 'udp', '07'],
  ['UDP', 'udp6', '07'],
] as const;

/** The ports that a process listens at, by the sockets among its fds. */
function listeningPorts(pid: number): ContainerFacts['hostPorts'] {
  const inodes = new Set(socketsOf(pid));
  if (inodes.size === 0) return [];
  const found = TABLES.flatMap(([protocol, file, state]) =>
    linesOf(`/proc/${pid}/net/${file}`)
      .map(line => line.trim().split(/\s+/))
      .filter(fields => fields[3] === state && inodes.has(fields[9] ?? ''))
      .map(fields => ({ protocol, port: Number.parseInt(fields[1]?.split(':')[1] ?? '', 16) })),
  );
  return [...new Map(found.map(each => [`${each.protocol}/${each.port}`, each])).values()];
}

function socketsOf(pid: number): readonly string[] {
  const fds = unlessEnded(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
  return fds.flatMap(fd => {
    const target = unlessEnded(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? '';
    return /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? [];
  });
}

/** None if there is no IPv6. */
function linesOf(path: string): readonly string[] {
  return (unlessEnded(() => readFileSync(path, 'latin1')) ?? '').split('\n').slice(1);
}
