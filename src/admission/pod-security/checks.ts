import type { Check } from './check.ts';
import { capabilitiesBaseline, capabilitiesRestricted } from './checks/capabilities.ts';
import { hostNamespaces, hostPorts, hostProbesAndHostLifecycle, windowsHostProcess } from './checks/host.ts';
import { procMount, procMountRestricted, sysctls } from './checks/kernel.ts';
import { allowPrivilegeEscalation, privileged } from './checks/privileges.ts';
import { appArmorProfile, seccompProfileBaseline, seccompProfileRestricted } from './checks/profiles.ts';
import { seLinuxOptions } from './checks/selinux.ts';
import { runAsNonRoot, runAsUser } from './checks/users.ts';
import { hostPathVolumes, restrictedVolumes } from './checks/volumes.ts';

/**
 * All of the Pod Security Standards, as of k8s.io/pod-security-admission 1.36. Violations are told in this order: the
 * baseline's first, then those of the restricted level, each by id.
 */
export const CHECKS: readonly Check[] = [
  appArmorProfile,
  capabilitiesBaseline,
  hostNamespaces,
  hostPathVolumes,
  hostPorts,
  hostProbesAndHostLifecycle,
  privileged,
  procMount,
  seLinuxOptions,
  seccompProfileBaseline,
  sysctls,
  windowsHostProcess,

  allowPrivilegeEscalation,
  capabilitiesRestricted,
  procMountRestricted,
  restrictedVolumes,
  runAsNonRoot,
  runAsUser,
  seccompProfileRestricted,
];
