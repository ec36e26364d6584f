import t from 'tap';
import { setDefaults } from '../../../src/kube/defaults.ts';
import {
  declaredPodLimit,
  podAmounts,
  qosClass,
  resourceField,
  wholeValue,
} from '../../../src/kube/resources.ts';
import type { Container, Pod, PodSpec } from '../../../src/kube/types.generated.ts';

type Quantities = Readonly<Record<string, string | number>>;
const one = (limits?: Quantities, requests?: Quantities, more: Partial<Container> = {}): Container => ({
  name: 'c',
  image: 'i',
  ...more,
  resources: { ...(limits === undefined ? {} : { limits }), ...(requests === undefined ? {} : { requests }) },
});
const podOf = (containers: readonly Container[], spec: Partial<PodSpec> = {}): Pod =>
  setDefaults({ spec: { ...spec, containers } });
const BOTH = { cpu: 1, memory: '1Gi' };

t.test('the class of a pod, by what its containers say', t => {
  for (const [expected, containers, spec] of [
    ['BestEffort', [one()]],
    ['BestEffort', [one({ cpu: 0, memory: 0 })]],
    ['BestEffort', [one({ 'ephemeral-storage': '1Gi' })]],
    ['Guaranteed', [one(BOTH)]],
    ['Guaranteed', [one(BOTH, { cpu: '1000m', memory: 2 ** 30 })]],
    ['Guaranteed', [one(BOTH), one({ cpu: 2, memory: 1 })]],
    ['Burstable', [one(BOTH), one()]],
    ['Burstable', [one(BOTH, { cpu: '500m' })]],
    ['Burstable', [one({ cpu: 1 })]],
    ['Burstable', [one(undefined, { memory: 1 })]],
    ['Burstable', [one(BOTH)], { initContainers: [one()] }],
    ['Guaranteed', [one(BOTH)], { initContainers: [one(BOTH)] }],
    // Once the pod itself says something, its containers do not count.
    ['Guaranteed', [one()], { resources: { limits: BOTH } }],
    ['Burstable', [one(BOTH)], { resources: { limits: { cpu: 1 } } }],
    ['BestEffort', [one()], { resources: {} }],
  ] as const)
    t.equal(qosClass(podOf(containers, spec)), expected, JSON.stringify([containers, spec]));
  t.end();
});

t.test('the pod asks for the most that its containers can need at one time', t => {
  const memory = (containers: readonly Container[], spec: Partial<PodSpec> = {}): number =>
    wholeValue(
      podAmounts(podOf(containers, spec).spec ?? { containers: [] }, 'requests').get('memory') ?? 0n,
    );
  const of = (size: number, restartPolicy?: string): Container =>
    one(undefined, { memory: size }, restartPolicy === undefined ? {} : { restartPolicy });
  const sidecar = (size: number): Container => of(size, 'Always');
  for (const [expected, containers, spec] of [
    [30, [of(10), of(20)]],
    [30, [of(10), of(20)], { initContainers: [of(25)] }],
    [45, [of(10), of(20)], { initContainers: [of(45), of(5)] }],
    [35, [of(10), of(20)], { initContainers: [sidecar(5)] }],
    // An init container runs beside the sidecars before it, not those after it.
    [55, [of(10), of(20)], { initContainers: [sidecar(5), of(50)] }],
    [50, [of(10), of(20)], { initContainers: [of(50), sidecar(5)] }],
    [37, [of(10), of(20)], { overhead: { memory: 7 } }],
    [100, [of(10), of(20)], { resources: { requests: { memory: 100 } } }],
    // What the pod does not ask for itself is what its containers do, else its limit.
    [30, [of(10), of(20)], { resources: { limits: { memory: 100 } } }],
    [100, [one()], { resources: { limits: { memory: 100 } } }],
  ] as const)
    t.equal(memory(containers, spec), expected, JSON.stringify([containers, spec]));
  t.end();
});

t.test('fractions are added before they are rounded', t => {
  const spec = podOf(Array.from({ length: 4 }, () => one(undefined, { cpu: '0.0005' }))).spec;
  t.equal(podAmounts(spec ?? { containers: [] }, 'requests').get('cpu'), 2_000_000n);
  t.end();
});

t.test('a pod has a limit where every container has one, or it says so', t => {
  for (const [expected, containers, spec] of [
    [0, [one()]],
    [3, [one({ memory: 1 }), one({ memory: 2 })]],
    [0, [one({ memory: 1 }), one()]],
    [0, [one({ memory: 1 })], { initContainers: [one()] }],
    [9, [one({ memory: 1 }), one()], { resources: { limits: { memory: 9 } } }],
  ] as const) {
    const pod = podOf(containers, spec);
    t.equal(wholeValue(declaredPodLimit(pod.spec ?? { containers: [] }, 'memory')), expected);
  }
  t.end();
});

t.test('resourceFieldRef: in units of the divisor, rounded up; without a limit, what the machine has', t => {
  const container = one({ cpu: '1500m', memory: '1Gi' }, { cpu: '250m' });
  const capacity = { cpus: 4, memory: 8 * 2 ** 30 };
  for (const [field, divisor, expected, of] of [
    ['limits.cpu', undefined, '2'],
    ['limits.cpu', '1m', '1500'],
    ['requests.cpu', '1m', '250'],
    ['requests.cpu', '0', '1'],
    ['limits.memory', '1Mi', '1024'],
    ['limits.memory', '1', '1073741824'],
    ['requests.memory', '1Mi', '0'],
    ['limits.cpu', '1', '4', one()],
    ['limits.memory', '1Gi', '8', one()],
    ['limits.ephemeral-storage', '1', '0', one()],
    ['limits.hugepages-2Mi', '1Mi', '4', one({ 'hugepages-2Mi': '4Mi' })],
  ] as const)
    t.equal(resourceField(of ?? container, field, divisor, capacity), expected, `${field} / ${divisor}`);
  t.end();
});
