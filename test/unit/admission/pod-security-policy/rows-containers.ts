import { pod, withContext } from './policies.ts';
import { CONTEXT, type Row } from './rows.ts';

const REQUIRED_DROP = { requiredDropCapabilities: ['NET_RAW', 'ALL'] };

export const CONTAINERS: readonly Row[] = [
  [
    'privileged',
    { privileged: true },
    withContext({ privileged: true }),
    withContext({ privileged: true, procMount: 'Unmasked' }),
    [`${CONTEXT}.procMount: Invalid value: "Unmasked": ProcMountType is not allowed`],
  ],
  [
    'privileged',
    { privileged: false },
    withContext({ privileged: false }),
    withContext({ privileged: true }),
    [`${CONTEXT}.privileged: Invalid value: true: Privileged containers are not allowed`],
  ],
  [
    'allowedProcMountTypes',
    { allowedProcMountTypes: ['Unmasked'] },
    withContext({ procMount: 'Unmasked' }),
    // Who says nothing has the default.
    pod(),
    [`${CONTEXT}.procMount: Invalid value: "Default": ProcMountType is not allowed`],
  ],
  [
    'allowedCapabilities',
    { allowedCapabilities: ['SYS_TIME'] },
    withContext({ capabilities: { add: ['SYS_TIME'], drop: ['CHOWN'] } }),
    withContext({ capabilities: { add: ['SYS_TIME', 'SYS_ADMIN', 'CAP_SYS_TIME', 'sys_time'] } }),
    ['SYS_ADMIN', 'CAP_SYS_TIME', 'sys_time'].map(
      name => `${CONTEXT}.capabilities.add: Invalid value: "${name}": capability may not be added`,
    ),
  ],
  [
    'allowedCapabilities',
    { allowedCapabilities: ['*'] },
    withContext({ capabilities: { add: ['SYS_ADMIN', 'ANY'] } }),
    withContext({ capabilities: { add: ['SYS_ADMIN'] }, privileged: true }),
    [`${CONTEXT}.privileged: Invalid value: true: Privileged containers are not allowed`],
  ],
  [
    'defaultAddCapabilities',
    { defaultAddCapabilities: ['SYS_TIME'] },
    withContext({ capabilities: { add: ['SYS_TIME'] } }),
    withContext({ capabilities: { add: ['SYS_ADMIN'] } }),
    [`${CONTEXT}.capabilities.add: Invalid value: "SYS_ADMIN": capability may not be added`],
  ],
  [
    'requiredDropCapabilities',
    REQUIRED_DROP,
    withContext({ capabilities: { drop: ['CHOWN'] } }),
    withContext({ capabilities: { add: ['NET_RAW'] } }),
    [`${CONTEXT}.capabilities.add: Invalid value: "NET_RAW": capability may not be added`],
  ],
  [
    'readOnlyRootFilesystem',
    { readOnlyRootFilesystem: true },
    pod(),
    withContext({ readOnlyRootFilesystem: false }),
    [`${CONTEXT}.readOnlyRootFilesystem: Invalid value: false: ReadOnlyRootFilesystem must be set to true`],
  ],
  [
    'allowPrivilegeEscalation',
    { allowPrivilegeEscalation: false },
    pod(),
    withContext({ allowPrivilegeEscalation: true }),
    [
      `${CONTEXT}.allowPrivilegeEscalation: Invalid value: true: Allowing privilege escalation for containers is not allowed`,
    ],
  ],
  [
    'defaultAllowPrivilegeEscalation',
    { allowPrivilegeEscalation: false, defaultAllowPrivilegeEscalation: false },
    pod(),
    withContext({ allowPrivilegeEscalation: true }),
    [
      `${CONTEXT}.allowPrivilegeEscalation: Invalid value: true: Allowing privilege escalation for containers is not allowed`,
    ],
  ],
];
