import type { ContainerPort, Volume } from '../../../../src/kube/types.generated.ts';
import { hardened, podOf, podWith } from './hardened.ts';
import type { Rows } from './rows.ts';

const APPARMOR = 'container.apparmor.security.beta.kubernetes.io';

const appArmor: readonly Rows[] = [
  {
    id: 'appArmorProfile',
    since: [0],
    reason: 'forbidden AppArmor profile',
    accepted: [
      podOf({ securityContext: { appArmorProfile: { type: 'RuntimeDefault' } } }),
      podWith({ appArmorProfile: { type: 'Localhost', localhostProfile: 'p' } }),
      podOf(
        {},
        { [`${APPARMOR}/a`]: 'runtime/default', [`${APPARMOR}/b`]: 'localhost/p', env: 'unconfined' },
      ),
      podOf({}, { [`${APPARMOR}/a`]: '' }),
    ],
    rejected: [
      [
        podOf({ securityContext: { appArmorProfile: { type: 'Unconfined' } } }),
        'pod must not set AppArmor profile type to "Unconfined"',
      ],
      [
        podOf({
          securityContext: { appArmorProfile: { type: 'RuntimeDefault' } },
          initContainers: [hardened('i', { appArmorProfile: { type: 'Unconfined' } })],
        }),
        'container "i" must not set AppArmor profile type to "Unconfined"',
      ],
      [
        podWith(
          { appArmorProfile: { type: 'Unconfined' } },
          { securityContext: { appArmorProfile: { type: 'Unconfined' } } },
        ),
        'pod and container "a" must not set AppArmor profile type to "Unconfined"',
      ],
      [
        podOf({}, { [`${APPARMOR}/a`]: 'unconfined' }),
        `annotation must not set AppArmor profile type to "${APPARMOR}/a="unconfined""`,
      ],
    ],
  },
  {
    id: 'appArmorProfile',
    since: [0],
    reason: 'forbidden AppArmor profiles',
    rejected: [
      [
        podOf(
          {},
          { [`${APPARMOR}/f`]: 'unknown', [`${APPARMOR}/`]: 'bogus', [`${APPARMOR}/e`]: 'unconfined' },
        ),
        `annotations must not set AppArmor profile type to "${APPARMOR}/="bogus"", "${APPARMOR}/e="unconfined"", "${APPARMOR}/f="unknown""`,
      ],
      [
        podOf(
          {
            containers: [
              hardened('b', { appArmorProfile: { type: 'Unconfined' } }),
              hardened('a', { appArmorProfile: { type: 'Other' } }),
            ],
          },
          { [`${APPARMOR}/c`]: 'unconfined' },
        ),
        `containers "b", "a" and annotation must not set AppArmor profile type to "Other", "Unconfined", "${APPARMOR}/c="unconfined""`,
      ],
    ],
  },
];

const capabilities: Rows = {
  id: 'capabilities_baseline',
  since: [0],
  reason: 'non-default capabilities',
  accepted: [
    podWith({ capabilities: {} }),
    podWith({
      capabilities: {
        add: [
          ...['AUDIT_WRITE', 'CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'MKNOD'],
          ...['NET_BIND_SERVICE', 'SETFCAP', 'SETGID', 'SETPCAP', 'SETUID', 'SYS_CHROOT'],
        ],
      },
    }),
  ],
  rejected: [
    [
      podWith({ capabilities: { add: ['SYS_ADMIN', 'NET_RAW', 'CHOWN'] } }),
      'container "a" must not include "NET_RAW", "SYS_ADMIN" in securityContext.capabilities.add',
    ],
    [
      podOf({
        containers: [
          hardened('a', { capabilities: { add: ['FOO', 'BAR'] } }),
          hardened('b', { capabilities: { add: ['BAR', 'BAZ'] } }),
        ],
      }),
      'containers "a", "b" must not include "BAR", "BAZ", "FOO" in securityContext.capabilities.add',
    ],
    [
      podWith({ capabilities: { add: ['CAP_CHOWN', 'chown', 'ALL'] } }),
      'container "a" must not include "ALL", "CAP_CHOWN", "chown" in securityContext.capabilities.add',
    ],
  ],
};

const hostNamespaces: Rows = {
  id: 'hostNamespaces',
  since: [0],
  reason: 'host namespaces',
  accepted: [podOf({ hostNetwork: false, hostPID: false, hostIPC: false, shareProcessNamespace: true })],
  rejected: [
    [podOf({ hostPID: true }), 'hostPID=true'],
    [
      podOf({ hostIPC: true, hostPID: true, hostNetwork: true }),
      'hostNetwork=true, hostPID=true, hostIPC=true',
    ],
  ],
};

const hostPath = (name: string): Volume => ({ name, hostPath: { path: '/' } });

const hostPathVolumes: Rows = {
  id: 'hostPathVolumes',
  since: [0],
  reason: 'hostPath volumes',
  accepted: [
    podOf({
      volumes: [{ name: 'v', emptyDir: {} }, { name: 'w' }, { name: 'x', nfs: { server: 's', path: '/' } }],
    }),
  ],
  rejected: [
    [podOf({ volumes: [hostPath('v'), { name: 'w', emptyDir: {} }] }), 'volume "v"'],
    [podOf({ volumes: [hostPath('w'), hostPath('v')] }), 'volumes "w", "v"'],
  ],
};

const withPorts = (name: string, ...hostPorts: readonly number[]) =>
  hardened(
    name,
    {},
    { ports: hostPorts.map((hostPort): ContainerPort => ({ containerPort: 80, hostPort })) },
  );

const hostPorts: Rows = {
  id: 'hostPorts',
  since: [0],
  reason: 'hostPort',
  accepted: [
    podOf({
      containers: [hardened('a', {}, { ports: [{ containerPort: 80 }, { containerPort: 81, hostPort: 0 }] })],
    }),
  ],
  rejected: [
    [podOf({ containers: [withPorts('a', 0, 9000)] }), 'container "a" uses hostPort 9000'],
    [podOf({ containers: [withPorts('a', 80), withPorts('b', 80)] }), 'containers "a", "b" use hostPort 80'],
    // Sorted as text.
    [
      podOf({ initContainers: [withPorts('b', 9000, 10000)], containers: [withPorts('a', 80)] }),
      'containers "b", "a" use hostPorts 10000, 80, 9000',
    ],
    [podOf({ ephemeralContainers: [withPorts('e', 1, 2)] }), 'container "e" uses hostPorts 1, 2'],
  ],
};

const http = (host?: string) => ({ httpGet: { port: 80, ...(host !== undefined && { host }) } });
const tcp = (host?: string) => ({ tcpSocket: { port: 80, ...(host !== undefined && { host }) } });

const hostProbes: Rows = {
  id: 'hostProbesAndHostLifecycle',
  since: [34],
  reason: 'probe or lifecycle host',
  accepted: [
    podOf({
      containers: [
        hardened(
          'a',
          {},
          { livenessProbe: http(), readinessProbe: tcp(''), startupProbe: { exec: { command: ['c'] } } },
        ),
        hardened('b', {}, { lifecycle: { postStart: http(''), preStop: { exec: { command: ['c'] } } } }),
      ],
    }),
  ],
  rejected: [
    ...[
      { livenessProbe: http('1.2.3.4') },
      { livenessProbe: tcp('1.2.3.4') },
      { readinessProbe: http('1.2.3.4') },
      { startupProbe: tcp('1.2.3.4') },
      { lifecycle: { postStart: http('1.2.3.4') } },
      { lifecycle: { preStop: tcp('1.2.3.4') } },
    ].map(
      fields =>
        [
          podOf({ containers: [hardened('a', {}, fields)] }),
          'container "a" uses probe or lifecycle host "1.2.3.4"',
        ] as const,
    ),
    // Containers too are sorted.
    [
      podOf({
        containers: [
          hardened('b', {}, { livenessProbe: http('h') }),
          hardened('a', {}, { readinessProbe: tcp('g'), lifecycle: { preStop: http('h') } }),
        ],
      }),
      'containers "a", "b" use probe or lifecycle hosts "g", "h"',
    ],
  ],
};

const privileged: Rows = {
  id: 'privileged',
  since: [0],
  reason: 'privileged',
  accepted: [podWith({ privileged: false })],
  rejected: [
    [podWith({ privileged: true }), 'container "a" must not set securityContext.privileged=true'],
    // Init containers first, ephemeral ones last.
    [
      podOf({
        ephemeralContainers: [hardened('e', { privileged: true })],
        containers: [hardened('a'), hardened('b', { privileged: true })],
        initContainers: [hardened('i', { privileged: true })],
      }),
      'containers "i", "b", "e" must not set securityContext.privileged=true',
    ],
  ],
};

const procMount: readonly Rows[] = [
  {
    id: 'procMount',
    since: [0, 35],
    reason: 'procMount',
    accepted: [podWith({ procMount: 'Default' }), podOf({ hostUsers: false })],
    rejected: [
      [
        podWith({ procMount: 'Unmasked' }),
        'container "a" must not set securityContext.procMount to "Unmasked"',
      ],
      [
        podOf({
          hostUsers: true,
          containers: [hardened('a', { procMount: 'other' }), hardened('b', { procMount: 'Unmasked' })],
        }),
        'containers "a", "b" must not set securityContext.procMount to "Unmasked", "other"',
      ],
    ],
  },
  {
    id: 'procMount',
    since: [0],
    reason: 'procMount',
    rejected: [
      [
        podWith({ procMount: 'Unmasked' }, { hostUsers: false }),
        'container "a" must not set securityContext.procMount to "Unmasked"',
      ],
    ],
  },
  {
    id: 'procMount',
    since: [35],
    reason: 'procMount',
    accepted: [podWith({ procMount: 'Unmasked' }, { hostUsers: false })],
  },
];

const seLinuxOptions: readonly Rows[] = [
  {
    id: 'seLinuxOptions',
    since: [0, 31],
    reason: 'seLinuxOptions',
    accepted: [
      podOf({ securityContext: { seLinuxOptions: { level: 's0:c1,c2' } } }),
      podOf({ securityContext: { seLinuxOptions: { type: '', user: '', role: '' } } }),
      ...['container_t', 'container_init_t', 'container_kvm_t'].map(type =>
        podWith({ seLinuxOptions: { type } }),
      ),
    ],
    rejected: [
      [
        podOf({ securityContext: { seLinuxOptions: { type: 'x', user: 'u', role: 'r' } } }),
        'pod set forbidden securityContext.seLinuxOptions: type "x"; user may not be set; role may not be set',
      ],
      [
        podWith({ seLinuxOptions: { user: 'u' } }),
        'container "a" set forbidden securityContext.seLinuxOptions: user may not be set',
      ],
      [
        podOf({
          securityContext: { seLinuxOptions: { type: 'foo' } },
          containers: [
            hardened('e', { seLinuxOptions: { type: 'bar' } }),
            hardened('f', { seLinuxOptions: { role: 'r', type: 'container_t' } }),
            hardened('g', { seLinuxOptions: { type: 'container_t' } }),
          ],
        }),
        'pod and containers "e", "f" set forbidden securityContext.seLinuxOptions: types "bar", "foo"; role may not be set',
      ],
      [
        podWith({ seLinuxOptions: { type: 'constructor' } }),
        'container "a" set forbidden securityContext.seLinuxOptions: type "constructor"',
      ],
    ],
  },
  {
    id: 'seLinuxOptions',
    since: [0],
    reason: 'seLinuxOptions',
    rejected: [
      [
        podWith({ seLinuxOptions: { type: 'container_engine_t' } }),
        'container "a" set forbidden securityContext.seLinuxOptions: type "container_engine_t"',
      ],
    ],
  },
  {
    id: 'seLinuxOptions',
    since: [31],
    reason: 'seLinuxOptions',
    accepted: [podWith({ seLinuxOptions: { type: 'container_engine_t' } })],
  },
];

const SECCOMP = 'seccomp.security.alpha.kubernetes.io';
const UNCONFINED = { seccompProfile: { type: 'Unconfined' } };

const seccompProfile: readonly Rows[] = [
  {
    id: 'seccompProfile_baseline',
    since: [0],
    reason: 'seccompProfile',
    accepted: [
      podWith(UNCONFINED, { securityContext: UNCONFINED }),
      podOf({}, { [`${SECCOMP}/pod`]: 'runtime/default', [`container.${SECCOMP}/a`]: 'docker/default' }),
      podOf({}, { [`${SECCOMP}/pod`]: 'localhost/p' }),
      // Of no container.
      podOf({}, { [`container.${SECCOMP}/b`]: 'unconfined' }),
    ],
    rejected: [
      [podOf({}, { [`${SECCOMP}/pod`]: '' }), `forbidden annotation ${SECCOMP}/pod=""`],
      [
        podOf(
          { initContainers: [hardened('b')] },
          {
            [`${SECCOMP}/pod`]: 'unconfined',
            [`container.${SECCOMP}/b`]: 'unknown',
            [`container.${SECCOMP}/a`]: 'unconfined',
          },
        ),
        `forbidden annotations container.${SECCOMP}/a="unconfined", container.${SECCOMP}/b="unknown", ${SECCOMP}/pod="unconfined"`,
      ],
    ],
  },
  {
    id: 'seccompProfile_baseline',
    since: [19],
    reason: 'seccompProfile',
    accepted: [
      podOf({ securityContext: { seccompProfile: undefined } }),
      podWith({ seccompProfile: { type: 'Localhost', localhostProfile: 'p' } }),
      podOf({}, { [`${SECCOMP}/pod`]: 'unconfined' }),
    ],
    rejected: [
      [
        podOf({ securityContext: UNCONFINED }),
        'pod must not set securityContext.seccompProfile.type to "Unconfined"',
      ],
      [
        podWith(UNCONFINED, { securityContext: UNCONFINED }),
        'pod and container "a" must not set securityContext.seccompProfile.type to "Unconfined"',
      ],
      [
        podOf({
          containers: [
            hardened('a'),
            hardened('c', UNCONFINED),
            hardened('d', { seccompProfile: { type: 'Other' } }),
          ],
        }),
        'containers "c", "d" must not set securityContext.seccompProfile.type to "Other", "Unconfined"',
      ],
    ],
  },
];

const withSysctls = (...names: readonly string[]) =>
  podOf({ securityContext: { sysctls: names.map(name => ({ name, value: '1' })) } });

const sysctls: readonly Rows[] = [
  {
    id: 'sysctls',
    since: [0, 27, 29, 32],
    reason: 'forbidden sysctls',
    accepted: [
      withSysctls(),
      withSysctls(
        'kernel.shm_rmid_forced',
        'net.ipv4.ip_local_port_range',
        'net.ipv4.tcp_syncookies',
        'net.ipv4.ping_group_range',
        'net.ipv4.ip_unprivileged_port_start',
      ),
    ],
    rejected: [
      [withSysctls('kernel.msgmax'), 'kernel.msgmax'],
      // In the pod's order.
      [
        withSysctls('net.core.somaxconn', 'net.ipv4.tcp_syncookies', 'kernel.msgmax'),
        'net.core.somaxconn, kernel.msgmax',
      ],
      [withSysctls('net/ipv4/tcp_syncookies'), 'net/ipv4/tcp_syncookies'],
      [withSysctls('constructor'), 'constructor'],
    ],
  },
  ...(
    [
      [['net.ipv4.ip_local_reserved_ports'], [0], [27, 29, 32]],
      [
        [
          'net.ipv4.tcp_keepalive_time',
          'net.ipv4.tcp_fin_timeout',
          'net.ipv4.tcp_keepalive_intvl',
          'net.ipv4.tcp_keepalive_probes',
        ],
        [0, 27],
        [29, 32],
      ],
      [['net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem'], [0, 27, 29], [32]],
    ] as const
  ).flatMap(([names, before, after]): readonly Rows[] => [
    {
      id: 'sysctls',
      since: before,
      reason: 'forbidden sysctls',
      rejected: [[withSysctls(...names), names.join(', ')]],
    },
    { id: 'sysctls', since: after, reason: 'forbidden sysctls', accepted: [withSysctls(...names)] },
  ]),
];

const hostProcess = (value: boolean) => ({ windowsOptions: { hostProcess: value } });

const windowsHostProcess: Rows = {
  id: 'windowsHostProcess',
  since: [0],
  reason: 'hostProcess',
  accepted: [podWith(hostProcess(false), { securityContext: { windowsOptions: {} } })],
  rejected: [
    [
      podOf({ securityContext: hostProcess(true) }),
      'pod must not set securityContext.windowsOptions.hostProcess=true',
    ],
    [
      podOf({
        securityContext: hostProcess(true),
        containers: [
          hardened('d', hostProcess(false)),
          hardened('e', hostProcess(true)),
          hardened('f', hostProcess(true)),
        ],
      }),
      'pod and containers "e", "f" must not set securityContext.windowsOptions.hostProcess=true',
    ],
  ],
};

export const BASELINE_ROWS: readonly Rows[] = [
  ...appArmor,
  capabilities,
  hostNamespaces,
  hostPathVolumes,
  hostPorts,
  hostProbes,
  privileged,
  ...procMount,
  ...seLinuxOptions,
  ...seccompProfile,
  ...sysctls,
  windowsHostProcess,
];
