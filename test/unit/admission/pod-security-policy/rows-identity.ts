import { pod, podWithContext, withContext } from './policies.ts';
import { CONTEXT, POD_CONTEXT, type Row } from './rows.ts';

const TWO = [
  { min: 2, max: 10 },
  { min: 20, max: 30 },
];

/** Users and groups. */
export const USERS: readonly Row[] = [
  [
    'runAsUser',
    { runAsUser: { rule: 'MustRunAs', ranges: [{ min: 2, max: 2 }] } },
    withContext({ runAsUser: 2 }),
    withContext({ runAsUser: 405 }),
    [`${CONTEXT}.runAsUser: Invalid value: 405: must be in the ranges: [{2 2}]`],
  ],
  [
    'runAsUser',
    { runAsUser: { rule: 'MustRunAs', ranges: TWO } },
    withContext({ runAsUser: 30 }, { securityContext: { runAsUser: 11 } }),
    podWithContext({ runAsUser: 11 }),
    [`${CONTEXT}.runAsUser: Invalid value: 11: must be in the ranges: [{2 10} {20 30}]`],
  ],
  [
    'runAsUser',
    { runAsUser: { rule: 'MustRunAsNonRoot' } },
    withContext({ runAsUser: 1 }),
    withContext({ runAsUser: 0 }),
    [`${CONTEXT}.runAsUser: Invalid value: 0: running with the root UID is forbidden`],
  ],
  [
    'runAsUser',
    { runAsUser: { rule: 'MustRunAsNonRoot' } },
    pod(),
    withContext({ runAsNonRoot: false, runAsUser: 1 }, { securityContext: { runAsNonRoot: true } }),
    [`${CONTEXT}.runAsNonRoot: Invalid value: false: must be true`],
  ],
  [
    'runAsGroup',
    { runAsGroup: { rule: 'MustRunAs', ranges: TWO } },
    withContext({ runAsGroup: 2 }),
    withContext({ runAsGroup: 999 }),
    [`${CONTEXT}: Invalid value: []int64{999}: group 999 must be in the ranges: [{2 10} {20 30}]`],
  ],
  [
    'runAsGroup',
    { runAsGroup: { rule: 'MayRunAs', ranges: TWO } },
    pod(),
    podWithContext({ runAsGroup: 0 }),
    [`${CONTEXT}: Invalid value: []int64{0}: group 0 must be in the ranges: [{2 10} {20 30}]`],
  ],
  [
    'fsGroup',
    { fsGroup: { rule: 'MustRunAs', ranges: TWO } },
    podWithContext({ fsGroup: 20 }),
    podWithContext({ fsGroup: 999 }),
    [
      `${POD_CONTEXT}.fsGroup: Invalid value: []int64{999}: group 999 must be in the ranges: [{2 10} {20 30}]`,
    ],
  ],
  [
    'fsGroup',
    { fsGroup: { rule: 'MayRunAs', ranges: TWO } },
    pod(),
    podWithContext({ fsGroup: 1 }),
    [`${POD_CONTEXT}.fsGroup: Invalid value: []int64{1}: group 1 must be in the ranges: [{2 10} {20 30}]`],
  ],
  [
    'supplementalGroups',
    { supplementalGroups: { rule: 'MustRunAs', ranges: TWO } },
    podWithContext({ supplementalGroups: [2, 30] }),
    podWithContext({ supplementalGroups: [1, 5, 999] }),
    [
      `${POD_CONTEXT}.supplementalGroups: Invalid value: []int64{1, 5, 999}: group 1 must be in the ranges: [{2 10} {20 30}]`,
      `${POD_CONTEXT}.supplementalGroups: Invalid value: []int64{1, 5, 999}: group 999 must be in the ranges: [{2 10} {20 30}]`,
    ],
  ],
  [
    'supplementalGroups',
    { supplementalGroups: { rule: 'MustRunAs', ranges: TWO } },
    pod(),
    // An empty list is a list: nothing is put in its place.
    podWithContext({ supplementalGroups: [] }),
    [
      `${POD_CONTEXT}.supplementalGroups: Invalid value: []int64{}: unable to validate empty groups against required ranges`,
    ],
  ],
  [
    'supplementalGroups',
    { supplementalGroups: { rule: 'MayRunAs', ranges: TWO } },
    podWithContext({ supplementalGroups: [] }),
    podWithContext({ supplementalGroups: [1] }),
    [
      `${POD_CONTEXT}.supplementalGroups: Invalid value: []int64{1}: group 1 must be in the ranges: [{2 10} {20 30}]`,
    ],
  ],
];

const SE_LINUX = { user: 'u', role: 'r', type: 't', level: 's0:c6,c0' };

/** SELinux and AppArmor. */
export const LABELS: readonly Row[] = [
  [
    'seLinux',
    { seLinux: { rule: 'MustRunAs', seLinuxOptions: SE_LINUX } },
    podWithContext({ seLinuxOptions: { ...SE_LINUX, level: 's0:c0,c6' } }),
    podWithContext({ seLinuxOptions: { level: 's1:c0,c6', role: 'x', type: 't' } }),
    [`${POD_CONTEXT}.seLinuxOptions`, `${CONTEXT}.seLinuxOptions`].flatMap(path => [
      `${path}.level: Invalid value: "s1:c0,c6": must be s0:c6,c0`,
      `${path}.role: Invalid value: "x": must be r`,
      `${path}.user: Invalid value: "": must be u`,
    ]),
  ],
  [
    'seLinux',
    { seLinux: { rule: 'MustRunAs', seLinuxOptions: SE_LINUX } },
    pod(),
    withContext({ seLinuxOptions: { ...SE_LINUX, type: 'spc_t' } }),
    [`${CONTEXT}.seLinuxOptions.type: Invalid value: "spc_t": must be t`],
  ],
  [
    'seLinux',
    { seLinux: { rule: 'MustRunAs', seLinuxOptions: { level: 's0' } } },
    podWithContext({ seLinuxOptions: { level: 's0' } }),
    withContext({ seLinuxOptions: { level: 's0:c1' } }),
    [`${CONTEXT}.seLinuxOptions.level: Invalid value: "s0:c1": must be s0`],
  ],
  [
    'annotations',
    {
      annotations: {
        'apparmor.security.beta.kubernetes.io/allowedProfileNames': 'runtime/default,localhost/a',
      },
    },
    pod({}, { 'container.apparmor.security.beta.kubernetes.io/c': 'localhost/a' }),
    pod(),
    [
      'pod.metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: Forbidden: AppArmor profile must be set',
    ],
  ],
  [
    'annotations',
    {
      annotations: {
        'apparmor.security.beta.kubernetes.io/allowedProfileNames': 'runtime/default,localhost/a',
      },
    },
    pod({}, { 'container.apparmor.security.beta.kubernetes.io/c': 'runtime/default' }),
    pod({}, { 'container.apparmor.security.beta.kubernetes.io/c': 'unconfined' }),
    [
      'pod.metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: Forbidden: unconfined is not an allowed profile. Allowed values: "runtime/default,localhost/a"',
    ],
  ],
  [
    'annotations',
    {
      annotations: {
        'apparmor.security.beta.kubernetes.io/defaultProfileName': 'runtime/default',
        'apparmor.security.beta.kubernetes.io/allowedProfileNames': 'runtime/default',
      },
    },
    pod(),
    // The field is younger than policies, and no way around one.
    withContext({ appArmorProfile: { type: 'Unconfined' } }),
    [
      'pod.metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: Forbidden: unconfined is not an allowed profile. Allowed values: "runtime/default"',
    ],
  ],
  [
    'annotations',
    { annotations: { 'apparmor.security.beta.kubernetes.io/allowedProfileNames': 'runtime/default' } },
    podWithContext({ appArmorProfile: { type: 'RuntimeDefault' } }),
    podWithContext({ appArmorProfile: { type: 'Localhost', localhostProfile: 'x' } }),
    [
      'pod.metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: Forbidden: localhost/x is not an allowed profile. Allowed values: "runtime/default"',
    ],
  ],
];

const SECCOMP_POD = 'pod.metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]';
const SECCOMP_CONTAINER = 'pod.metadata.annotations[container.seccomp.security.alpha.kubernetes.io/c]';
const ALLOWED_SECCOMP = 'seccomp.security.alpha.kubernetes.io/allowedProfileNames';

export const SECCOMP: readonly Row[] = [
  [
    'annotations',
    {},
    pod(),
    podWithContext({ seccompProfile: { type: 'RuntimeDefault' } }),
    [
      `${SECCOMP_POD}: Forbidden: seccomp may not be set`,
      `${SECCOMP_CONTAINER}: Forbidden: seccomp may not be set`,
    ],
  ],
  [
    'annotations',
    { annotations: { [ALLOWED_SECCOMP]: 'docker/default,localhost/a' } },
    // Two names of one profile.
    podWithContext({ seccompProfile: { type: 'RuntimeDefault' } }),
    pod(),
    [SECCOMP_POD, SECCOMP_CONTAINER].map(
      path =>
        `${path}: Forbidden:  is not an allowed seccomp profile. Valid values are docker/default,localhost/a`,
    ),
  ],
  [
    'annotations',
    {
      annotations: {
        [ALLOWED_SECCOMP]: 'runtime/default',
        'seccomp.security.alpha.kubernetes.io/defaultProfileName': 'runtime/default',
      },
    },
    pod(),
    withContext({ seccompProfile: { type: 'Unconfined' } }),
    [
      `${SECCOMP_CONTAINER}: Forbidden: unconfined is not an allowed seccomp profile. Valid values are runtime/default`,
    ],
  ],
  [
    'annotations',
    { annotations: { [ALLOWED_SECCOMP]: 'runtime/default,localhost/a' } },
    pod(
      { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } },
      { 'container.seccomp.security.alpha.kubernetes.io/c': 'localhost/a' },
    ),
    // The annotation of the pod is looked at first, but the container has what the field says.
    pod(
      { securityContext: { seccompProfile: { type: 'Unconfined' } } },
      { 'seccomp.security.alpha.kubernetes.io/pod': 'runtime/default' },
    ),
    [
      `${SECCOMP_CONTAINER}: Forbidden: unconfined is not an allowed seccomp profile. Valid values are runtime/default,localhost/a`,
    ],
  ],
  [
    'annotations',
    { annotations: { [ALLOWED_SECCOMP]: 'localhost/a' } },
    podWithContext({ seccompProfile: { type: 'Localhost', localhostProfile: 'a' } }),
    podWithContext({ seccompProfile: { type: 'Localhost', localhostProfile: 'b' } }),
    [SECCOMP_POD, SECCOMP_CONTAINER].map(
      path =>
        `${path}: Forbidden: localhost/b is not an allowed seccomp profile. Valid values are localhost/a`,
    ),
  ],
];
