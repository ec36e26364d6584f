import type { Arch } from '../../linux/arch.ts';
import type { CapabilityName } from '../../linux/capabilities.ts';
import type { SeccompArchitecture } from '../../linux/seccomp.ts';
import type { OciSeccomp, OciSyscallRule } from '../config.ts';

/**
 * A seccomp profile as Docker, CRI-O and podman write it: the runtime-spec's `linux.seccomp`, with conditions on the
 * container and the machine. A plain `linux.seccomp`, which is what containerd reads, is one without conditions.
 */
export interface SeccompProfile extends Omit<OciSeccomp, 'architectures' | 'syscalls'> {
  readonly architectures?: readonly SeccompArchitecture[];
  /** By the machine's own architecture: the others that it runs programs of. */
  readonly archMap?: readonly {
    readonly architecture: SeccompArchitecture;
    readonly subArchitectures: readonly SeccompArchitecture[];
  }[];
  readonly syscalls: readonly ProfileRule[];
}

export interface ProfileRule extends OciSyscallRule {
  /** The rule is there only if all of these hold. */
  readonly includes?: ProfileCondition;
  /** The rule is not there if any of these holds. */
  readonly excludes?: ProfileCondition;
}

export interface ProfileCondition {
  readonly caps?: readonly string[];
  /** In Go's words: `amd64`. */
  readonly arches?: readonly string[];
  /** `4.8` */
  readonly minKernel?: string;
}

/** What the conditions of a profile are about. */
export interface SeccompTarget {
  /** The bounding set. */
  readonly capabilities: readonly CapabilityName[];
  readonly arch: Arch;
  /** As uname(2) has it: `6.18.44-custom`. */
  readonly kernelRelease: string;
}

export const NATIVE_ARCHITECTURES = {
  x64: 'SCMP_ARCH_X86_64',
  arm64: 'SCMP_ARCH_AARCH64',
} as const satisfies Readonly<Record<Arch, SeccompArchitecture>>;
const GO_ARCHITECTURES: Readonly<Record<Arch, string>> = { x64: 'amd64', arm64: 'arm64' };

/** The profile for one container on one machine: the runtime-spec's `linux.seccomp`. */
export function resolveProfile(profile: SeccompProfile, target: SeccompTarget): OciSeccomp {
  const { architectures, archMap = [], syscalls, ...rest } = profile;
  const native = NATIVE_ARCHITECTURES[target.arch];
  const mapped = archMap
    .filter(({ architecture }) => architecture === native)
    .slice(0, 1)
    .flatMap(({ architecture, subArchitectures }) => [architecture, ...subArchitectures]);
  return {
    ...rest,
    architectures: [...(architectures ?? []), ...mapped],
    syscalls: syscalls.flatMap(({ includes = {}, excludes = {}, ...rule }) => {
      const isThere = isIncluded(includes, target) && !isExcluded(excludes, target);
      return isThere ? [rule] : [];
    }),
  };
}

function isIncluded({ caps = [], arches = [], minKernel }: ProfileCondition, target: SeccompTarget): boolean {
  return (
    caps.every(name => (target.capabilities as readonly string[]).includes(name)) &&
    (arches.length === 0 || arches.includes(GO_ARCHITECTURES[target.arch])) &&
    (minKernel === undefined || isAtLeast(target.kernelRelease, minKernel))
  );
}

function isExcluded({ caps = [], arches = [], minKernel }: ProfileCondition, target: SeccompTarget): boolean {
  return (
    caps.some(name => (target.capabilities as readonly string[]).includes(name)) ||
    arches.includes(GO_ARCHITECTURES[target.arch]) ||
    (minKernel !== undefined && isAtLeast(target.kernelRelease, minKernel))
  );
}

/** By the first two numbers, as Docker compares. */
export function isAtLeast(release: string, wanted: string): boolean {
  const [major = 0, minor = 0] = release.split('.').map(part => Number.parseInt(part, 10));
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
