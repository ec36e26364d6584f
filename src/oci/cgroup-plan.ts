import type { OciResources } from './config.ts';
import { formatDeviceRule } from './device-rules.ts';

/** Where the machine has its cgroups. */
export interface CgroupFacts {
  /** systemd's words, see cgroups(7). */
  readonly mode: 'unified' | 'hybrid' | 'legacy' | 'none';
  /** The hierarchy that podspace tracks processes in: v2 where there is one, else one v1 hierarchy. */
  readonly root: string | undefined;
  readonly isV2: boolean;
  /** Controllers of the v2 hierarchy. */
  readonly v2Controllers: readonly string[];
  /** Mount points of the v1 hierarchies by controller. */
  readonly v1: Readonly<Partial<Record<string, string>>>;
}

export const NO_CGROUPS: CgroupFacts = {
  mode: 'none',
  root: undefined,
  isV2: false,
  v2Controllers: [],
  v1: {},
};

/** What to make for one cgroup. */
export interface CgroupPlan {
  /** Of the tracking hierarchy; undefined on a machine without cgroups. */
  readonly path: string | undefined;
  /** Directories in other (v1) hierarchies. */
  readonly others: readonly string[];
  /** The files that a process writes itself into, where it cannot be born in its cgroup (v1). */
  readonly joins: readonly string[];
  readonly files: readonly CgroupFile[];
  /** v2 controllers that the files need. */
  readonly v2Controllers: readonly string[];
  /** What cannot be had, and which controller is missing for it. */
  readonly missing: readonly { readonly controller: string; readonly what: string }[];
}

export interface CgroupFile {
  readonly path: string;
  readonly value: string;
  /** Not there on every kernel, or no promise to anybody. */
  readonly isOptional: boolean;
}

interface Setting {
  readonly controller: 'cpu' | 'memory' | 'pids' | 'hugetlb' | 'devices';
  readonly file: string;
  readonly value: string;
  readonly isOptional?: boolean;
}

/** The settings of one version, in an order that the kernel takes: memory before memory and swap. */
const SETTINGS: Readonly<Record<1 | 2, (resources: OciResources) => readonly (Setting | undefined)[]>> = {
  1: ({ cpu, memory, pids, hugepageLimits = [], devices = [] }) => [
    weight('cpu.shares', cpu?.shares, shares => shares),
    setting('cpu', 'cpu.cfs_period_us', cpu?.period),
    setting('cpu', 'cpu.cfs_quota_us', cpu?.quota),
    setting('memory', 'memory.limit_in_bytes', memory?.limit),
    // Needs CONFIG_SWAP, and swapaccount=1 on older kernels.
    optional(setting('memory', 'memory.memsw.limit_in_bytes', memory?.swap)),
    setting('pids', 'pids.max', pids?.limit),
    ...hugepageLimits.flatMap(({ pageSize, limit }) => [
      setting('hugetlb', `hugetlb.${pageSize}.limit_in_bytes`, limit),
      optional(setting('hugetlb', `hugetlb.${pageSize}.rsvd.limit_in_bytes`, limit)),
    ]),
    ...devices.map(rule =>
      setting('devices', rule.allow ? 'devices.allow' : 'devices.deny', formatDeviceRule(rule)),
    ),
  ],
  2: ({ cpu, memory, pids, hugepageLimits = [], unified = {} }) => [
    weight('cpu.weight', cpu?.shares, weightOf),
    setting('cpu', 'cpu.max', cpu?.quota === undefined ? undefined : `${cpu.quota} ${cpu.period ?? 100_000}`),
    setting('memory', 'memory.max', memory?.limit),
    optional(
      setting('memory', 'memory.swap.max', memory === undefined ? undefined : memory.swap - memory.limit),
    ),
    ...Object.entries(unified).map(([file, value]) => optional(setting(controllerOf(file), file, value))),
    setting('pids', 'pids.max', pids?.limit),
    // Also what is reserved (Linux 5.7): mmap(2) fails then, and not the first use of a page.
    ...hugepageLimits.flatMap(({ pageSize, limit }) => [
      setting('hugetlb', `hugetlb.${pageSize}.max`, limit),
      optional(setting('hugetlb', `hugetlb.${pageSize}.rsvd.max`, limit)),
    ]),
  ],
};

function setting(
  controller: Setting['controller'],
  file: string,
  value: number | string | undefined,
): Setting | undefined {
  return value === undefined ? undefined : { controller, file, value: String(value) };
}

/** The weight of what asked for nothing is no promise to anybody. */
function weight(
  file: string,
  shares: number | undefined,
  convert: (shares: number) => number,
): Setting | undefined {
  if (shares === undefined) return undefined;
  const one = setting('cpu', file, convert(shares));
  return shares <= 2 ? optional(one) : one;
}

const optional = (one: Setting | undefined): Setting | undefined =>
  one === undefined ? undefined : { ...one, isOptional: true };

const controllerOf = (file: string): Setting['controller'] => file.split('.')[0] as Setting['controller'];

/**
 * v1's shares as v2's weight: through (2, 1), (1024, 100) and (262144, 10000), so that the defaults of both mean the same
 * (runc 1.3.2, crun 1.23; the straight line that came before gave 1024 shares a weight of 39).
 */
export function weightOf(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262_144) return 10_000;
  const log = Math.log2(shares);
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34));
}

/** What a limit is called in a warning. */
const WHAT: Readonly<Record<Setting['controller'], string>> = {
  cpu: 'cpu requests and limits',
  memory: 'memory limits',
  pids: 'limits of processes',
  hugetlb: 'limits of huge pages',
  devices: 'device rules',
};

/**
 * A cgroup of these resources, at `path` below the root of each hierarchy: a controller is in v2 or in one of v1's.
 * `outer`: the resources of the cgroup around it. On v1 it takes a directory of its own to be below that one.
 */
export function planCgroup(
  facts: CgroupFacts,
  path: string,
  resources: OciResources,
  outer: OciResources = {},
): CgroupPlan {
  const others = new Set<string>();
  const v2Controllers = new Set<string>();
  const missing = new Map<string, string>();
  const files: CgroupFile[] = [];
  const place = (version: 1 | 2, root: (controller: string) => string | undefined): void => {
    for (const one of SETTINGS[version](resources)) {
      const base = one === undefined ? undefined : root(one.controller);
      if (one === undefined || base === undefined) continue;
      files.push({
        path: `${base}${path}/${one.file}`,
        value: one.value,
        isOptional: one.isOptional === true,
      });
      if (version === 2) v2Controllers.add(one.controller);
    }
  };
  // Devices are no controller of v2: a program is attached to the cgroup.
  const isOnV2 = (controller: string): boolean =>
    controller === 'devices' ? facts.isV2 : facts.v2Controllers.includes(controller);
  const v2Root = facts.isV2 ? facts.root : undefined;
  place(2, controller => (isOnV2(controller) ? v2Root : undefined));
  place(1, controller => (isOnV2(controller) ? undefined : facts.v1[controller]));
  for (const one of [...SETTINGS[1](resources), ...SETTINGS[1](outer)]) {
    if (one === undefined || isOnV2(one.controller)) continue;
    const root = facts.v1[one.controller];
    if (root === undefined && one.isOptional !== true) missing.set(one.controller, WHAT[one.controller]);
    if (root !== undefined && root !== facts.root) others.add(`${root}${path}`);
  }
  const tracking = facts.root === undefined || facts.isV2 ? [] : [`${facts.root}${path}`];
  return {
    path: facts.root === undefined ? undefined : `${facts.root}${path}`,
    others: [...others],
    // `tasks`, not `cgroup.procs`: a process with one thread moves without the lock on all of the machine's thread
    // groups, in 0.02 ms and not in up to 17.
    joins: [...tracking, ...others].map(directory => `${directory}/tasks`),
    files,
    v2Controllers: [...v2Controllers],
    missing: [...missing].map(([controller, what]) => ({ controller, what })),
  };
}
