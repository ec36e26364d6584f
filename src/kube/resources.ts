import { exactQuantity } from './quantity-order.ts';
import type { Container, Pod, PodSpec } from './types.generated.ts';

/** A list of quantities by resource name, in nanos: exact, so that sums are. */
export type Amounts = ReadonlyMap<string, bigint>;
export type ResourceListName = 'requests' | 'limits';

const NANOS = 1_000_000_000n;

/** Quantity.MilliValue(): thousandths, rounded up. */
export const milliValue = (nanos: bigint): number => toNumber(ceiling(nanos, NANOS / 1000n));
/** Quantity.Value(): whole units, rounded up. */
export const wholeValue = (nanos: bigint): number => toNumber(ceiling(nanos, NANOS));

function ceiling(value: bigint, unit: bigint): bigint {
  return value > 0n ? (value + unit - 1n) / unit : value / unit;
}

function toNumber(value: bigint): number {
  return Number(value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : value);
}

/** One list of a container's or a pod's own `resources`. */
export function amounts(
  resources: { readonly [K in ResourceListName]?: Readonly<Record<string, string | number>> } | undefined,
  list: ResourceListName,
): Amounts {
  return new Map(
    Object.entries(resources?.[list] ?? {}).map(([name, text]) => [name, exactQuantity(text)?.nanos ?? 0n]),
  );
}

/**
 * What all containers come to (resource.AggregateContainerRequests): app containers and sidecars run side by side, an
 * init container beside the sidecars that were started before it.
 */
export function aggregateContainers(spec: PodSpec, list: ResourceListName): Amounts {
  let all = add(...spec.containers.map(container => amounts(container.resources, list)));
  let sidecars: Amounts = new Map();
  let initial: Amounts = new Map();
  for (const container of spec.initContainers ?? []) {
    const own = amounts(container.resources, list);
    if (container.restartPolicy === 'Always') {
      all = add(all, own);
      sidecars = add(sidecars, own);
      initial = greatest(initial, sidecars);
    } else initial = greatest(initial, add(own, sidecars));
  }
  return greatest(all, initial);
}

/** What pod-level resources can be about; anything else belongs to containers. */
export const isPodLevelResource = (name: string): boolean => /^(cpu|memory|hugepages-.+)$/.test(name);

/** resource.PodRequests and PodLimits: the containers' sum, what the pod itself says instead, and the overhead. */
export function podAmounts(spec: PodSpec, list: ResourceListName): Amounts {
  const own = [...amounts(spec.resources, list)].filter(([name]) => isPodLevelResource(name));
  const total = new Map([...aggregateContainers(spec, list), ...own]);
  const overhead = [...amounts({ [list]: spec.overhead }, list)];
  // A pod without a limit does not get one from its overhead.
  return add(total, new Map(list === 'requests' ? overhead : overhead.filter(([name]) => total.has(name))));
}

/** The limit around all of the pod: its own, or the sum where every container has one. Zero for none. */
export function declaredPodLimit(spec: PodSpec, name: 'cpu' | 'memory'): bigint {
  const says = (resources: Container['resources']): boolean =>
    (amounts(resources, 'limits').get(name) ?? 0n) > 0n;
  const all = [...spec.containers, ...(spec.initContainers ?? [])];
  if (!says(spec.resources) && !all.every(({ resources }) => says(resources))) return 0n;
  return podAmounts(spec, 'limits').get(name) ?? 0n;
}

function add(...lists: readonly Amounts[]): Amounts {
  const sum = new Map<string, bigint>();
  for (const list of lists) for (const [name, nanos] of list) sum.set(name, (sum.get(name) ?? 0n) + nanos);
  return sum;
}

function greatest(one: Amounts, other: Amounts): Amounts {
  const all = new Map(one);
  for (const [name, nanos] of other) if (nanos > (all.get(name) ?? -1n)) all.set(name, nanos);
  return all;
}

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

const COMPUTE = ['cpu', 'memory'] as const;

/** ComputePodQOS: only cpu and memory count, and only what is not zero. */
export function qosClass(pod: Pod): QosClass {
  const spec = pod.spec ?? { containers: [] };
  const own = spec.resources;
  const counted =
    own?.limits !== undefined || own?.requests !== undefined
      ? [own]
      : [...spec.containers, ...(spec.initContainers ?? [])].map(({ resources }) => resources);
  const lists = counted.map(resources => ({
    limits: amounts(resources, 'limits'),
    requests: amounts(resources, 'requests'),
  }));
  const says = (list: ResourceListName): boolean =>
    lists.some(one => COMPUTE.some(name => (one[list].get(name) ?? 0n) > 0n));
  if (!says('requests') && !says('limits')) return 'BestEffort';
  const isGuaranteed = lists.every(({ limits, requests }) =>
    COMPUTE.every(name => (limits.get(name) ?? 0n) > 0n && requests.get(name) === limits.get(name)),
  );
  return isGuaranteed ? 'Guaranteed' : 'Burstable';
}

/** What `resourceFieldRef` reads: a limit that is not set is what the machine has. */
export interface NodeCapacity {
  readonly cpus: number;
  /** In bytes. */
  readonly memory: number;
}

/** The text of `limits.cpu`, `requests.memory`…: in units of the divisor, rounded up (ExtractContainerResourceValue). */
export function resourceField(
  container: Container,
  field: string,
  divisor: string | number | undefined,
  capacity: NodeCapacity,
): string {
  const [list, name = ''] = field.split('.') as [ResourceListName, string];
  const unit = exactQuantity(divisor ?? '1')?.nanos || NANOS;
  const missing: Readonly<Record<string, bigint>> =
    list === 'limits' ? { cpu: BigInt(capacity.cpus) * NANOS, memory: BigInt(capacity.memory) * NANOS } : {};
  const nanos = amounts(container.resources, list).get(name) ?? missing[name] ?? 0n;
  return String(ceiling(nanos, unit));
}
