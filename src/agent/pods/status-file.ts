import { readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errnoCode } from '../../base/errors.ts';
import type { PodStatus } from '../../kube/types.generated.ts';
import { makeDirectories } from '../../native/exact-mode.ts';
import type { Roots } from '../../oci/pod-paths.ts';
import type { ContainerState } from '../../runtime/container-state.ts';
import { writeWhole } from '../../runtime/pod-directory.ts';

/** What the agent knows of a pod beside its object: it outlives the agent, and the machine's reboot. */
export interface KnownPod {
  readonly status: PodStatus;
  readonly containers: readonly ContainerState[];
}

const directoryOf = ({ state }: Roots): string => join(state, 'agent', 'status');
const fileOf = (roots: Roots, uid: string): string => join(directoryOf(roots), `${uid}.json`);

/** Where the agent's knowledge of pods is; made when it is not there. */
export const makeStatusDirectory = (roots: Roots): void => makeDirectories(directoryOf(roots), 0o700);

export function writeKnown(roots: Roots, uid: string, known: KnownPod): void {
  writeWhole(fileOf(roots, uid), known);
}

/**
 * Undefined for a pod that nobody has taken yet, or whose file is damaged: it is moved aside then, as an object would be, and
 * `onDamaged` says so.
 */
export function readKnown(
  roots: Roots,
  uid: string,
  onDamaged: (message: string) => void,
): KnownPod | undefined {
  const file = fileOf(roots, uid);
  try {
    const known = JSON.parse(readFileSync(file, 'utf8')) as Partial<KnownPod> | null;
    const isWhole =
      typeof known?.status?.phase === 'string' &&
      Array.isArray(known.containers) &&
      known.containers.every(each => typeof each?.name === 'string' && typeof each.state?.is === 'string');
    if (isWhole) return known as KnownPod;
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    if (!(error instanceof SyntaxError)) throw error;
  }
  const aside = join(roots.state, 'damaged', `status_${basename(file)}.${Date.now()}`);
  makeDirectories(dirname(aside), 0o700);
  renameSync(file, aside);
  onDamaged(`its status file was damaged; it is now "${aside}"`);
  return undefined;
}

export function removeKnown(roots: Roots, uid: string): void {
  rmSync(fileOf(roots, uid), { force: true });
}

/** The pods that something is known of. */
export const knownUids = (roots: Roots): readonly string[] =>
  readdirSync(directoryOf(roots))
    .filter(name => name.endsWith('.json') && !name.startsWith('.'))
    .map(name => name.slice(0, -'.json'.length));
