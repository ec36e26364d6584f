import t from 'tap';
import { changesOf } from '../../../../src/admission/pod-security-policy/admit.ts';
import type { Container, Pod, PodSecurityPolicySpec } from '../../../../src/kube/types.generated.ts';
import { container, freeze, pod, podWithContext, policyOf, providerOf, withContext } from './policies.ts';

const CONTEXT = 'spec.containers[0].securityContext';
const RANGES = [
  { min: 7, max: 9 },
  { min: 1, max: 2 },
];
const SE_LINUX = { level: 's0', user: 'u' };
const SECCOMP = 'seccomp.security.alpha.kubernetes.io/pod';
const DEFAULT_SECCOMP = 'seccomp.security.alpha.kubernetes.io/defaultProfileName';
const APP_ARMOR = 'container.apparmor.security.beta.kubernetes.io/c';
const DEFAULT_APP_ARMOR = 'apparmor.security.beta.kubernetes.io/defaultProfileName';

/** A policy, a pod, and what the policy changes: path, before, after. None: the very same pod. */
type Row = readonly [
  title: string,
  spec: Partial<PodSecurityPolicySpec> & { readonly annotations?: Readonly<Record<string, string>> },
  pod: Pod,
  changes: readonly (readonly [path: string, before: unknown, after: unknown])[],
];

const must = <Field extends string>(field: Field) => ({ [field]: { rule: 'MustRunAs', ranges: RANGES } });

const IDS: readonly Row[] = [
  ['a user: the first range’s first', must('runAsUser'), pod(), [[`${CONTEXT}.runAsUser`, undefined, 7]]],
  ['a user is set, even a wrong one', must('runAsUser'), withContext({ runAsUser: 0 }), []],
  ['the pod’s user is the container’s', must('runAsUser'), podWithContext({ runAsUser: 0 }), []],
  [
    'NonRoot',
    { runAsUser: { rule: 'MustRunAsNonRoot' } },
    pod(),
    [[`${CONTEXT}.runAsNonRoot`, undefined, true]],
  ],
  ['NonRoot and a user', { runAsUser: { rule: 'MustRunAsNonRoot' } }, withContext({ runAsUser: 1 }), []],
  [
    'NonRoot and the pod’s user',
    { runAsUser: { rule: 'MustRunAsNonRoot' } },
    podWithContext({ runAsUser: 1 }),
    [],
  ],
  [
    'NonRoot and a word on it',
    { runAsUser: { rule: 'MustRunAsNonRoot' } },
    withContext({ runAsNonRoot: false }),
    [],
  ],
  ['a group', must('runAsGroup'), pod(), [[`${CONTEXT}.runAsGroup`, undefined, 7]]],
  ['a group is set', must('runAsGroup'), podWithContext({ runAsGroup: 0 }), []],
  ['fsGroup', must('fsGroup'), pod(), [['spec.securityContext.fsGroup', undefined, 7]]],
  ['fsGroup is set', must('fsGroup'), podWithContext({ fsGroup: 0 }), []],
  [
    'supplementalGroups',
    must('supplementalGroups'),
    pod(),
    [['spec.securityContext.supplementalGroups', undefined, [7]]],
  ],
  [
    'supplementalGroups are set, to none',
    must('supplementalGroups'),
    podWithContext({ supplementalGroups: [] }),
    [],
  ],
  [
    'MayRunAs sets nothing',
    Object.fromEntries(
      ['runAsGroup', 'fsGroup', 'supplementalGroups'].map(field => [
        field,
        { rule: 'MayRunAs', ranges: RANGES },
      ]),
    ),
    pod(),
    [],
  ],
];

const LABELS: readonly Row[] = [
  [
    'seLinux: on the pod, from which the containers have it',
    { seLinux: { rule: 'MustRunAs', seLinuxOptions: SE_LINUX } },
    pod(),
    [
      ['spec.securityContext.seLinuxOptions.level', undefined, 's0'],
      ['spec.securityContext.seLinuxOptions.user', undefined, 'u'],
    ],
  ],
  [
    'seLinux is set: whole',
    { seLinux: { rule: 'MustRunAs', seLinuxOptions: SE_LINUX } },
    podWithContext({ seLinuxOptions: { role: 'r' } }),
    [],
  ],
  [
    'seccomp',
    { annotations: { [DEFAULT_SECCOMP]: 'runtime/default' } },
    pod(),
    [[`metadata.annotations[${SECCOMP}]`, undefined, 'runtime/default']],
  ],
  [
    'seccomp: an annotation',
    { annotations: { [DEFAULT_SECCOMP]: 'runtime/default' } },
    pod({}, { [SECCOMP]: 'unconfined' }),
    [],
  ],
  // Also where the policy has no default.
  [
    'seccomp: a field is written as an annotation',
    {},
    podWithContext({ seccompProfile: { type: 'Localhost', localhostProfile: 'a' } }),
    [[`metadata.annotations[${SECCOMP}]`, undefined, 'localhost/a']],
  ],
  [
    'seccomp: the field of a container is not',
    {},
    withContext({ seccompProfile: { type: 'RuntimeDefault' } }),
    [],
  ],
  [
    'AppArmor: of each container that has none',
    { annotations: { [DEFAULT_APP_ARMOR]: 'localhost/a' } },
    pod(
      {
        containers: [
          { name: 'c' },
          { name: 'd' },
          { name: 'e', securityContext: { appArmorProfile: { type: 'RuntimeDefault' } } },
        ],
        initContainers: [{ name: 'i' }],
      },
      { [APP_ARMOR]: 'unconfined' },
    ),
    ['i', 'd'].map(
      name =>
        [
          `metadata.annotations[container.apparmor.security.beta.kubernetes.io/${name}]`,
          undefined,
          'localhost/a',
        ] as const,
    ),
  ],
  [
    'AppArmor: the pod’s field',
    { annotations: { [DEFAULT_APP_ARMOR]: 'localhost/a' } },
    podWithContext({ appArmorProfile: { type: 'Unconfined' } }),
    [],
  ],
  [
    'runtimeClassName',
    { runtimeClass: { allowedRuntimeClassNames: ['*'], defaultRuntimeClassName: 'kata' } },
    pod(),
    [['spec.runtimeClassName', undefined, 'kata']],
  ],
  [
    'runtimeClassName is set',
    { runtimeClass: { allowedRuntimeClassNames: ['*'], defaultRuntimeClassName: 'kata' } },
    pod({ runtimeClassName: 'runc' }),
    [],
  ],
  ['runtimeClass without a default', { runtimeClass: { allowedRuntimeClassNames: [] } }, pod(), []],
];

const capabilities = (
  title: string,
  [add, drop]: readonly [defaultAdd: string, requiredDrop: string],
  before: NonNullable<Container['securityContext']>['capabilities'],
  ...changes: readonly (readonly [list: string, before: unknown, after: unknown])[]
): Row => [
  `capabilities: ${title}`,
  {
    defaultAddCapabilities: add.split(' ').filter(name => name !== ''),
    requiredDropCapabilities: drop.split(' ').filter(name => name !== ''),
  },
  before === undefined ? pod() : withContext({ capabilities: before }),
  changes.map(([list, old, after]) => [`${CONTEXT}.capabilities.${list}`, old, after]),
];

const SETTINGS: readonly Row[] = [
  capabilities('added', ['B A', ''], undefined, ['add', undefined, ['A', 'B']]),
  capabilities('dropped', ['', 'B A'], undefined, ['drop', undefined, ['A', 'B']]),
  capabilities('a default that the container drops', ['A B', ''], { drop: ['A'] }, ['add', undefined, ['B']]),
  capabilities('nothing new: as it is written', ['A', 'D'], { add: ['B', 'A', 'A'], drop: ['E', 'D'] }),
  // One new name, and both lists are written anew.
  capabilities(
    'something new: both lists anew',
    ['', 'D'],
    { add: ['B', 'A', 'A'], drop: ['E'] },
    ['add', ['B', 'A', 'A'], ['A', 'B']],
    ['drop', ['E'], ['D', 'E']],
  ),
  capabilities('names are texts', ['', 'ALL'], { drop: ['all'] }, ['drop', ['all'], ['ALL', 'all']]),
  // The container may not keep it: validation says so.
  capabilities('added by the container', ['', 'A'], { add: ['A'] }, ['drop', undefined, ['A']]),
  capabilities('an empty object is left alone', ['', ''], {}),
  [
    'readOnlyRootFilesystem',
    { readOnlyRootFilesystem: true },
    pod(),
    [[`${CONTEXT}.readOnlyRootFilesystem`, undefined, true]],
  ],
  [
    'readOnlyRootFilesystem is set',
    { readOnlyRootFilesystem: true },
    withContext({ readOnlyRootFilesystem: false }),
    [],
  ],
  [
    'escalation is forbidden',
    { allowPrivilegeEscalation: false },
    pod(),
    [[`${CONTEXT}.allowPrivilegeEscalation`, undefined, false]],
  ],
  ['escalation is allowed', { allowPrivilegeEscalation: true }, pod(), []],
  [
    'the default of escalation',
    { defaultAllowPrivilegeEscalation: true },
    pod(),
    [[`${CONTEXT}.allowPrivilegeEscalation`, undefined, true]],
  ],
  [
    'a stricter default',
    { defaultAllowPrivilegeEscalation: false },
    pod(),
    [[`${CONTEXT}.allowPrivilegeEscalation`, undefined, false]],
  ],
  [
    'escalation is set',
    { allowPrivilegeEscalation: false },
    withContext({ allowPrivilegeEscalation: true }),
    [],
  ],
  ['privileged has no default', { privileged: false }, pod(), []],
  [
    'a policy that allows everything changes nothing',
    { privileged: true, hostNetwork: true },
    container({}, { hostNetwork: true }),
    [],
  ],
];

for (const [title, { annotations, ...spec }, before, changes] of [...IDS, ...LABELS, ...SETTINGS])
  t.test(title, t => {
    const provider = providerOf(policyOf(spec, annotations === undefined ? {} : { annotations }));
    const after = provider.mutate(freeze(before));
    t.strictSame(
      changesOf(before, after).map(change => [change.path, change.before, change.after]),
      changes,
    );
    t.equal(after === before, changes.length === 0, 'the same pod if nothing is set');
    t.equal(provider.mutate(after), after, 'once is enough');
    t.end();
  });

t.test('all containers, and all that can be set, in one pod', t => {
  const provider = providerOf(
    policyOf({
      ...must('runAsUser'),
      ...must('fsGroup'),
      defaultAddCapabilities: ['A'],
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
    }),
  );
  const before = freeze(
    pod({
      initContainers: [{ name: 'i', securityContext: { runAsUser: 5 } }],
      containers: [{ name: 'c' }],
      ephemeralContainers: [{ name: 'e', targetContainerName: 'c' }],
      securityContext: { fsGroupChangePolicy: 'Always' },
    }),
  );
  const added = {
    runAsUser: 7,
    capabilities: { add: ['A'] },
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
  };
  const [init, main, debug] = [
    before.spec?.initContainers,
    before.spec?.containers,
    before.spec?.ephemeralContainers,
  ];
  t.strictSame(provider.mutate(before), {
    ...before,
    spec: {
      ...before.spec,
      securityContext: { fsGroupChangePolicy: 'Always', fsGroup: 7 },
      initContainers: [{ ...init?.[0], securityContext: { ...added, runAsUser: 5 } }],
      containers: [{ ...main?.[0], securityContext: added }],
      ephemeralContainers: [{ ...debug?.[0], securityContext: added }],
    },
  });
  t.end();
});

t.test('only the container that lacks something is a new one', t => {
  const [ready, open] = [{ name: 'a', securityContext: { readOnlyRootFilesystem: true } }, { name: 'b' }];
  const before = pod({ containers: [ready, open], initContainers: [ready] });
  const after = providerOf(policyOf({ readOnlyRootFilesystem: true })).mutate(before);
  t.equal(after.spec?.initContainers, before.spec?.initContainers);
  t.equal(after.spec?.containers[0], before.spec?.containers[0]);
  t.not(after.spec?.containers[1], before.spec?.containers[1]);
  t.end();
});

t.test('changes: leaves, map keys with dots, lists of objects item by item', t => {
  const before = { a: { 'x.y': 1, same: [{ b: 1 }, { b: 2 }] }, list: [1] };
  const after = { a: { 'x.y': 2, same: [{ b: 1 }, { b: 3 }], new: { c: [], d: { e: 1 } } }, list: [1, 2] };
  t.strictSame(changesOf(before, after), [
    { path: 'a[x.y]', before: 1, after: 2 },
    { path: 'a.same[1].b', before: 2, after: 3 },
    { path: 'a.new.c', before: undefined, after: [] },
    { path: 'a.new.d.e', before: undefined, after: 1 },
    { path: 'list', before: [1], after: [1, 2] },
  ]);
  t.strictSame(changesOf(before, structuredClone(before)), []);
  t.strictSame(changesOf({ a: [] }, { a: [] }), []);
  const mixed = [{ b: 1 }, 2] as const;
  t.strictSame(changesOf({ a: mixed }, { a: [{ b: 3 }, 2] }), [
    { path: 'a', before: mixed, after: [{ b: 3 }, 2] },
  ]);
  t.strictSame(changesOf({ a: 1 }, {}), [{ path: 'a', before: 1, after: undefined }]);
  t.end();
});
