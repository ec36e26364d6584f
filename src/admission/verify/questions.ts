import { type CapabilityName, DEFAULT_CAPABILITIES } from '../../linux/capabilities.ts';
import type { ContainerFacts, Question } from './facts.ts';
import { ofProcesses } from './facts.ts';

const short = (name: string): string => name.replace('CAP_', '');

/** Questions that policies of both kinds ask. */

export function notHostNamespace(type: ContainerFacts['hostNamespaces'][number]): Question {
  return {
    promised: `not the machine’s ${type} namespace`,
    found: ({ hostNamespaces }) => (hostNamespaces.includes(type) ? 'the machine’s' : 'another'),
    agrees: ({ hostNamespaces }) => !hostNamespaces.includes(type),
  };
}

export const NOT_PRIVILEGED: Question = {
  promised: 'not privileged: /sys is read-only',
  found: ({ isSysWritable }) => (isSysWritable ? '/sys is writable' : '/sys is read-only'),
  agrees: ({ isSysWritable }) => !isSysWritable,
};

export const PROC_PROTECTED: Question = {
  promised: '/proc/sys is read-only, as without procMount Unmasked',
  found: ({ isProcProtected }) => (isProcProtected ? 'read-only' : 'writable'),
  agrees: ({ isProcProtected }) => isProcProtected,
};

export const READ_ONLY_ROOT: Question = {
  promised: 'the root is read-only',
  found: ({ isRootReadOnly }) => (isRootReadOnly ? 'read-only' : 'writable'),
  agrees: ({ isRootReadOnly }) => isRootReadOnly,
};

export const NO_NEW_PRIVILEGES: Question = ofProcesses(
  'no_new_privs is on',
  ({ noNewPrivileges }) => (noNewPrivileges ? 'on' : 'off'),
  ({ noNewPrivileges }) => noNewPrivileges,
);

export const SECCOMP: Question = ofProcesses(
  'a seccomp filter',
  ({ hasSeccompFilter }) => (hasSeccompFilter ? 'a filter' : 'none'),
  ({ hasSeccompFilter }) => hasSeccompFilter,
);

export const NOT_ROOT: Question = ofProcesses(
  'not user 0',
  ({ uids }) => `user ${uids.join('/')}`,
  ({ uids }) => !uids.includes(0),
);

/** No capability in any set but these. */
export function capabilitiesWithin(allowed: readonly CapabilityName[], what: string): Question {
  const beyond = (names: readonly CapabilityName[]): readonly CapabilityName[] =>
    names.filter(name => !allowed.includes(name));
  return ofProcesses(
    what,
    ({ capabilities }) => {
      const more = beyond(capabilities);
      return more.length === 0 ? `${capabilities.length} of them` : `also ${more.map(short).join(' ')}`;
    },
    ({ capabilities }) => beyond(capabilities).length === 0,
  );
}

export const DEFAULT_SET: Question = capabilitiesWithin(
  DEFAULT_CAPABILITIES,
  'no capability beyond the runtime’s default set',
);

export function capabilitiesWithout(dropped: readonly CapabilityName[]): Question {
  const kept = (names: readonly CapabilityName[]): readonly CapabilityName[] =>
    names.filter(name => dropped.includes(name));
  return ofProcesses(
    `without ${dropped.map(short).join(' ')}`,
    ({ capabilities }) => {
      const still = kept(capabilities);
      return still.length === 0 ? 'none of them' : still.map(short).join(' ');
    },
    ({ capabilities }) => kept(capabilities).length === 0,
  );
}

/** Ports of the machine, in ranges. */
export function hostPortsWithin(ranges: readonly { readonly min: number; readonly max: number }[]): Question {
  const text = ranges.map(({ min, max }) => (min === max ? `${min}` : `${min}-${max}`)).join(', ');
  const isAllowed = (port: number): boolean => ranges.some(({ min, max }) => port >= min && port <= max);
  return {
    promised: ranges.length === 0 ? 'no port of the machine' : `ports of the machine in ${text}`,
    found: ({ hostPorts }) =>
      hostPorts.map(({ protocol, port }) => `${protocol}/${port}`).join(', ') || 'none',
    agrees: ({ hostPorts }) => hostPorts.every(({ port }) => isAllowed(port)),
  };
}
