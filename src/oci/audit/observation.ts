import type { CapabilityName } from '../../linux/capabilities.ts';
import type { SeccompArchitecture } from '../../linux/seccomp.ts';

/** What was seen of one container while it ran. */
export interface Observation {
  readonly calls: readonly ObservedCall[];
  readonly capabilities: ObservedCapabilities | { readonly unwatched: string };
  /** Directories of its root that it wrote to; undefined where the root is read-only. */
  readonly written: readonly WrittenDirectory[];
  /** It wrote to more than is listed. */
  readonly isWrittenCut: boolean;
}

export interface ObservedCall {
  readonly architecture: SeccompArchitecture;
  /** `#451` if libseccomp has no name for it. */
  readonly name: string;
  readonly count: number;
  /** The first arguments it was called with, of those calls whose profiles depend on it ({@link FIRST_ARGUMENT_CALLS}). */
  readonly firstArguments: readonly number[];
}

export interface ObservedCapabilities {
  /** The kernel asked for it and the process had it. */
  readonly used: readonly ObservedCapability[];
  /** The kernel asked for it and the process never had it. */
  readonly refused: readonly ObservedCapability[];
  /** Questions that the trace had no room for. */
  readonly lost: number;
}

export interface ObservedCapability {
  readonly name: CapabilityName;
  /** During which system calls. */
  readonly calls: readonly string[];
}

export interface WrittenDirectory {
  readonly path: string;
  /** The image does not have it. */
  readonly isNew: boolean;
  /** How many entries it has in the image: what a volume mounted there would hide. */
  readonly imageEntries: number;
  /** Some of what was made, changed or removed in it. */
  readonly names: readonly string[];
}

/**
 * System calls whose first argument decides in profiles: an address family, flags, a persona. clone3 has its flags behind
 * a pointer: what is there counts as its first argument.
 */
export const FIRST_ARGUMENT_CALLS = ['socket', 'personality', 'clone', 'clone3'] as const;
