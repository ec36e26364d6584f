import t from 'tap';
import type { ContainerFacts } from '../../../../src/admission/verify/facts.ts';
import { verifyPolicy } from '../../../../src/admission/verify/policy.ts';
import { fieldsOf } from '../../../../src/kube/suggest.ts';
import type {
  PodSecurityPolicySpec,
  PodSpec,
  SecurityContext,
} from '../../../../src/kube/types.generated.ts';
import { podOf } from '../../kube/pods.ts';
import { policyOf } from '../pod-security-policy/policies.ts';
import { factsOf } from './facts.ts';

const SECCOMP = 'seccomp.security.alpha.kubernetes.io/allowedProfileNames';
const OPEN: Partial<PodSecurityPolicySpec> = {
  privileged: true,
  hostNetwork: true,
  hostPID: true,
  hostIPC: true,
  hostPorts: [{ min: 0, max: 65535 }],
  allowedCapabilities: ['*'],
  allowedProcMountTypes: ['Default', 'Unmasked'],
};
const range = (min: number, max: number) => ({ rule: 'MustRunAs', ranges: [{ min, max }] });

interface Case {
  readonly field: string;
  readonly spec: Partial<PodSecurityPolicySpec>;
  readonly promised: string;
  readonly agreeing: readonly (readonly [facts: ContainerFacts, found: string])[];
  readonly disagreeing: readonly (readonly [facts: ContainerFacts, found: string])[];
  readonly pod?: PodSpec['securityContext'];
  readonly container?: SecurityContext;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Each rule of a policy that allows all else: what is promised, and facts that agree and that do not. */
const CASES: readonly Case[] = [
  {
    field: 'privileged',
    spec: { privileged: false },
    promised: 'not privileged: /sys is read-only',
    agreeing: [[factsOf(), '/sys is read-only']],
    disagreeing: [[factsOf({ isSysWritable: true }), '/sys is writable']],
  },
  ...(['Network', 'PID', 'IPC'] as const).map(
    (name): Case => ({
      field: `host${name}`,
      spec: { [`host${name}`]: false },
      promised: `not the machine’s ${name.toLowerCase()} namespace`,
      agreeing: [
        [factsOf(), 'another'],
        [factsOf({ hostNamespaces: ['user'] }), 'another'],
      ],
      disagreeing: [
        [
          factsOf({ hostNamespaces: ['user', name.toLowerCase() as 'network' | 'pid' | 'ipc'] }),
          'the machine’s',
        ],
      ],
    }),
  ),
  {
    field: 'hostPorts',
    spec: {
      hostPorts: [
        { min: 80, max: 80 },
        { min: 8000, max: 9000 },
      ],
    },
    promised: 'ports of the machine in 80, 8000-9000',
    agreeing: [
      [factsOf(), 'none'],
      [
        factsOf({
          hostPorts: [
            { protocol: 'TCP', port: 80 },
            { protocol: 'UDP', port: 9000 },
          ],
        }),
        'TCP/80, UDP/9000',
      ],
    ],
    disagreeing: [
      [
        factsOf({
          hostPorts: [
            { protocol: 'TCP', port: 80 },
            { protocol: 'UDP', port: 81 },
          ],
        }),
        'TCP/80, UDP/81',
      ],
      [factsOf({ hostPorts: [{ protocol: 'TCP', port: 9001 }] }), 'TCP/9001'],
    ],
  },
  {
    field: 'hostPorts',
    spec: { hostPorts: [] },
    promised: 'no port of the machine',
    agreeing: [[factsOf(), 'none']],
    disagreeing: [[factsOf({ hostPorts: [{ protocol: 'TCP', port: 1 }] }), 'TCP/1']],
  },
  {
    field: 'runAsUser',
    spec: { runAsUser: range(1000, 2000) },
    promised: 'user in 1000-2000',
    agreeing: [[factsOf({}, { uids: [1000] }, { uids: [2000] }, { uids: [1000] }), 'user 1000, user 2000']],
    disagreeing: [
      [factsOf({}, { uids: [1000] }, { uids: [0] }), 'user 1000, user 0'],
      [factsOf({}, { uids: [1000, 0] }), 'user 1000/0'],
      [factsOf({}, { uids: [2001] }), 'user 2001'],
    ],
  },
  {
    field: 'runAsUser',
    spec: { runAsUser: { rule: 'MustRunAsNonRoot' } },
    promised: 'not user 0',
    agreeing: [[factsOf({}, { uids: [1, 2] }), 'user 1/2']],
    disagreeing: [
      [factsOf(), 'user 0'],
      // It can go back to it.
      [factsOf({}, { uids: [1000, 0] }), 'user 1000/0'],
    ],
  },
  {
    field: 'runAsGroup',
    spec: { runAsGroup: range(5, 5) },
    container: { runAsGroup: 5 },
    promised: 'group in 5',
    agreeing: [[factsOf({}, { gids: [5] }), 'group 5']],
    disagreeing: [
      [factsOf(), 'group 0'],
      [factsOf({}, { gids: [5, 6] }), 'group 5/6'],
    ],
  },
  {
    field: 'runAsGroup',
    spec: { runAsGroup: { rule: 'MayRunAs', ranges: [{ min: 5, max: 9 }] } },
    pod: { runAsGroup: 7 },
    promised: 'group in 5-9',
    agreeing: [[factsOf({}, { gids: [7] }), 'group 7']],
    disagreeing: [[factsOf(), 'group 0']],
  },
  {
    field: 'supplementalGroups',
    spec: { supplementalGroups: range(1, 9) },
    pod: { supplementalGroups: [3, 4] },
    promised: 'groups 3 4, in 1-9',
    // Groups of the image come on top.
    agreeing: [[factsOf({}, { groups: [0, 3, 4, 20] }), 'groups 0 3 4 20']],
    disagreeing: [
      [factsOf({}, { groups: [3] }), 'groups 3'],
      [factsOf({}, { groups: [3, 4] }, { groups: [] }), 'groups 3 4, no group'],
    ],
  },
  {
    field: 'fsGroup',
    spec: { fsGroup: { rule: 'MayRunAs', ranges: [{ min: 1, max: 9 }] } },
    pod: { fsGroup: 4 },
    promised: 'group 4, in 1-9',
    agreeing: [[factsOf({}, { groups: [4] }), 'groups 4']],
    disagreeing: [[factsOf({}, { groups: [5] }), 'groups 5']],
  },
  {
    field: 'requiredDropCapabilities',
    spec: { requiredDropCapabilities: ['NET_RAW', 'mknod', 'CAP_KILL', 'FLY'], allowedCapabilities: [] },
    promised: 'without NET_RAW MKNOD',
    agreeing: [[factsOf({}, { capabilities: ['CAP_KILL'] }), 'none of them']],
    disagreeing: [
      [factsOf(), 'NET_RAW MKNOD'],
      [factsOf({}, { capabilities: [] }, { capabilities: ['CAP_NET_RAW'] }), 'none of them, NET_RAW'],
    ],
  },
  {
    field: 'requiredDropCapabilities',
    spec: { requiredDropCapabilities: ['ALL'], allowedCapabilities: [] },
    promised: 'no capability',
    agreeing: [[factsOf({}, { capabilities: [] }), '0 of them']],
    disagreeing: [[factsOf({}, { capabilities: ['CAP_KILL'] }), 'also KILL']],
  },
  {
    field: 'requiredDropCapabilities',
    spec: {
      requiredDropCapabilities: ['all'],
      allowedCapabilities: ['CHOWN'],
      defaultAddCapabilities: ['KILL'],
    },
    promised: 'no capability but CHOWN KILL',
    agreeing: [[factsOf({}, { capabilities: ['CAP_CHOWN', 'CAP_KILL'] }), '2 of them']],
    disagreeing: [[factsOf({}, { capabilities: ['CAP_KILL', 'CAP_SETUID'] }), 'also SETUID']],
  },
  {
    field: 'allowedCapabilities',
    spec: { allowedCapabilities: ['SYS_TIME'], defaultAddCapabilities: ['sys_nice'] },
    promised: 'no capability beyond the default set and what the policy allows',
    agreeing: [
      [factsOf(), '14 of them'],
      [factsOf({}, { capabilities: ['CAP_SYS_TIME', 'CAP_SYS_NICE'] }), '2 of them'],
    ],
    disagreeing: [[factsOf({}, { capabilities: ['CAP_KILL', 'CAP_SYS_ADMIN'] }), 'also SYS_ADMIN']],
  },
  {
    field: 'readOnlyRootFilesystem',
    spec: { readOnlyRootFilesystem: true },
    promised: 'the root is read-only',
    agreeing: [[factsOf({ isRootReadOnly: true }), 'read-only']],
    disagreeing: [[factsOf(), 'writable']],
  },
  {
    field: 'allowPrivilegeEscalation',
    spec: { allowPrivilegeEscalation: false },
    promised: 'no_new_privs is on',
    agreeing: [[factsOf({}, { noNewPrivileges: true }), 'on']],
    disagreeing: [[factsOf({}, { noNewPrivileges: true }, {}), 'on, off']],
  },
  ...[[], ['Default']].map(
    (allowedProcMountTypes): Case => ({
      field: 'allowedProcMountTypes',
      spec: { allowedProcMountTypes },
      promised: '/proc/sys is read-only, as without procMount Unmasked',
      agreeing: [[factsOf(), 'read-only']],
      disagreeing: [[factsOf({ isProcProtected: false }), 'writable']],
    }),
  ),
  {
    field: 'seccomp',
    spec: {},
    annotations: { [SECCOMP]: 'runtime/default,localhost/a' },
    promised: 'a seccomp filter',
    agreeing: [[factsOf({}, { hasSeccompFilter: true }), 'a filter']],
    disagreeing: [[factsOf(), 'none']],
  },
];

const verified = ({ spec, pod, container, annotations = {} }: Partial<Case>, facts: ContainerFacts) =>
  verifyPolicy(
    policyOf({ ...OPEN, ...spec }, { name: 'p', annotations }),
    podOf({
      ...(pod === undefined ? {} : { securityContext: pod }),
      containers: [
        { name: 'c', image: 'i', ...(container === undefined ? {} : { securityContext: container }) },
      ],
    }),
    facts,
  ).filter(({ rule }) => rule !== 'PodSecurityPolicy/p hostPorts' || spec?.hostPorts !== undefined);

for (const one of CASES)
  t.test(`${one.field}: ${one.promised}`, t => {
    const rule = `PodSecurityPolicy/p ${one.field}`;
    for (const agrees of [true, false])
      for (const [facts, found] of agrees ? one.agreeing : one.disagreeing)
        t.strictSame(
          verified(one, facts).filter(row => row.rule === rule),
          [{ container: 'c', rule, promised: one.promised, found, agrees }],
        );
    t.end();
  });

/** Rules about words of the spec: for the kernel there is nothing to be asked. */
const WORDS_ONLY = [
  'allowedCSIDrivers',
  'allowedFlexVolumes',
  'allowedHostPaths',
  'allowedUnsafeSysctls',
  'defaultAddCapabilities',
  'defaultAllowPrivilegeEscalation',
  'forbiddenSysctls',
  'runtimeClass',
  'seLinux',
  'volumes',
];

t.test('every field of a policy is asked about, or is about words alone', t => {
  const asked = new Set(CASES.map(({ field }) => field));
  const fields = [...fieldsOf('PodSecurityPolicySpec')].map(([name]) => name);
  t.strictSame(fields.filter(field => !asked.has(field)).sort(), WORDS_ONLY);
  t.end();
});

t.test('a policy that allows all promises nothing', t => {
  const worst = factsOf(
    { hostNamespaces: ['network', 'pid', 'ipc', 'user'], isSysWritable: true, isProcProtected: false },
    { capabilities: ['CAP_SYS_ADMIN'] },
  );
  t.strictSame(verified({}, worst), []);
  for (const annotations of [{ [SECCOMP]: '*' }, { [SECCOMP]: 'runtime/default,unconfined' }])
    t.strictSame(verified({ annotations }, worst), []);
  for (const spec of [
    { allowedCapabilities: ['ALL'] },
    { allowedCapabilities: ['all'] },
    { allowedCapabilities: [], defaultAddCapabilities: ['ALL'] },
    { requiredDropCapabilities: ['CAP_CHOWN'] },
    { runAsGroup: { rule: 'MayRunAs', ranges: [{ min: 5, max: 9 }] } },
    { fsGroup: { rule: 'MayRunAs', ranges: [{ min: 5, max: 9 }] } },
  ])
    t.strictSame(verified({ spec }, worst), [], JSON.stringify(spec));
  t.end();
});

t.test('what a privileged container has anyway is not asked, what it was to drop is', t => {
  const facts = factsOf(
    { isSysWritable: true, isProcProtected: false },
    { capabilities: ['CAP_SYS_ADMIN', 'CAP_NET_RAW'] },
  );
  const spec = { allowedCapabilities: [], allowedProcMountTypes: [], requiredDropCapabilities: ['NET_RAW'] };
  t.match(verified({ spec, container: { privileged: true } }, facts), [
    { rule: 'PodSecurityPolicy/p requiredDropCapabilities', found: 'NET_RAW', agrees: false },
  ]);
  t.strictSame(
    verified({ spec }, facts).map(({ rule, agrees }) => [rule, agrees]),
    ['requiredDropCapabilities', 'allowedCapabilities', 'allowedProcMountTypes'].map(field => [
      `PodSecurityPolicy/p ${field}`,
      false,
    ]),
  );
  t.end();
});
