import type { PreparedVolume } from '../oci/mounts.ts';
import { isChangedByStore } from './pod-objects.ts';
import type { RunPodOptions } from './run-options.ts';
import type { Sandbox } from './sandbox.ts';

/** Lets the store change a pod's volumes while it runs; returns how to stop. Loaded only for a pod that has such volumes. */
export async function followStored(
  { pod, roots, manifest, host, observer }: RunPodOptions,
  volumes: ReadonlyMap<string, PreparedVolume>,
  sandbox: Sandbox,
): Promise<() => void> {
  if (manifest === undefined || !isChangedByStore(pod, manifest)) return () => {};
  const { followObjects } = await import('./volume-updates.ts');
  return followObjects({
    pod,
    roots,
    manifest,
    capacity: host,
    directoryOf: ({ name }) => sandbox.directory(volumes.get(name)?.source ?? ''),
    onFailure: message => observer.onEvent?.('Warning', 'FailedMount', message, ''),
  });
}
