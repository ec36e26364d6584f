import { existsSync, readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { ImageStore } from '../image/store.ts';
import { sweepBlobs, sweepImages } from '../image/sweep.ts';
import { removeTree } from '../native/remove-tree.ts';
import { isUid } from '../network/names.ts';
import { thisNode } from '../network/node.ts';
import { removeLink } from '../network/wire.ts';
import type { Roots } from '../oci/pod-paths.ts';
import { sweepInstances } from './audit/capability-watch.ts';
import { detectCgroups } from './cgroups.ts';
import { sweepRanges } from './id-ranges.ts';
import { sweepLeases } from './leases.ts';
import { isLocked } from './lock-file.ts';
import { removeEmptyNode } from './node-registry.ts';
import { updateNode } from './node-rules.ts';
import { ObjectStore } from './object-store.ts';
import { removePodCgroups, removeRoots } from './pod-cgroup.ts';
import { type FoundPod, findPods, removeEmpty, removePodFiles } from './pod-directory.ts';

/**
 * Removes what commands that were killed have left: processes, cgroups, files. A pod whose command still holds its lock is
 * not touched, nor is anything that is not podspace's. Returns what was removed.
 */
export async function collectGarbage(roots: Roots, isDry = false): Promise<readonly string[]> {
  const removed: string[] = [];
  const pods = findPods(roots);
  for (const pod of pods.filter(({ isAlive }) => !isAlive)) {
    removed.push(
      `pod ${pod.record === undefined ? pod.paths.uid : `${pod.record.namespace}/${pod.record.name} (${pod.paths.uid})`}`,
    );
    if (!isDry) await removePod(pod, roots);
  }
  const names = join(roots.run, 'names');
  for (const name of existsSync(names) ? readdirSync(names) : []) {
    if (isLocked(join(names, name))) continue;
    removed.push(`name ${name.replace('_', '/')}`);
    if (!isDry) unlinkSync(join(names, name));
  }
  removed.push(...new ObjectStore(roots).sweep(isDry).map(file => `file ${file}`));
  if (isDry) return removed;
  const used = new Set(findPods(roots).flatMap(({ record }) => record?.images ?? []));
  removed.push(
    ...sweepImages(new ImageStore(roots.state), id => used.has(id)).map(id => `image files ${id}`),
  );
  removed.push(...sweepBlobs(new ImageStore(roots.state)).map(digest => `image blob ${digest}`));
  sweepInstances();
  removeRoots(detectCgroups());
  sweepRanges();
  sweepLeases();
  await sweepNode();
  removeEmpty(roots);
  return removed;
}

/** What is known of dead pods goes, and so do their rules, known or not. Where there is no nftables there are none. */
async function sweepNode(): Promise<void> {
  try {
    await updateNode();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
  }
  removeEmptyNode();
}

/** The shim of a pod that was being made: it holds nothing yet, and waits. Its code is loaded only where there is one. */
export async function endShim(directory: string): Promise<void> {
  if (!existsSync(join(directory, 'shim.sock'))) return;
  const { PodShim } = await import('../native/pod-shim.ts');
  await PodShim.end(directory);
}

/** Removes what a pod has left that nobody holds any more. `onUnreachable` is called when nothing leads to it any more. */
export async function removePod(
  pod: FoundPod,
  roots: Roots,
  onUnreachable = () => endShim(pod.paths.run),
): Promise<void> {
  // Processes first: they may still write to the files.
  await removePodCgroups(detectCgroups(), pod.paths.uid);
  // It went with them, unless somebody else is in the pod's network namespace.
  if (isUid(pod.paths.uid)) await removeLink(await thisNode(), pod.paths.uid);
  await onUnreachable();
  removePodFiles(pod.paths);
  removeTree(join(roots.run, 'pods', `.${pod.paths.uid}`));
}
