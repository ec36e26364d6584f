import { exactQuantity } from '../../../kube/quantity-order.ts';
import { milliValue, podAmounts, wholeValue } from '../../../kube/resources.ts';
import type { Pod } from '../../../kube/types.generated.ts';
import { age } from '../age.ts';
import { type Node, nodeRoles } from '../node-row.ts';
import { nameOf } from '../row.ts';
import { eventLines } from './events.ts';
import {
  annotationLines,
  field,
  formatTime,
  labelLines,
  line,
  multiline,
  optional,
  type Related,
} from './lines.ts';

/** Fields of `status.nodeInfo` in kubectl's order. */
const SYSTEM_INFO: Readonly<Record<string, string>> = {
  machineID: 'Machine ID',
  systemUUID: 'System UUID',
  bootID: 'Boot ID',
  kernelVersion: 'Kernel Version',
  osImage: 'OS Image',
  operatingSystem: 'Operating System',
  architecture: 'Architecture',
  containerRuntimeVersion: 'Container Runtime Version',
  kubeletVersion: 'Kubelet Version',
  kubeProxyVersion: 'Kube-Proxy Version',
};

/** `describe node`. */
export function describeNode(node: Node, { events, pods = [] }: Related, now: number): readonly string[] {
  const { metadata = {}, spec = {}, status = {} } = node;
  const running = (pods as readonly Pod[]).filter(
    pod => pod.spec?.nodeName === metadata.name && !['Succeeded', 'Failed'].includes(pod.status?.phase ?? ''),
  );
  return [
    field('Name', metadata.name ?? ''),
    field('Roles', nodeRoles(node)),
    ...labelLines('Labels', metadata.labels),
    ...annotationLines(metadata.annotations),
    field('CreationTimestamp', formatTime(metadata.creationTimestamp)),
    ...multiline(
      'Taints',
      (spec.taints ?? []).map(
        ({ key, value = '', effect }) => `${key}${value === '' ? '' : `=${value}`}:${effect}`,
      ),
    ),
    field('Unschedulable', spec.unschedulable ?? false),
    ...conditionLines(node),
    'Addresses:',
    ...(status.addresses ?? []).map(({ type, address }) => field(type, address, 1)),
    ...amountLines('Capacity', status.capacity),
    ...amountLines('Allocatable', status.allocatable),
    'System Info:',
    ...Object.entries(SYSTEM_INFO).map(([key, name]) => field(name, status.nodeInfo?.[key] ?? '', 1)),
    ...optional('PodCIDR', spec.podCIDR),
    ...optional('PodCIDRs', spec.podCIDRs?.join(',')),
    ...podLines(node, running, now),
    ...eventLines(events, now),
  ];
}

function conditionLines({ status }: Node): readonly string[] {
  const conditions = status?.conditions ?? [];
  if (conditions.length === 0) return [];
  const header = ['Type', 'Status', 'LastHeartbeatTime', 'LastTransitionTime', 'Reason', 'Message'];
  const rows = conditions.map(
    ({ type, status: value, lastHeartbeatTime, lastTransitionTime, reason, message }) => [
      `${type} `,
      `${value} `,
      `${formatTime(lastHeartbeatTime)} `,
      `${formatTime(lastTransitionTime)} `,
      `${reason ?? ''} `,
      message ?? '',
    ],
  );
  const dashes = ['----', '------', '-----------------', '------------------', '------', '-------'];
  return ['Conditions:', ...[header, dashes, ...rows].map(cells => line(cells.join('\t'), 1))];
}

function amountLines(
  name: string,
  amounts: Readonly<Record<string, string | number>> = {},
): readonly string[] {
  const keys = Object.keys(amounts).sort();
  return keys.length === 0 ? [] : [`${name}:`, ...keys.map(key => field(key, amounts[key] ?? '', 1))];
}

const RESOURCES = ['cpu', 'memory'] as const;
const LISTS = ['requests', 'limits'] as const;
const MEBI = 1n << 20n;

type Nanos = Readonly<Record<(typeof RESOURCES)[number], Readonly<Record<(typeof LISTS)[number], bigint>>>>;

function amountsOf(pods: readonly Pod[]): Nanos {
  const sum = (resource: (typeof RESOURCES)[number], list: (typeof LISTS)[number]): bigint =>
    pods.reduce(
      (all, { spec }) => all + (spec === undefined ? 0n : (podAmounts(spec, list).get(resource) ?? 0n)),
      0n,
    );
  const both = (resource: (typeof RESOURCES)[number]): Nanos['cpu'] => ({
    requests: sum(resource, 'requests'),
    limits: sum(resource, 'limits'),
  });
  return { cpu: both('cpu'), memory: both('memory') };
}

/** `250m`, `2`, `64Mi`, `100` */
function formatAmount(resource: (typeof RESOURCES)[number], nanos: bigint): string {
  if (resource === 'cpu') {
    const milli = milliValue(nanos);
    return milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`;
  }
  const bytes = BigInt(wholeValue(nanos));
  return bytes > 0n && bytes % MEBI === 0n ? `${bytes / MEBI}Mi` : String(bytes);
}

function podLines(node: Node, pods: readonly Pod[], now: number): readonly string[] {
  const { allocatable = {} } = node.status ?? {};
  const share = (resource: (typeof RESOURCES)[number], nanos: bigint): string => {
    const total = exactQuantity(allocatable[resource] ?? '0')?.nanos ?? 0n;
    return `${formatAmount(resource, nanos)} (${total === 0n ? 0n : (nanos * 100n) / total}%)`;
  };
  const header = [
    'Namespace',
    'Name',
    'CPU Requests',
    'CPU Limits',
    'Memory Requests',
    'Memory Limits',
    'Age',
  ];
  const dashes = [
    '---------',
    '----',
    '------------',
    '----------',
    '---------------',
    '-------------',
    '---',
  ];
  const rows = pods.map(pod => {
    const own = amountsOf([pod]);
    const cells = RESOURCES.flatMap(resource => LISTS.map(list => `${share(resource, own[resource][list])}`));
    return [pod.metadata?.namespace ?? '', nameOf(pod), ...cells, age(pod.metadata?.creationTimestamp, now)];
  });
  const all = amountsOf(pods);
  const totals = RESOURCES.map(resource => [
    resource,
    ...LISTS.map(list => share(resource, all[resource][list])),
  ]);
  return [
    `Non-terminated Pods:\t(${pods.length} in total)`,
    ...[header, dashes, ...rows].map(cells => line(cells.join('\t'), 1)),
    'Allocated resources:',
    line('(Total limits may be over 100 percent, i.e., overcommitted.)', 1),
    ...[['Resource', 'Requests', 'Limits'], ['--------', '--------', '------'], ...totals].map(cells =>
      line(cells.join('\t'), 1),
    ),
  ];
}
