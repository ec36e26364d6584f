import { hostArch } from '../native/library.ts';
import type { Roots } from '../oci/pod-paths.ts';
import { defaultProfile } from '../oci/seccomp/default-profile.ts';
import { compileFilter, type SeccompFilter, type SeccompTools } from '../oci/seccomp/generate.ts';
import { resolveProfile } from '../oci/seccomp/profile.ts';
import type { SecuritySettings } from '../security/effective.ts';
import { SeccompCache } from './seccomp-cache.ts';
import { readProfile } from './seccomp-profiles.ts';

/** A kubelet's settings about seccomp. */
export interface SeccompOptions {
  /** RuntimeDefault for pods that say nothing (`--seccomp-default`). */
  readonly seccompDefault?: boolean | undefined;
  /** Where Localhost profiles are (`--seccomp-profile-root`). */
  readonly seccompProfileRoot?: string | undefined;
}

/** Where Localhost profiles are if nobody says: beside the images, as a kubelet has them beside its pods. */
export const profileRootOf = (roots: Roots, root: string | undefined): string =>
  root ?? `${roots.state}/seccomp`;

/** For what is only printed: nothing is compiled. */
export function seccompReader(profileRoot: string): SeccompTools {
  return { readProfile: name => readProfile(profileRoot, name) };
}

/** What is compiled stays in memory from one pod to the next. */
const caches = new Map<string, SeccompCache>();

/** For what runs. */
export function seccompSettings(
  roots: Roots,
  { seccompDefault = false, seccompProfileRoot }: SeccompOptions,
): { readonly seccomp: SeccompTools; readonly settings: SecuritySettings } {
  const cache = caches.get(roots.state) ?? new SeccompCache(roots.state, hostArch());
  caches.set(roots.state, cache);
  const reader = seccompReader(profileRootOf(roots, seccompProfileRoot));
  return {
    seccomp: { ...reader, compile: seccomp => cache.compile(seccomp) },
    settings: { seccompDefault },
  };
}

/** The pause process' filter, whatever the pod says: RuntimeDefault for a process without capabilities. */
export function pauseFilter(
  kernelRelease: string,
  tools: SeccompTools,
): SeccompFilter | { readonly error: string } {
  const target = { capabilities: [], arch: hostArch(), kernelRelease };
  const filter = compileFilter(resolveProfile(defaultProfile(), target), tools);
  if (filter === undefined) throw new Error('bug in podspace: RuntimeDefault is no filter');
  return filter;
}

/** A filter as JSON holds it: what `exec` must know of a running container. */
export interface SeccompRecord extends Omit<SeccompFilter, 'bpf'> {
  /** Base64. */
  readonly bpf: string;
}

export function recordFilter(filter: SeccompFilter | undefined): SeccompRecord | undefined {
  if (filter === undefined) return undefined;
  return { ...filter, bpf: Buffer.from(filter.bpf).toString('base64') };
}

export function filterOf(record: SeccompRecord | undefined): SeccompFilter | undefined {
  return record === undefined ? undefined : { ...record, bpf: Buffer.from(record.bpf, 'base64') };
}
