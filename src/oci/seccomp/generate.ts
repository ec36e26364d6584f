import type { SeccompFlag } from '../../linux/seccomp.ts';
import type { EffectiveSeccompProfile } from '../../security/effective.ts';
import type { OciSeccomp } from '../config.ts';
import { decodeProfile, ProfileError } from './decode-profile.ts';
import { defaultProfile } from './default-profile.ts';
import { summarise } from './describe.ts';
import { resolveProfile, type SeccompTarget } from './profile.ts';

interface Failure {
  readonly error: string;
}

/** What of seccomp touches the machine, and is the runtime's. */
export interface SeccompTools {
  /** The file of a Localhost profile. */
  readonly readProfile: (name: string) => { readonly path: string; readonly text: string } | Failure;
  /** The program for the kernel. Without, there is only something to print. */
  readonly compile?: (seccomp: OciSeccomp) => Uint8Array | Failure;
}

/** A compiled `linux.seccomp`. */
export interface SeccompFilter {
  /** How listings show it. */
  readonly text: string;
  readonly flags: readonly SeccompFlag[];
  /** struct sock_filter[] */
  readonly bpf: Uint8Array;
  /** Who answers SCMP_ACT_NOTIFY: the socket of an agent, and what it is told of the container. */
  readonly listener?: { readonly path: string; readonly metadata: string };
}

/** `linux.seccomp` of a profile; or what is wrong with it, in containerd's words. */
export function generateSeccomp(
  profile: EffectiveSeccompProfile,
  target: SeccompTarget,
  { readProfile }: SeccompTools,
): OciSeccomp | Failure | undefined {
  if (profile.type !== 'Localhost')
    return profile.type === 'Unconfined' ? undefined : resolveProfile(defaultProfile(), target);
  const file = readProfile(profile.localhostProfile);
  if ('error' in file) return file;
  try {
    return resolveProfile(decodeProfile(file.text), target);
  } catch (error) {
    if (!(error instanceof ProfileError)) throw error;
    return { error: `decoding seccomp profile failed ${JSON.stringify(file.path)}: ${error.message}` };
  }
}

/** Kills whoever runs it: what is only printed must not be a way to run without a filter. */
const PRINTED = new Uint8Array([0x06, 0, 0, 0, 0, 0, 0, 0x80]);

/** Linux 4.17 and later: no loss of speed against a side channel that the runtimes leave to the program. */
const DEFAULT_FLAGS: readonly SeccompFlag[] = ['SECCOMP_FILTER_FLAG_SPEC_ALLOW'];

export function compileFilter(
  seccomp: OciSeccomp | undefined,
  { compile }: SeccompTools,
): SeccompFilter | Failure | undefined {
  if (seccomp === undefined) return undefined;
  const bpf = compile?.(seccomp) ?? PRINTED;
  if ('error' in bpf) return bpf;
  const { listenerPath: path, listenerMetadata: metadata = '', syscalls } = seccomp;
  const isAsked = path !== undefined && syscalls.some(({ action }) => action === 'SCMP_ACT_NOTIFY');
  return {
    text: summarise(seccomp),
    flags: seccomp.flags ?? DEFAULT_FLAGS,
    bpf,
    ...(isAsked ? { listener: { path, metadata } } : {}),
  };
}
