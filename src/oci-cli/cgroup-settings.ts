import { weightOf } from '../oci/cgroup-plan.ts';
import { formatDeviceRule } from '../oci/device-rules.ts';
import type { RuntimeResources } from '../oci/read/resources.ts';

/** A file of a cgroup; `field` is what it was asked for by. */
export interface Setting {
  readonly controller: string;
  readonly file: string;
  readonly value: string;
  readonly field: string;
  /** The kernel may be built without it: a warning then. */
  readonly isOptional?: boolean;
}

type Settings = (resources: RuntimeResources) => readonly (Setting | undefined)[];

/** A number that JSON may have rounded, in all its digits; -1 is v2's "max". */
const exact = (value: number): string => String(BigInt(value));
const orMax = (value: number): string => (value === -1 ? 'max' : exact(value));

/** The settings of one version, in an order that the kernel takes as a rule. */
const V1: Settings = ({ cpu, memory, pids, blockIO, hugepageLimits = [], network, devices = [] }) => [
  one('cpuset', 'cpuset.cpus', cpu?.cpus || undefined, 'cpu.cpus'),
  one('cpuset', 'cpuset.mems', cpu?.mems || undefined, 'cpu.mems'),
  one('cpu', 'cpu.shares', given(cpu?.shares), 'cpu.shares'),
  one('cpu', 'cpu.cfs_period_us', given(cpu?.period), 'cpu.period'),
  one('cpu', 'cpu.cfs_quota_us', given(cpu?.quota), 'cpu.quota'),
  one('cpu', 'cpu.cfs_burst_us', cpu?.burst?.toString(), 'cpu.burst'),
  one('cpu', 'cpu.rt_period_us', given(cpu?.realtimePeriod), 'cpu.realtimePeriod'),
  one('cpu', 'cpu.rt_runtime_us', given(cpu?.realtimeRuntime), 'cpu.realtimeRuntime'),
  one('cpu', 'cpu.idle', cpu?.idle?.toString(), 'cpu.idle'),
  one('memory', 'memory.limit_in_bytes', given(memory?.limit), 'memory.limit'),
  optional(one('memory', 'memory.memsw.limit_in_bytes', given(memory?.swap), 'memory.swap')),
  one('memory', 'memory.soft_limit_in_bytes', given(memory?.reservation), 'memory.reservation'),
  one('memory', 'memory.swappiness', memory?.swappiness?.toString(), 'memory.swappiness'),
  one(
    'memory',
    'memory.oom_control',
    memory?.disableOOMKiller === true ? '1' : undefined,
    'memory.disableOOMKiller',
  ),
  one('pids', 'pids.max', given(pids?.limit, orMax), 'pids.limit'),
  one('blkio', 'blkio.weight', given(blockIO?.weight), 'blockIO.weight'),
  ...(blockIO?.throttle ?? []).map(({ kind, device, rate }) =>
    one(
      'blkio',
      `blkio.throttle.${V1_THROTTLES[kind]}_device`,
      `${device} ${exact(rate)}`,
      `blockIO.throttle${kind}Device`,
    ),
  ),
  ...hugepageLimits.map(({ pageSize, limit }) =>
    one('hugetlb', `hugetlb.${pageSize}.limit_in_bytes`, exact(limit), 'hugepageLimits'),
  ),
  one('net_cls', 'net_cls.classid', network?.classID?.toString(), 'network.classID'),
  ...(network?.priorities ?? []).map(({ name, priority }) =>
    one('net_prio', 'net_prio.ifpriomap', `${name} ${priority}`, 'network.priorities'),
  ),
  ...devices.map(rule =>
    one('devices', rule.allow ? 'devices.allow' : 'devices.deny', formatDeviceRule(rule), 'devices'),
  ),
];

const V1_THROTTLES = {
  ReadBps: 'read_bps',
  WriteBps: 'write_bps',
  ReadIOPS: 'read_iops',
  WriteIOPS: 'write_iops',
} as const;
const V2_THROTTLES = { ReadBps: 'rbps', WriteBps: 'wbps', ReadIOPS: 'riops', WriteIOPS: 'wiops' } as const;

const V2: Settings = ({ cpu, memory, pids, blockIO, hugepageLimits = [], unified = {} }) => [
  one('cpuset', 'cpuset.cpus', cpu?.cpus || undefined, 'cpu.cpus'),
  one('cpuset', 'cpuset.mems', cpu?.mems || undefined, 'cpu.mems'),
  one(
    'cpu',
    'cpu.weight',
    given(cpu?.shares, shares => String(weightOf(shares))),
    'cpu.shares',
  ),
  one('cpu', 'cpu.max', cpuMax(cpu), 'cpu.quota'),
  one('cpu', 'cpu.max.burst', cpu?.burst?.toString(), 'cpu.burst'),
  one('cpu', 'cpu.idle', cpu?.idle?.toString(), 'cpu.idle'),
  one('memory', 'memory.max', given(memory?.limit, orMax), 'memory.limit'),
  optional(one('memory', 'memory.swap.max', swapMax(memory), 'memory.swap')),
  one('memory', 'memory.low', given(memory?.reservation, orMax), 'memory.reservation'),
  one('pids', 'pids.max', given(pids?.limit, orMax), 'pids.limit'),
  one('io', 'io.bfq.weight', given(blockIO?.weight), 'blockIO.weight'),
  ...(blockIO?.throttle ?? []).map(({ kind, device, rate }) =>
    one(
      'io',
      'io.max',
      `${device} ${V2_THROTTLES[kind]}=${rate === 0 ? 'max' : exact(rate)}`,
      `blockIO.throttle${kind}Device`,
    ),
  ),
  ...hugepageLimits.map(({ pageSize, limit }) =>
    one('hugetlb', `hugetlb.${pageSize}.max`, exact(limit), 'hugepageLimits'),
  ),
  ...Object.entries(unified).map(([file, value]) =>
    one(file.split('.')[0] ?? '', file, value, `unified[${JSON.stringify(file)}]`),
  ),
];

function one(
  controller: string,
  file: string,
  value: string | undefined,
  field: string,
): Setting | undefined {
  return value === undefined ? undefined : { controller, file, value, field: `linux.resources.${field}` };
}

const optional = (setting: Setting | undefined): Setting | undefined =>
  setting === undefined ? undefined : { ...setting, isOptional: true };

/** 0 says nothing, as in Go. */
function given(value: number | undefined, format: (value: number) => string = exact): string | undefined {
  return value === undefined || value === 0 ? undefined : format(value);
}

function cpuMax(cpu: RuntimeResources['cpu']): string | undefined {
  if ((cpu?.quota ?? 0) === 0 && (cpu?.period ?? 0) === 0) return undefined;
  const quota = cpu?.quota ?? 0;
  return `${quota <= 0 ? 'max' : quota} ${cpu?.period || 100_000}`;
}

/** v1 counts memory and swap together, v2 swap alone. */
function swapMax(memory: RuntimeResources['memory']): string | undefined {
  const { swap = 0, limit = 0 } = memory ?? {};
  if (swap === 0) return undefined;
  return swap === -1 || limit <= 0 ? 'max' : exact(Math.max(swap - limit, 0));
}

/** What only one version of cgroups has, and where it is asked for. */
const ONLY: Readonly<Record<1 | 2, (resources: RuntimeResources) => string | undefined>> = {
  1: ({ unified }) => (Object.keys(unified ?? {}).length === 0 ? undefined : 'unified'),
  2: ({ cpu, memory, network }) => {
    if ((cpu?.realtimeRuntime ?? 0) !== 0 || (cpu?.realtimePeriod ?? 0) !== 0) return 'cpu.realtimeRuntime';
    if (memory?.swappiness !== undefined) return 'memory.swappiness';
    if (memory?.disableOOMKiller === true) return 'memory.disableOOMKiller';
    return network === undefined || (network.classID === undefined && network.priorities.length === 0)
      ? undefined
      : 'network';
  },
};

/** On a machine whose controllers are of `version`; devices are a program on v2. */
export const settingsOf = (version: 1 | 2, resources: RuntimeResources): readonly Setting[] =>
  (version === 1 ? V1 : V2)(resources).filter(setting => setting !== undefined);

/** The first field that a machine with only this version cannot do. */
export const impossible = (version: 1 | 2, resources: RuntimeResources): string | undefined =>
  ONLY[version](resources);
