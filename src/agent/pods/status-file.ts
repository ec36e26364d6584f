import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
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

/** Undefined for a pod that nobody has taken yet, or whose file is damaged. */
export function readKnown(roots: Roots, uid: string): KnownPod | undefined {
  try {
    return JSON.parse(readFileSync(fileOf(roots, uid), 'utf8')) as KnownPod;
  } catch (error) {
    if (errnoCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export function removeKnown(roots: Roots, uid: string): void {
  rmSync(fileOf(roots, uid), { force: true });
}

/** The pods that something is known of. */
export const knownUids = (roots: Roots): readonly string[] =>
  readdirSync(directoryOf(roots))
    .filter(name => name.endsWith('.json') && !name.startsWith('.'))
    .map(name => name.slice(0, -'.json'.length));
