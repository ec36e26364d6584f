import type { Pod } from '../../../../src/kube/types.generated.ts';
import { container, pod, podWithContext } from './policies.ts';
import { POD_CONTEXT, type Row } from './rows.ts';

const sysctls = (...names: readonly string[]): Pod =>
  podWithContext({ sysctls: names.map(name => ({ name, value: '1' })) });
const ports = (...hostPorts: readonly number[]): Pod =>
  container({ ports: hostPorts.map(hostPort => ({ containerPort: 80, hostPort })) });

/** The host's namespaces and ports, and sysctls. */
export const HOST: readonly Row[] = [
  [
    'hostNetwork',
    { hostNetwork: false, hostPID: true },
    pod({ hostPID: true }),
    pod({ hostPID: true, hostNetwork: true }),
    [`${POD_CONTEXT}.hostNetwork: Invalid value: true: Host network is not allowed to be used`],
  ],
  [
    'hostPID',
    { hostPID: false, hostIPC: true },
    pod({ hostIPC: true }),
    pod({ hostIPC: true, hostPID: true }),
    [`${POD_CONTEXT}.hostPID: Invalid value: true: Host PID is not allowed to be used`],
  ],
  [
    'hostIPC',
    { hostIPC: false, hostNetwork: true },
    pod({ hostNetwork: true }),
    pod({ hostNetwork: true, hostIPC: true }),
    [`${POD_CONTEXT}.hostIPC: Invalid value: true: Host IPC is not allowed to be used`],
  ],
  [
    'hostPorts',
    {
      hostPorts: [
        { min: 10000, max: 11000 },
        { min: 13000, max: 14000 },
        { min: 8080, max: 8080 },
      ],
    },
    ports(10000, 14000, 8080),
    ports(9000, 11000, 12000),
    [9000, 12000].map(
      port =>
        `spec.containers[0].hostPort: Invalid value: ${port}: Host port ${port} is not allowed to be used. Allowed ports: [10000-11000,13000-14000,8080]`,
    ),
  ],
  [
    'hostPorts',
    {},
    container({ ports: [{ containerPort: 80 }] }),
    ports(1),
    [
      'spec.containers[0].hostPort: Invalid value: 1: Host port 1 is not allowed to be used. Allowed ports: []',
    ],
  ],
  [
    'forbiddenSysctls',
    { forbiddenSysctls: ['kernel.shm_rmid_forced'] },
    sysctls('net.ipv4.tcp_syncookies'),
    sysctls('net.ipv4.tcp_syncookies', 'kernel.shm_rmid_forced'),
    ['pod.spec.securityContext.sysctls[1]: Forbidden: sysctl "kernel.shm_rmid_forced" is not allowed'],
  ],
  [
    'forbiddenSysctls',
    { forbiddenSysctls: ['*'] },
    pod(),
    sysctls('net.ipv4.ip_unprivileged_port_start'),
    [
      'pod.spec.securityContext.sysctls[0]: Forbidden: sysctl "net.ipv4.ip_unprivileged_port_start" is not allowed',
    ],
  ],
  [
    'allowedUnsafeSysctls',
    { allowedUnsafeSysctls: ['kernel.msg*', 'net.core.somaxconn'] },
    sysctls('kernel.msgmax', 'net.core.somaxconn', 'net/core/somaxconn'),
    // What kubelets call safe by now was not so to the last API server that had policies.
    sysctls('kernel.sem', 'net.core.somaxconn2', 'net.ipv4.tcp_rmem'),
    [
      'pod.spec.securityContext.sysctls[0]: Forbidden: unsafe sysctl "kernel.sem" is not allowed',
      'pod.spec.securityContext.sysctls[1]: Forbidden: unsafe sysctl "net.core.somaxconn2" is not allowed',
      'pod.spec.securityContext.sysctls[2]: Forbidden: unsafe sysctl "net.ipv4.tcp_rmem" is not allowed',
    ],
  ],
  [
    'allowedUnsafeSysctls',
    { allowedUnsafeSysctls: ['kernel/*'], forbiddenSysctls: ['kernel.shm*'] },
    sysctls('kernel.sem'),
    // Slashes are no way around a policy.
    sysctls('kernel/shmmax'),
    ['pod.spec.securityContext.sysctls[0]: Forbidden: sysctl "kernel/shmmax" is not allowed'],
  ],
];
