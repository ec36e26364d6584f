import t from 'tap';
import { setDefaults } from '../../../src/kube/defaults.ts';
import type { Container, Pod, PodSpec } from '../../../src/kube/types.generated.ts';
import {
  containerResources,
  oomScoreAdj,
  podResources,
  quotaOf,
  sharesOf,
} from '../../../src/oci/resources.ts';
import { machineOf } from '../../cases/machine.ts';

const { host } = machineOf('x64');
const GIB = 2 ** 30;
const of = (resources: Container['resources'], more: Partial<Container> = {}): Container => ({
  name: 'c',
  image: 'i',
  ...(resources === undefined ? {} : { resources }),
  ...more,
});
const podOf = (containers: readonly Container[], spec: Partial<PodSpec> = {}): Pod =>
  setDefaults({ spec: { ...spec, containers } });

t.test('processor time, as the kubelet converts it', t => {
  for (const [milli, shares, quota] of [
    [0, 2, undefined],
    [1, 2, 1000],
    [5, 5, 1000],
    [10, 10, 1000],
    [100, 102, 10_000],
    [250, 256, 25_000],
    [1000, 1024, 100_000],
    [1500, 1536, 150_000],
    [1_000_000, 262_144, 100_000_000],
  ] as const) {
    t.equal(sharesOf(milli), shares, `${milli}m`);
    t.equal(quotaOf(milli), quota, `${milli}m`);
  }
  t.end();
});

t.test('a container’s cgroup: its request is a weight, its limits are limits, and it has no swap', t => {
  t.same(containerResources(of(undefined), host), { cpu: { shares: 2 } });
  const limits = { cpu: '500m', memory: '64Mi' };
  t.same(containerResources(of({ limits, requests: { cpu: '250m' } }), host), {
    cpu: { shares: 256, quota: 50_000, period: 100_000 },
    memory: { limit: 64 << 20, swap: 64 << 20 },
    unified: { 'memory.oom.group': '1' },
  });
  t.end();
});

t.test('huge pages that nobody asked for cannot be had', t => {
  const machine = { ...host, hugepageSizes: ['2MB', '1GB'] };
  t.same(containerResources(of({ limits: { 'hugepages-2Mi': '4Mi' } }), machine).hugepageLimits, [
    { pageSize: '2MB', limit: 4 << 20 },
    { pageSize: '1GB', limit: 0 },
  ]);
  t.equal(containerResources(of(undefined), host).hugepageLimits, undefined);
  t.end();
});

t.test('the pod’s cgroup, by its class', t => {
  const limits = { cpu: 1, memory: '1Gi' };
  for (const [containers, spec, expected] of [
    [[of(undefined)], {}, { cpu: { shares: 2 } }],
    [
      [of({ limits }), of({ limits })],
      {},
      {
        cpu: { shares: 2048, quota: 200_000, period: 100_000 },
        memory: { limit: 2 * GIB, swap: 2 * GIB },
      },
    ],
    // One without a limit, and the pod has none.
    [[of({ limits }), of({ requests: { cpu: 1 } })], {}, { cpu: { shares: 2048 } }],
    [
      [of(undefined)],
      { resources: { limits: { memory: '1Gi' } } },
      { cpu: { shares: 2 }, memory: { limit: GIB, swap: GIB } },
    ],
  ] as const) {
    const { unified: _, ...resources } = podResources(podOf(containers, spec), host, undefined);
    t.same(resources, expected);
  }
  t.same(podResources(podOf([of(undefined)]), host, 100).pids, { limit: 100 });
  t.end();
});

t.test('who goes first when memory runs out', t => {
  const requests = (memory: string): Container['resources'] => ({ requests: { memory } });
  const guaranteed = { limits: { cpu: 1, memory: '1Gi' } };
  const sidecar = of(requests('1Gi'), { name: 's', restartPolicy: 'Always' });
  const score = (containers: readonly Container[], spec: Partial<PodSpec> = {}, name = 'c'): number => {
    const pod = podOf(containers, spec);
    const all = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
    return oomScoreAdj(pod, all.find(one => one.name === name) ?? of(undefined), { memory: 10 * GIB });
  };
  for (const [expected, actual] of [
    [1000, score([of(undefined)])],
    [-997, score([of(guaranteed)])],
    [900, score([of(requests('1Gi'))])],
    [500, score([of(requests('5Gi'))])],
    [3, score([of(requests('20Gi'))])],
    [999, score([of(requests('1Ki'))])],
    [999, score([of({ requests: { cpu: 1 } })])],
    // The pod's 4 GiB less the container's 2, in two parts.
    [700, score([of(requests('2Gi')), of(undefined, { name: 'd' })], { resources: requests('4Gi') ?? {} })],
    // A sidecar lives at least as long as the app container that asked for least.
    [500, score([of(requests('5Gi'))], { initContainers: [sidecar] }, 's')],
    [900, score([of(requests('512Mi'))], { initContainers: [sidecar] }, 's')],
    [-997, score([of(undefined)], { priorityClassName: 'system-node-critical', priority: 2_000_001_000 })],
    [1000, score([of(undefined)], { priorityClassName: 'system-cluster-critical', priority: 2_000_000_000 })],
  ] as const)
    t.equal(actual, expected);
  t.end();
});
