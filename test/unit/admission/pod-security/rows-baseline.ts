import { hardened, podOf, podWith } from './hardened.ts';
import type { Rows } from './rows.ts';
import { HOST_ROWS } from './rows-host.ts';
import { PROFILE_ROWS } from './rows-profiles.ts';

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

export const BASELINE_ROWS: readonly Rows[] = [
  ...HOST_ROWS,
  ...PROFILE_ROWS,
  capabilities,
  privileged,
  ...procMount,
  ...sysctls,
];
