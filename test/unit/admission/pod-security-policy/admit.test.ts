import t from 'tap';
import {
  admitByPolicies,
  changesOf,
  POLICY_ANNOTATION,
} from '../../../../src/admission/pod-security-policy/admit.ts';
import { createProvider } from '../../../../src/admission/pod-security-policy/provider.ts';
import type { PodSecurityPolicySpec } from '../../../../src/kube/types.generated.ts';
import { freeze, pod, podWithContext, policyOf, withContext } from './policies.ts';

const ALL = (): boolean => true;
const only =
  (...names: readonly string[]) =>
  (policy: string): boolean =>
    names.includes(policy);
const named = (name: string, spec: Partial<PodSecurityPolicySpec> = {}) => policyOf(spec, { name });

const MUTATING = { readOnlyRootFilesystem: true };
const REFUSING = { hostPorts: [], allowedProcMountTypes: ['Unmasked'] };
const TEXT =
  'spec.containers[0].securityContext.procMount: Invalid value: "Default": ProcMountType is not allowed';

/** Policies by name in any order, who may be used, and who wins: its name and whether it changed the pod. */
const CHOICES: readonly (readonly [
  title: string,
  policies: Readonly<Record<string, Partial<PodSecurityPolicySpec>>>,
  isAuthorized: (policy: string) => boolean,
  expected: readonly [policy: string, isMutated: boolean],
])[] = [
  ['the only one', { a: {} }, ALL, ['a', false]],
  ['the only one, mutating', { a: MUTATING }, ALL, ['a', true]],
  ['the first by name', { b: {}, a: {}, c: {} }, ALL, ['a', false]],
  ['the first mutating one by name', { b: MUTATING, a: MUTATING }, ALL, ['a', true]],
  [
    'one that changes nothing before one that does',
    { default: MUTATING, privileged: { privileged: true } },
    ALL,
    ['privileged', false],
  ],
  [
    'not authorized for that one',
    { default: MUTATING, privileged: { privileged: true } },
    only('default'),
    ['default', true],
  ],
  ['the first that may be used', { a: {}, b: {} }, only('b'), ['b', false]],
  ['one that refuses is passed over', { a: REFUSING, b: MUTATING }, ALL, ['b', true]],
  [
    'the first mutating one that may be used',
    { a: MUTATING, b: MUTATING, c: REFUSING },
    only('b', 'c'),
    ['b', true],
  ],
  ['capitals come first', { a: {}, B: {} }, ALL, ['B', false]],
  [
    'one that cannot be used is passed over',
    { a: { runAsUser: { rule: 'MustRunAs' } }, b: {} },
    ALL,
    ['b', false],
  ],
];

for (const [title, policies, isAuthorized, [policy, isMutated]] of CHOICES)
  t.test(title, t => {
    const before = freeze(pod());
    const all = Object.entries(policies).map(([name, spec]) => named(name, spec));
    const result = admitByPolicies(before, all, isAuthorized);
    if ('denial' in result) throw new Error(result.denial);
    t.strictSame([result.policy, result.isMutated], [policy, isMutated]);
    t.equal(result.pod.metadata?.annotations?.[POLICY_ANNOTATION], policy);
    const expected = [
      [`metadata.annotations[${POLICY_ANNOTATION}]`, undefined, policy],
      ...(isMutated ? [['spec.containers[0].securityContext.readOnlyRootFilesystem', undefined, true]] : []),
    ];
    t.strictSame(
      changesOf(before, result.pod).map(change => [change.path, change.before, change.after]),
      expected,
    );
    t.end();
  });

t.test('nobody may use the policies: denied, and told nothing', t => {
  const result = admitByPolicies(pod(), [named('a'), named('b', REFUSING)], () => false);
  t.strictSame(result, { denial: 'PodSecurityPolicy: unable to admit pod: []', byPolicy: [], skipped: [] });
  t.end();
});

t.test('only what refuses and may be used is told, by name', t => {
  const result = admitByPolicies(
    pod(),
    [named('c', REFUSING), named('b', REFUSING), named('a', REFUSING)],
    only('c', 'a'),
  );
  if (!('denial' in result)) throw new Error('admitted');
  t.equal(result.denial, `PodSecurityPolicy: unable to admit pod: [${TEXT} ${TEXT}]`);
  t.strictSame(
    result.byPolicy.map(({ policy, errors }) => [policy, errors.map(({ detail }) => detail)]),
    [
      ['a', ['ProcMountType is not allowed']],
      ['c', ['ProcMountType is not allowed']],
    ],
  );
  t.end();
});

t.test('a policy that would do and may not be used is not told', t => {
  const result = admitByPolicies(pod(), [named('a', REFUSING), named('b')], only('a'));
  t.match(result, { denial: `PodSecurityPolicy: unable to admit pod: [${TEXT}]` });
  t.end();
});

const NONE = 'PodSecurityPolicy: no providers available to validate pod request';

t.test('no policy, or none that can be used', t => {
  t.strictSame(admitByPolicies(pod(), [], ALL), { denial: NONE, byPolicy: [], skipped: [] });
  const broken = [
    named('b', { fsGroup: { rule: 'MustRunAs' } }),
    named('a', { runAsUser: { rule: 'MustRunAs' } }),
  ];
  t.strictSame(admitByPolicies(pod(), broken, ALL), {
    denial: NONE,
    byPolicy: [],
    skipped: [
      { policy: 'a', error: 'MustRunAs requires at least one range' },
      { policy: 'b', error: 'ranges must be supplied for MustRunAs' },
    ],
  });
  t.end();
});

const UNUSABLE: readonly (readonly [spec: Partial<PodSecurityPolicySpec>, error: string])[] = [
  [{ runAsUser: { rule: 'x' } }, 'Unrecognized RunAsUser strategy type x'],
  [{ runAsUser: { rule: 'toString' } }, 'Unrecognized RunAsUser strategy type toString'],
  [{ runAsGroup: { rule: 'x' } }, 'Unrecognized RunAsGroup strategy type x'],
  [{ runAsGroup: { rule: 'MayRunAs', ranges: [] } }, 'ranges must be supplied for MayRunAs'],
  [{ seLinux: { rule: '' } }, 'Unrecognized SELinuxContext strategy type '],
  [{ seLinux: { rule: 'MustRunAs' } }, 'MustRunAs requires SELinuxOptions'],
  [{ fsGroup: { rule: 'x' } }, 'Unrecognized FSGroup strategy type x'],
  [{ supplementalGroups: {} }, 'Unrecognized SupplementalGroups strategy type '],
  [
    {
      supplementalGroups: { rule: 'MustRunAs' },
      fsGroup: { rule: 'MustRunAs' },
      runAsUser: { rule: 'MustRunAs' },
    },
    '[MustRunAs requires at least one range, ranges must be supplied for MustRunAs]',
  ],
];

t.test('why a policy cannot be used', t => {
  for (const [spec, error] of UNUSABLE) t.strictSame(createProvider(policyOf(spec)), { error });
  t.end();
});

t.test('the annotation of another policy is overwritten, others are kept', t => {
  const before = pod({}, { [POLICY_ANNOTATION]: 'forged', a: 'b' });
  const result = admitByPolicies(before, [named('p')], ALL);
  t.match(result, {
    isMutated: false,
    pod: { metadata: { annotations: { [POLICY_ANNOTATION]: 'p', a: 'b' } } },
  });
  t.end();
});

const SECCOMP = 'seccomp.security.alpha.kubernetes.io';

t.test('seccomp annotations become fields, which is all that a node looks at', t => {
  const policy = policyOf(
    {},
    {
      annotations: {
        [`${SECCOMP}/defaultProfileName`]: 'docker/default',
        [`${SECCOMP}/allowedProfileNames`]: '*',
      },
    },
  );
  const before = freeze(
    pod(
      {
        containers: [
          { name: 'a' },
          { name: 'b' },
          { name: 'c', securityContext: { seccompProfile: { type: 'Unconfined' } } },
          { name: 'd' },
        ],
      },
      {
        [`container.${SECCOMP}/b`]: 'unconfined',
        [`container.${SECCOMP}/c`]: 'runtime/default',
        [`container.${SECCOMP}/d`]: 'localhost/d.json',
      },
    ),
  );
  const result = admitByPolicies(before, [policy], ALL);
  if ('denial' in result) throw new Error(result.denial);
  t.strictSame(
    changesOf(before.spec, result.pod.spec).map(({ path, after }) => [path, after]),
    [
      ['containers[1].securityContext.seccompProfile.type', 'Unconfined'],
      ['containers[3].securityContext.seccompProfile.type', 'Localhost'],
      ['containers[3].securityContext.seccompProfile.localhostProfile', 'd.json'],
      ['securityContext.seccompProfile.type', 'RuntimeDefault'],
    ],
  );
  t.end();
});

t.test('a seccomp annotation that names nothing is no field', t => {
  const policy = policyOf({}, { annotations: { [`${SECCOMP}/allowedProfileNames`]: '*' } });
  for (const name of ['localhost/', 'x', '']) {
    const result = admitByPolicies(pod({}, { [`${SECCOMP}/pod`]: name }), [policy], ALL);
    t.strictSame('pod' in result && result.pod.spec?.securityContext, {}, name);
  }
  t.end();
});

t.test('a field that is set is not an annotation’s', t => {
  const policy = policyOf({}, { annotations: { [`${SECCOMP}/allowedProfileNames`]: '*' } });
  const before = pod(
    { securityContext: { seccompProfile: { type: 'Unconfined' } } },
    { [`${SECCOMP}/pod`]: 'runtime/default' },
  );
  const result = admitByPolicies(before, [policy], ALL);
  t.strictSame('pod' in result && result.pod.spec?.securityContext, {
    seccompProfile: { type: 'Unconfined' },
  });
  t.end();
});

// With a profile of its own a pod is changed by every policy, so the first wins and not the one that asks for nothing.
t.test('the seccomp field of a pod makes every policy a mutating one', t => {
  const allowed = { [`${SECCOMP}/allowedProfileNames`]: '*' };
  const policies = ['a', 'b'].map((name, i) =>
    policyOf(i === 0 ? MUTATING : {}, { name, annotations: allowed }),
  );
  const ofPod = podWithContext({ seccompProfile: { type: 'RuntimeDefault' } });
  const ofContainer = withContext({ seccompProfile: { type: 'RuntimeDefault' } });
  t.match(admitByPolicies(ofPod, policies, ALL), { policy: 'a', isMutated: true });
  t.match(admitByPolicies(ofContainer, policies, ALL), { policy: 'b', isMutated: false });
  t.end();
});
