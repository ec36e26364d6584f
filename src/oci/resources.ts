import {
  aggregateContainers,
  amounts,
  declaredPodLimit,
  milliValue,
  podAmounts,
  type QosClass,
  qosClass,
  type ResourceListName,
  wholeValue,
} from '../kube/resources.ts';
import type { Container, Pod } from '../kube/types.generated.ts';
import type { OciHugepageLimit, OciResources } from './config.ts';
import type { HostFacts } from './host-facts.ts';

/** The kubelet's numbers, pkg/kubelet/cm/helpers_linux.go and pkg/kubelet/qos/policy.go. */
const MIN_SHARES = 2;
const MAX_SHARES = 262_144;
/** The shortest quota that the kernel takes, and the period that it is for, in microseconds. */
const MIN_QUOTA = 1000;
const PERIOD = 100_000;
const GUARANTEED_OOM_SCORE_ADJ = -997;
const BEST_EFFORT_OOM_SCORE_ADJ = 1000;
const NODE_CRITICAL = { name: 'system-node-critical', priority: 2_000_000_000 };

/** MilliCPUToShares. */
export function sharesOf(milliCpu: number): number {
  return Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.floor((milliCpu * 1024) / 1000)));
}

/** MilliCPUToQuota; undefined without a limit. */
export function quotaOf(milliCpu: number): number | undefined {
  return milliCpu === 0 ? undefined : Math.max(MIN_QUOTA, Math.floor((milliCpu * PERIOD) / 1000));
}

/** The container's own cgroup. */
export function containerResources(container: Container, host: HostFacts): OciResources {
  const limit = reader(amounts(container.resources, 'limits'));
  const request = reader(amounts(container.resources, 'requests'));
  return resourcesOf(
    sharesOf(request.milli('cpu')),
    limit.milli('cpu'),
    limit.whole('memory'),
    hugepageLimits(amounts(container.resources, 'limits'), host),
  );
}

/**
 * The pod's cgroup, around those of its containers (ResourceConfigForPod): a limit only where every container has one, or
 * the pod itself says it. `maxPids`: the kubelet's --pod-max-pids.
 */
export function podResources(pod: Pod, host: HostFacts, maxPids: number | undefined): OciResources {
  const spec = pod.spec ?? { containers: [] };
  const qos = qosClass(pod);
  const request = reader(podAmounts(spec, 'requests'));
  return {
    ...resourcesOf(
      qos === 'BestEffort' ? MIN_SHARES : sharesOf(request.milli('cpu')),
      milliValue(declaredPodLimit(spec, 'cpu')),
      wholeValue(declaredPodLimit(spec, 'memory')),
      hugepageLimits(podAmounts(spec, 'limits'), host),
    ),
    ...(maxPids === undefined ? {} : { pids: { limit: maxPids } }),
  };
}

function resourcesOf(
  shares: number,
  milliCpuLimit: number,
  memory: number,
  hugepages: readonly OciHugepageLimit[],
): OciResources {
  const quota = quotaOf(milliCpuLimit);
  return {
    cpu: { shares, ...(quota === undefined ? {} : { quota, period: PERIOD }) },
    // `swap` is memory and swap together: a container has no swap (the kubelet's NoSwap).
    ...(memory === 0 ? {} : { memory: { limit: memory, swap: memory } }),
    ...(hugepages.length === 0 ? {} : { hugepageLimits: hugepages }),
    // One process killed for memory takes all of its container with it, as the kubelet does on v2.
    ...(memory === 0 ? {} : { unified: { 'memory.oom.group': '1' } }),
  };
}

/** Huge pages that were not asked for cannot be had: a size that the machine has pages of gets a limit of 0. */
function hugepageLimits(
  limits: ReturnType<typeof amounts>,
  { hugepageSizes }: HostFacts,
): readonly OciHugepageLimit[] {
  const limit = reader(limits);
  const asked = [...limits.keys()]
    .filter(name => name.startsWith('hugepages-'))
    .map(name => [pageSizeName(name.slice('hugepages-'.length)), limit.whole(name)] as const);
  const none = hugepageSizes.map(size => [size, 0] as const);
  return [...new Map([...none, ...asked])].map(([pageSize, bytes]) => ({ pageSize, limit: bytes }));
}

/** `2Mi` → `2MB`, as the kernel calls its hugetlb files. */
function pageSizeName(quantity: string): string {
  return quantity.replace(/i$/, 'B');
}

function reader(list: ReturnType<typeof amounts>): {
  milli(name: string): number;
  whole(name: string): number;
} {
  const nanos = (name: string): bigint => list.get(name) ?? 0n;
  return { milli: name => milliValue(nanos(name)), whole: name => wholeValue(nanos(name)) };
}

/** GetContainerOOMScoreAdjust: the less a container was promised, the sooner it goes. */
export function oomScoreAdj(pod: Pod, container: Container, host: Pick<HostFacts, 'memory'>): number {
  const spec = pod.spec ?? { containers: [] };
  if (spec.priorityClassName === NODE_CRITICAL.name && (spec.priority ?? 0) >= NODE_CRITICAL.priority)
    return GUARANTEED_OOM_SCORE_ADJ;
  const byClass: Readonly<Partial<Record<QosClass, number>>> = {
    Guaranteed: GUARANTEED_OOM_SCORE_ADJ,
    BestEffort: BEST_EFFORT_OOM_SCORE_ADJ,
  };
  const fixed = byClass[qosClass(pod)];
  if (fixed !== undefined) return fixed;
  const rest = undividedMemory(pod);
  const score = (request: number): number =>
    BEST_EFFORT_OOM_SCORE_ADJ - Math.floor((1000 * (request + rest)) / host.memory);
  const isSidecar =
    container.restartPolicy === 'Always' && spec.initContainers?.some(({ name }) => name === container.name);
  // A sidecar lives as long as the app containers that need it.
  const smallest = isSidecar === true ? Math.min(...spec.containers.map(memoryRequest)) : 0;
  const own = Math.min(score(memoryRequest(container)), isSidecar === true ? score(smallest) : Infinity);
  // Burstable is never as safe as Guaranteed, nor as doomed as BestEffort.
  return Math.min(
    BEST_EFFORT_OOM_SCORE_ADJ - 1,
    Math.max(own, BEST_EFFORT_OOM_SCORE_ADJ + GUARANTEED_OOM_SCORE_ADJ),
  );
}

const memoryRequest = ({ resources }: Pick<Container, 'resources'>): number =>
  reader(amounts(resources, 'requests')).whole('memory');

/** What the pod asks for beyond its containers, in equal parts. */
function undividedMemory({ spec = { containers: [] } }: Pod): number {
  const own = memoryRequest(spec);
  if (own === 0) return 0;
  const list: ReturnType<typeof amounts> = aggregateContainers(spec, 'requests' satisfies ResourceListName);
  const count = spec.containers.length + (spec.initContainers?.length ?? 0);
  return Math.floor((own - reader(list).whole('memory')) / count);
}
