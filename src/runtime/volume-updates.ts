import { type FSWatcher, statSync, watch } from 'node:fs';
import { UserError } from '../base/errors.ts';
import type { PodObjects } from '../kube/environment.ts';
import { fileReferences } from '../kube/references.ts';
import type { NodeCapacity } from '../kube/resources.ts';
import type { Pod, Volume } from '../kube/types.generated.ts';
import { volumeFiles } from '../kube/volume-files.ts';
import type { Roots } from '../oci/pod-paths.ts';
import { objectDirectories } from './object-store.ts';
import { isChangeable, podObjects } from './pod-objects.ts';
import { fillVolume } from './volumes.ts';

export interface VolumeUpdates {
  readonly pod: Pod;
  readonly roots: Roots;
  /** What stands beside the pod in its manifest: it does not change, and wins over the store. */
  readonly manifest: PodObjects;
  readonly capacity: NodeCapacity;
  /** Where this process can write to a volume. */
  directoryOf(volume: Volume): string;
  /** A change that a volume cannot follow: it stays as it is. */
  onFailure(message: string): void;
}

/** Milliseconds: several objects of one `apply` are one change. */
const SETTLE = 50;

/**
 * Follows the objects that a pod's volumes are made of, as the kubelet does: a volume whose object is stored anew has its
 * files at once. What mounts a subPath keeps what it has, also as on a node. Returns how to stop.
 */
export function followObjects(updates: VolumeUpdates): () => void {
  const { pod, roots } = updates;
  const namespace = pod.metadata?.namespace ?? 'default';
  const followed = (pod.spec?.volumes ?? []).filter(volume => isChangeable(pod, updates.manifest, volume));
  const kinds = new Set(followed.flatMap(fileReferences).map(({ kind }) => kind));
  const directories = [...new Set([...kinds].flatMap(kind => objectDirectories(roots, kind, namespace)))];
  const watchers = new Map<string, { readonly inode: number; readonly watcher: FSWatcher }>();
  const failures = new Map<string, string>();
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    timer = undefined;
    // Directories come and go with what is in them. They are watched before they are read: nothing falls between.
    for (const path of directories) rewatch(path);
    for (const volume of followed) {
      const failure = update(updates, volume);
      if (failure !== undefined && failures.get(volume.name) !== failure) updates.onFailure(failure);
      if (failure === undefined) failures.delete(volume.name);
      else failures.set(volume.name, failure);
    }
  };
  const changed = (): void => {
    timer ??= setTimeout(look, SETTLE).unref();
  };
  const rewatch = (path: string): void => {
    const inode = statSync(path, { throwIfNoEntry: false })?.ino;
    const before = watchers.get(path);
    if (before?.inode === inode) return;
    before?.watcher.close();
    watchers.delete(path);
    if (inode === undefined) return;
    try {
      const watcher = watch(path, { persistent: false }, changed);
      // It has gone: its parent says so.
      watcher.on('error', changed);
      watchers.set(path, { inode, watcher });
    } catch (error) {
      updates.onFailure(`changes of ${path} are not seen: ${(error as Error).message}`);
    }
  };
  look();
  return () => {
    clearTimeout(timer);
    for (const { watcher } of watchers.values()) watcher.close();
  };
}

function update(
  { pod, roots, manifest, capacity, directoryOf }: VolumeUpdates,
  volume: Volume,
): string | undefined {
  const failed = (message: string): string =>
    `MountVolume.SetUp failed for volume "${volume.name}" : ${message}`;
  try {
    const content = volumeFiles(pod, volume, podObjects(roots, manifest, [pod]), capacity);
    if ('error' in content) return failed(content.error);
    fillVolume(pod, volume, directoryOf(volume), content.files);
    return undefined;
  } catch (error) {
    // Nobody is there to catch it: a full disk, a damaged object.
    return error instanceof UserError ? error.message : failed((error as Error).message);
  }
}
