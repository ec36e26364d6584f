import { CAP } from './constants.generated.ts';

/** A capability by its kernel name, `CAP_NET_RAW`. */
export type CapabilityName = keyof typeof CAP;

export const CAPABILITIES = Object.keys(CAP) as readonly CapabilityName[];

/** What containerd gives a container that says nothing (mask 00000000a80425fb; Docker's default too). */
export const DEFAULT_CAPABILITIES: readonly CapabilityName[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_RAW',
  'CAP_SYS_CHROOT',
  'CAP_MKNOD',
  'CAP_AUDIT_WRITE',
  'CAP_SETFCAP',
];

export function isCapability(name: string): name is CapabilityName {
  return Object.hasOwn(CAP, name);
}

/** The names behind a bit set, as in `CapEff` of /proc/PID/status; a bit without a name as `CAP_63`. */
export function capabilityNames(mask: bigint): readonly string[] {
  const names = CAPABILITIES.filter(name => (mask >> BigInt(CAP[name])) & 1n);
  const unknown = Array.from({ length: 64 - CAPABILITIES.length }, (_, i) => CAPABILITIES.length + i).filter(
    bit => (mask >> BigInt(bit)) & 1n,
  );
  return [...names, ...unknown.map(bit => `CAP_${bit}`)];
}
