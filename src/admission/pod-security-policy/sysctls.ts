import { quote } from '../../base/go-quote.ts';
import { forbidden } from '../../kube/field-error.ts';
import { dottedSysctl } from '../../kube/sysctls.ts';
import { policyError } from './policy-error.ts';
import type { PodRule } from './rule.ts';

/**
 * What needs no permission: the list that policies had in their last release (1.24). It was kept apart from the
 * kubelet's, which has grown since.
 */
const SAFE_SYSCTLS = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
];

export interface SysctlLists {
  /** Names, or beginnings of names with a `*`. */
  readonly allowedUnsafeSysctls: readonly string[];
  readonly forbiddenSysctls: readonly string[];
}

/**
 * Sysctls (podsecuritypolicy/sysctl). A name in the slash form, which pods could not have then, is taken for what it
 * stands for, so that it is no way around a policy.
 */
export function createSysctlsRule({ allowedUnsafeSysctls, forbiddenSysctls }: SysctlLists): PodRule {
  const allowed = [...SAFE_SYSCTLS, ...allowedUnsafeSysctls];
  return {
    validate: pod =>
      (pod.spec?.securityContext?.sysctls ?? []).flatMap(({ name }, i) => {
        const isForbidden = matches(name, forbiddenSysctls);
        if (!isForbidden && matches(name, allowed)) return [];
        const detail = `${isForbidden ? '' : 'unsafe '}sysctl ${quote(name)} is not allowed`;
        const manifestPath = `spec.securityContext.sysctls[${i}]`;
        return [policyError(forbidden(`pod.${manifestPath}`, detail), { manifestPath })];
      }),
  };
}

function matches(name: string, patterns: readonly string[]): boolean {
  const dotted = dottedSysctl(name);
  return patterns
    .map(dottedSysctl)
    .some(pattern => (pattern.endsWith('*') ? dotted.startsWith(pattern.slice(0, -1)) : dotted === pattern));
}
