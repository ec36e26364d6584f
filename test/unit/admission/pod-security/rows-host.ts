import type { ContainerPort, Volume } from '../../../../src/kube/types.generated.ts';
import { hardened, podOf, podWith } from './hardened.ts';
import type { Rows } from './rows.ts';

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

export const HOST_ROWS: readonly Rows[] = [
  hostNamespaces,
  hostPathVolumes,
  hostPorts,
  hostProbes,
  windowsHostProcess,
];
