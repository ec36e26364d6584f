import { errnoCode } from '../base/errors.ts';
import { capabilityNames } from '../linux/capabilities.ts';
import { NAMESPACES, type NamespaceType } from '../linux/namespaces.ts';
import { type Interface, interfacesIn } from '../network/interfaces.ts';
import type { OciIdMapping } from '../oci/config.ts';
import type { PodPaths } from '../oci/pod-paths.ts';
import type { PodRecord } from '../runtime/pod-directory.ts';
import {
  heldNamespace,
  mountsOf,
  namespacesOf,
  type ProcessInfo,
  readProcess,
} from '../runtime/processes.ts';
import { askedPod } from './asked-pod.ts';
import { type Args, type Io, text } from './io.ts';
import { hexSets } from './ps.ts';
import { requireRoot } from './root.ts';
import { formatTable } from './table.ts';

const TYPES = Object.keys(NAMESPACES) as NamespaceType[];

type Owner = 'host' | 'pod' | 'own';

interface InspectedContainer {
  readonly name: string;
  readonly pid: number;
  readonly namespaces: Readonly<
    Record<NamespaceType, { readonly inode: number | undefined; readonly owner: Owner }>
  >;
  readonly process: ProcessInfo | undefined;
}

/** Read from /proc at this moment; nothing comes from what podspace meant to do. */
export async function run(args: Args, io: Io): Promise<number> {
  requireRoot();
  const { record, paths } = await askedPod(args, io, 'get');
  const host = namespacesOf('self');
  const containers = processesOf(record).map(({ name, pid }) => inspect(name, pid, host, paths, record));
  const interfaces = await interfacesOf(containers);
  if (text(args, 'output') === 'json')
    io.out(`${JSON.stringify(toJson(record, interfaces, containers), null, 2)}\n`);
  else print(io, record, interfaces, containers);
  return 0;
}

/** Of the pod's own network namespace; the machine's would say nothing about the pod. */
async function interfacesOf(containers: readonly InspectedContainer[]): Promise<readonly Interface[]> {
  const [first] = containers;
  if (first === undefined || first.namespaces.network.owner === 'host') return [];
  try {
    return await interfacesIn(`/proc/${first.pid}/ns/net`);
  } catch (error) {
    // It has ended meanwhile.
    if (errnoCode(error) === 'ENOENT') return [];
    throw error;
  }
}

function processesOf(record: PodRecord): readonly { readonly name: string; readonly pid: number }[] {
  return [
    ...(record.pause === undefined ? [] : [{ name: '(pause)', pid: record.pause.pid }]),
    ...record.containers,
  ];
}

function inspect(
  name: string,
  pid: number,
  host: ReturnType<typeof namespacesOf>,
  paths: PodPaths,
  record: PodRecord,
): InspectedContainer {
  const mine = namespacesOf(pid);
  const others = processesOf(record)
    .filter(other => other.pid !== pid)
    .map(other => namespacesOf(other.pid));
  const ownerOf = (type: NamespaceType): Owner => {
    if (mine[type] === host[type]) return 'host';
    const isShared =
      others.some(other => other[type] === mine[type]) || heldNamespace(paths.namespace(type)) === mine[type];
    return isShared ? 'pod' : 'own';
  };
  const namespaces = Object.fromEntries(
    TYPES.map(type => [type, { inode: mine[type], owner: ownerOf(type) }]),
  ) as InspectedContainer['namespaces'];
  return { name, pid, namespaces, process: readProcess(pid) };
}

function toJson(
  record: PodRecord,
  interfaces: readonly Interface[],
  containers: readonly InspectedContainer[],
): unknown {
  return {
    name: record.name,
    namespace: record.namespace,
    uid: record.uid,
    interfaces,
    containers: containers.map(({ process, ...rest }) => ({
      ...rest,
      ...(process === undefined
        ? {}
        : {
            uid: process.uid,
            gid: process.gid,
            groups: process.groups,
            ...(isMapped(process) ? { uidMappings: [mappingOf(process)] } : {}),
            capabilities: hexSets(process),
            noNewPrivs: process.noNewPrivs,
            seccomp: process.seccomp,
          }),
      mounts: mountsOf(rest.pid),
    })),
  };
}

/** In the OCI config's words. */
function mappingOf({ uidMap: [containerID = 0, hostID = 0, size = 0] }: ProcessInfo): OciIdMapping {
  return { containerID, hostID, size };
}

const isMapped = (process: ProcessInfo): boolean => mappingOf(process).hostID !== 0;

const COLORS: Readonly<Record<Owner, number>> = { host: 31, pod: 33, own: 32 };

function print(
  io: Io,
  record: PodRecord,
  interfaces: readonly Interface[],
  containers: readonly InspectedContainer[],
): void {
  io.out(`pod ${record.namespace}/${record.name} (${record.uid})\n\n`);
  const rows = containers.map(({ name, pid, namespaces }) => [
    name,
    String(pid),
    ...TYPES.map(type => `${namespaces[type].inode ?? '?'} ${namespaces[type].owner}`),
  ]);
  const paint = (cell: string, row: number, column: number): string => {
    const owner = cell.split(' ')[1] as Owner;
    return io.color.out && row > 0 && column > 1 && COLORS[owner] !== undefined
      ? `\u001b[${COLORS[owner]}m${cell}\u001b[39m`
      : cell;
  };
  io.out(
    formatTable(
      [['CONTAINER', 'PID', ...TYPES.map(type => NAMESPACES[type].file.toUpperCase())], ...rows],
      paint,
    ),
  );
  io.out(
    '\nhost: the machine’s namespace · pod: shared by the containers of the pod · own: the container’s alone\n',
  );
  if (interfaces.length > 0) {
    const rows = interfaces.map(({ name, mac, mtu, addresses }) => [
      name,
      mac,
      String(mtu),
      addresses.join(' '),
    ]);
    io.out(`\n${formatTable([['INTERFACE', 'MAC', 'MTU', 'ADDRESSES'], ...rows])}`);
  }
  for (const container of containers)
    if (container.process !== undefined) printContainer(io, container, container.process);
}

function printContainer(io: Io, { name, pid }: InspectedContainer, process: ProcessInfo): void {
  const names = (mask: bigint): string =>
    capabilityNames(mask)
      .map(capability => capability.replace('CAP_', ''))
      .join(' ') || '(none)';
  io.out(`\n${name}\n`);
  io.out(`  user ${process.uid}, group ${process.gid}, groups ${process.groups.join(' ') || '(none)'}\n`);
  if (isMapped(process)) {
    const { containerID, hostID, size } = mappingOf(process);
    const range = (from: number): string => `${from} to ${from + size - 1}`;
    io.out(`  ids ${range(containerID)} are ${range(hostID)} of the host\n`);
  }
  io.out(`  no_new_privs ${process.noNewPrivs ? 'on' : 'off'}, seccomp ${process.seccomp}\n`);
  for (const [set, mask] of Object.entries(process.capabilities))
    io.out(`  ${set.padEnd(11)} ${names(mask)}\n`);
  const rows = mountsOf(pid).map(({ mountPoint, type, source, options }) => [
    `  ${mountPoint}`,
    type,
    source,
    options,
  ]);
  io.out(formatTable([['  MOUNT', 'TYPE', 'SOURCE', 'OPTIONS'], ...rows]));
}
