import type { CLONE } from './constants.generated.ts';

/** The kernel's namespaces: the OCI's word, the file in /proc/PID/ns, and the clone flag; in `lsns` order. */
export const NAMESPACES = {
  user: { file: 'user', flag: 'CLONE_NEWUSER' },
  mount: { file: 'mnt', flag: 'CLONE_NEWNS' },
  uts: { file: 'uts', flag: 'CLONE_NEWUTS' },
  ipc: { file: 'ipc', flag: 'CLONE_NEWIPC' },
  network: { file: 'net', flag: 'CLONE_NEWNET' },
  pid: { file: 'pid', flag: 'CLONE_NEWPID' },
  cgroup: { file: 'cgroup', flag: 'CLONE_NEWCGROUP' },
  time: { file: 'time', flag: 'CLONE_NEWTIME' },
} as const satisfies Readonly<Record<string, { file: string; flag: keyof typeof CLONE }>>;

export type NamespaceType = keyof typeof NAMESPACES;
