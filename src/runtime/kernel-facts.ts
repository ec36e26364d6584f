import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { ContainerFacts } from '../admission/verify/facts.ts';
import { errnoCode } from '../base/errors.ts';
import { capabilityNames, isCapability } from '../linux/capabilities.ts';
import type { PodRecord } from './pod-directory.ts';
import { type MountInfo, mountsOf, namespacesOf, type PodProcess, podProcesses } from './processes.ts';

const HOST_NAMESPACES = ['network', 'pid', 'ipc', 'user'] as const;
/** The one of the protected paths that every kernel has. */
const PROTECTED = '/proc/sys';

/** What the kernel says of each running container of a pod, at this moment. */
export function kernelFacts(record: PodRecord): readonly ContainerFacts[] {
  const processes = podProcesses(record);
  const host = namespacesOf('self');
  return record.containers.flatMap(({ name, pid }): ContainerFacts[] => {
    const own = processes.filter(({ container }) => container === name);
    if (own.length === 0) return [];
    const namespaces = namespacesOf(pid);
    const mounts = mountsOf(pid);
    const isHostNetwork = namespaces.network === host.network;
    return [
      {
        name,
        hostNamespaces: HOST_NAMESPACES.filter(type => namespaces[type] === host[type]),
        isRootReadOnly: isReadOnly(mounts, '/'),
        isSysWritable: !isReadOnly(mounts, '/sys'),
        isProcProtected: isReadOnly(mounts, PROTECTED),
        hostPorts: isHostNetwork ? own.flatMap(({ pid: each }) => listeningPorts(each)) : [],
        processes: own.map(factsOf),
      },
    ];
  });
}

/** The topmost mount at a path counts. */
function isReadOnly(mounts: readonly MountInfo[], path: string): boolean {
  const options = mounts.findLast(({ mountPoint }) => mountPoint === path)?.options ?? '';
  return options.split(',').includes('ro');
}

function factsOf({ pid, uid, gid, groups, capabilities, noNewPrivs, seccomp }: PodProcess) {
  const all = Object.values(capabilities).reduce((mask, set) => mask | set, 0n);
  return {
    pid,
    uid,
    gid,
    groups,
    capabilities: capabilityNames(all).filter(isCapability),
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
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap(fd => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    });
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(errnoCode(error) ?? '')) return [];
    throw error;
  }
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, 'latin1').split('\n').slice(1);
  } catch (error) {
    // The process has ended, or there is no IPv6.
    if (['ENOENT', 'ESRCH', 'EINVAL'].includes(errnoCode(error) ?? '')) return [];
    throw error;
  }
}
