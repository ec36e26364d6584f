import { CAPABILITIES } from '../linux/capabilities.ts';
import { NAMESPACES } from '../linux/namespaces.ts';
import {
  SECCOMP_ACTIONS,
  SECCOMP_ARCHITECTURES,
  SECCOMP_FLAGS,
  SECCOMP_OPERATORS,
} from '../linux/seccomp.ts';
import { HOOK_KINDS } from '../oci/read/hooks.ts';
import { KNOWN_OPTIONS } from '../oci/read/mounts.ts';

/** features.md and features-linux.md of the runtime-spec: what a config may ask for here. */
export function features(): object {
  return {
    ociVersionMin: '1.0.0',
    ociVersionMax: '1.2.0',
    hooks: HOOK_KINDS,
    mountOptions: KNOWN_OPTIONS,
    linux: {
      namespaces: Object.keys(NAMESPACES).sort(),
      capabilities: CAPABILITIES,
      cgroup: { v1: true, v2: true, systemd: false, systemdUser: false, rdma: false },
      seccomp: {
        enabled: true,
        actions: Object.keys(SECCOMP_ACTIONS),
        operators: Object.keys(SECCOMP_OPERATORS),
        archs: Object.keys(SECCOMP_ARCHITECTURES),
        knownFlags: Object.keys(SECCOMP_FLAGS),
        supportedFlags: Object.keys(SECCOMP_FLAGS),
      },
      apparmor: { enabled: true },
      selinux: { enabled: true },
      intelRdt: { enabled: false },
      mountExtensions: { idmap: { enabled: true } },
    },
  };
}
