import type { Pod } from './types.generated.ts';

/**
 * What always may be set, and since which minor version of Kubernetes (0: ever since): it is namespaced, and nobody else
 * notices (pkg/kubelet/sysctl/safe_sysctls.go; the versions are those of the "sysctls" Pod Security check).
 */
export const SAFE_SYSCTLS: Readonly<Record<string, number>> = {
  'kernel.shm_rmid_forced': 0,
  'net.ipv4.ip_local_port_range': 0,
  'net.ipv4.tcp_syncookies': 0,
  'net.ipv4.ping_group_range': 0,
  'net.ipv4.ip_unprivileged_port_start': 0,
  'net.ipv4.ip_local_reserved_ports': 27,
  'net.ipv4.tcp_keepalive_time': 29,
  'net.ipv4.tcp_fin_timeout': 29,
  'net.ipv4.tcp_keepalive_intvl': 29,
  'net.ipv4.tcp_keepalive_probes': 29,
  'net.ipv4.tcp_rmem': 32,
  'net.ipv4.tcp_wmem': 32,
};

const SEGMENT = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
export const SYSCTL_REGEX = `^(${SEGMENT}[\\./])*${SEGMENT}$`;
/** A sysctl's name, or the beginning of names with a `*`. */
export const SYSCTL_PATTERN_REGEX = `(${SEGMENT}[\\./])*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]`;
export const SYSCTL_MAX_LENGTH = 253;

/** In the slash form dots and slashes change places, as sysctl(8) does when the first separator is a slash. */
export function dottedSysctl(name: string): string {
  const isSlashed = /^[^./]*\//.test(name);
  return isSlashed ? name.replace(/[./]/g, separator => (separator === '/' ? '.' : '/')) : name;
}

/** The namespace that a sysctl belongs to (k8s.io/component-helpers/node/util/sysctl), or all that begin so. */
export function sysctlNamespace(name: string): 'ipc' | 'net' | undefined {
  const dotted = dottedSysctl(name);
  if (/^(kernel\.sem$|kernel\.shm|kernel\.msg|fs\.mqueue\.)/.test(dotted)) return 'ipc';
  return dotted.startsWith('net.') ? 'net' : undefined;
}

/** What is wrong with a word of --allowed-unsafe-sysctls, in the kubelet's words (NewAllowlist). */
export function sysctlPatternError(pattern: string): string | undefined {
  if (pattern.length > SYSCTL_MAX_LENGTH || !new RegExp(`^${SYSCTL_PATTERN_REGEX}$`).test(pattern))
    return `sysctl ${JSON.stringify(pattern)} must have at most ${SYSCTL_MAX_LENGTH} characters and match regex ${SYSCTL_PATTERN_REGEX}`;
  const dotted = dottedSysctl(pattern);
  const isPrefix = dotted.endsWith('*');
  if (sysctlNamespace(dotted.replace(/\*$/, '')) !== undefined) return undefined;
  return `the sysctl${isPrefix ? 's' : ''} ${JSON.stringify(dotted)} are not known to be namespaced`;
}

/** Why the kubelet would not run a pod that sets these; `allowed` are names, or beginnings of names with a "*". */
export function forbiddenSysctl({ spec }: Pod, allowed: readonly string[]): string | undefined {
  const patterns = [...Object.keys(SAFE_SYSCTLS), ...allowed.map(dottedSysctl)];
  const matches = (name: string): boolean =>
    patterns.some(pattern =>
      pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
    );
  const forbidden = (spec?.securityContext?.sysctls ?? [])
    .map(({ name }) => dottedSysctl(name))
    .find(name => !matches(name));
  return forbidden === undefined
    ? undefined
    : `forbidden sysctl: ${JSON.stringify(forbidden)} not allowlisted`;
}

export interface PodSysctl {
  /** With dots. */
  readonly name: string;
  readonly value: string;
}

/**
 * The sysctls of a pod's own namespaces: the spec's, and containerd's two for a network namespace, so that any user may
 * serve on port 80 and ping. In a user namespace there are not that many groups to allow the latter.
 */
export function podSysctls({ spec }: Pod): readonly PodSysctl[] {
  const defaults =
    spec?.hostNetwork === true
      ? []
      : [
          ['net.ipv4.ip_unprivileged_port_start', '0'] as const,
          ...(spec?.hostUsers === false ? [] : [['net.ipv4.ping_group_range', '0 2147483647'] as const]),
        ];
  const asked = (spec?.securityContext?.sysctls ?? []).map(
    ({ name, value }) => [dottedSysctl(name), value] as const,
  );
  return [...new Map([...defaults, ...asked])].map(([name, value]) => ({ name, value }));
}
