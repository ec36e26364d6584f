import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { CHECKS } from '../../../../src/admission/pod-security/checks.ts';
import { evaluatePod } from '../../../../src/admission/pod-security/evaluate.ts';
import { LEVELS, type Level, type Version } from '../../../../src/admission/pod-security/levels.ts';
import { setDefaults } from '../../../../src/kube/defaults.ts';
import type {
  Container,
  Pod,
  PodSpec,
  SecurityContext,
  Volume,
} from '../../../../src/kube/types.generated.ts';

/** Mostly what the restricted level wants, so that some pods as a whole are what it wants. */
const mostly = <T>(good: T, ...bad: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 15, arbitrary: fc.constant(good) },
    { weight: 1, arbitrary: fc.constantFrom(good, ...bad) },
  );

const CONFINED = { type: 'RuntimeDefault' };
const UNCONFINED = { type: 'Unconfined' };

/** What is said for the pod or for a container. */
const shared = {
  appArmorProfile: mostly(undefined, CONFINED, UNCONFINED),
  runAsUser: mostly<number | undefined>(undefined, 0, 1000),
  seLinuxOptions: mostly<SecurityContext['seLinuxOptions']>(
    undefined,
    { type: 'container_t' },
    { type: 'container_engine_t' },
    { type: 'x' },
    { user: 'u' },
    { role: 'r' },
  ),
  windowsOptions: mostly<SecurityContext['windowsOptions']>(undefined, {}, { hostProcess: true }),
};

const container = (name: string): fc.Arbitrary<Container> =>
  fc.record({
    name: fc.constant(name),
    image: fc.constant('i'),
    ports: mostly<Container['ports']>(
      undefined,
      [{ containerPort: 80 }],
      [{ containerPort: 80, hostPort: 8080 }],
    ),
    livenessProbe: mostly<Container['livenessProbe']>(
      undefined,
      { httpGet: { port: 80 } },
      { tcpSocket: { port: 80, host: 'h' } },
    ),
    lifecycle: mostly<Container['lifecycle']>(undefined, { preStop: { httpGet: { port: 80, host: 'g' } } }),
    securityContext: fc.record({
      ...shared,
      allowPrivilegeEscalation: mostly<boolean | undefined>(false, true, undefined),
      capabilities: mostly<SecurityContext['capabilities']>(
        { drop: ['ALL'] },
        undefined,
        { drop: ['all'] },
        { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
        { drop: ['ALL'], add: ['CHOWN', 'SYS_ADMIN'] },
        { add: ['CHOWN'] },
        { add: ['SYS_ADMIN'] },
      ),
      privileged: mostly<boolean | undefined>(undefined, true, false),
      procMount: mostly<string | undefined>(undefined, 'Default', 'Unmasked'),
      runAsNonRoot: mostly<boolean | undefined>(undefined, true, false),
      seccompProfile: mostly(undefined, CONFINED, UNCONFINED),
    }),
  });

const volume: fc.Arbitrary<Volume> = mostly<Volume>(
  { name: 'v' },
  { name: 'v', secret: {} },
  { name: 'v', image: {} },
  { name: 'v', hostPath: { path: '/' } },
  { name: 'v', nfs: { server: 's', path: '/' } },
);

const containers = (name: string): fc.Arbitrary<readonly Container[]> =>
  fc.tuple(container(name), container(`${name}2`)).chain(list => fc.subarray(list));

const spec: fc.Arbitrary<PodSpec> = fc.record({
  hostNetwork: mostly<boolean | undefined>(undefined, true, false),
  hostPID: mostly<boolean | undefined>(undefined, true, false),
  hostIPC: mostly<boolean | undefined>(undefined, true, false),
  hostUsers: fc.constantFrom(undefined, true, false),
  os: fc.constantFrom(undefined, { name: 'linux' }),
  securityContext: fc.record({
    ...shared,
    runAsNonRoot: mostly<boolean | undefined>(true, undefined, false),
    seccompProfile: mostly<SecurityContext['seccompProfile']>(CONFINED, undefined, UNCONFINED),
    sysctls: mostly<readonly string[]>([], ['net.ipv4.tcp_rmem'], ['kernel.msgmax']).map(names =>
      names.map(name => ({ name, value: '1' })),
    ),
  }),
  initContainers: containers('i'),
  containers: containers('c'),
  ephemeralContainers: containers('e'),
  volumes: fc.array(volume, { maxLength: 2 }),
});

const pod: fc.Arbitrary<Pod> = fc.record({
  metadata: fc.record({
    annotations: mostly<Readonly<Record<string, string>>>(
      {},
      { 'container.apparmor.security.beta.kubernetes.io/c': 'unconfined' },
      { 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined' },
    ),
  }),
  spec,
});

const version: fc.Arbitrary<Version> = fc.oneof(
  fc.constant('latest' as const),
  fc.integer({ min: 0, max: 40 }),
);

t.test('what restricted allows, baseline allows; what baseline allows, privileged allows', t => {
  const seen = { restricted: 0, baseline: 0, neither: 0 };
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(pod, version, (pod, version) => {
        const [privileged, baseline, restricted] = LEVELS.map(
          level => evaluatePod({ level, version }, pod).length === 0,
        );
        seen[restricted ? 'restricted' : baseline ? 'baseline' : 'neither']++;
        return privileged === true && (!restricted || baseline === true);
      }),
      { numRuns: 500 },
    ),
  );
  for (const [which, count] of Object.entries(seen)) t.ok(count > 5, `${which}: ${count} pods`);
  t.end();
});

t.test('restricted tells all that baseline tells, or has its own words for it', t => {
  const betterThan = (id: string) =>
    CHECKS.find(({ versions }) => versions.some(({ overrides }) => overrides?.includes(id)))?.id;
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(pod, version, (pod, version) => {
        const restricted = evaluatePod({ level: 'restricted', version }, pod);
        return evaluatePod({ level: 'baseline', version }, pod).every(violation =>
          restricted.some(
            other => isDeepStrictEqual(other, violation) || other.id === betterThan(violation.id),
          ),
        );
      }),
      { numRuns: 500 },
    ),
  );
  t.end();
});

t.test('a pod for Windows has nothing of what only the restricted level leaves out for it', t => {
  // It is validation that keeps `capabilities` and the rest from a pod for Windows: here one would be let through.
  const windows: Pod = {
    spec: {
      os: { name: 'windows' },
      securityContext: { runAsNonRoot: true },
      containers: [{ name: 'a', securityContext: { capabilities: { add: ['SYS_ADMIN'] } } }],
    },
  };
  const ids = (level: Level, version: Version) =>
    evaluatePod({ level, version }, windows).map(({ id }) => id);
  t.same(ids('baseline', 'latest'), ['capabilities_baseline']);
  t.same(ids('restricted', 'latest'), []);
  t.same(ids('restricted', 24), [
    'allowPrivilegeEscalation',
    'capabilities_restricted',
    'seccompProfile_restricted',
  ]);
  t.end();
});

const level = fc.constantFrom(...LEVELS);

t.test('a version newer than any is the newest', t => {
  const newest = Math.max(...CHECKS.flatMap(({ versions }) => versions.map(({ since }) => since)));
  const newer = fc.oneof(fc.constant('latest' as const), fc.integer({ min: newest, max: 1e6 }));
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(pod, newer, level, (pod, version, level) =>
        isDeepStrictEqual(evaluatePod({ level, version }, pod), evaluatePod({ level, version: newest }, pod)),
      ),
    ),
  );
  t.end();
});

t.test('defaults change nothing, but for the ports of a pod on the host’s network', t => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(pod, version, level, (pod, version, level) => {
        const raw = { ...pod, spec: { containers: [], ...pod.spec, hostNetwork: false } };
        return isDeepStrictEqual(
          evaluatePod({ level, version }, setDefaults(raw)),
          evaluatePod({ level, version }, raw),
        );
      }),
    ),
  );
  t.end();
});
