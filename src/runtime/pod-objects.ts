import { isReferred, type PodObjects } from '../kube/environment.ts';
import { fileReferences, podReferences, type ReferredKind } from '../kube/references.ts';
import type { ConfigMap, PersistentVolumeClaim, Pod, Secret, Volume } from '../kube/types.generated.ts';
import type { Roots } from '../oci/pod-paths.ts';
import { hasObjects, ObjectStore } from './object-store.ts';

/** Kinds of objects that pods take something from, and that are kept for them. */
export const POD_KINDS: readonly ReferredKind[] = ['ConfigMap', 'Secret', 'PersistentVolumeClaim'];

/** What pods refer to: objects of their manifest, and where that has none of a name, of the store. */
export function podObjects(roots: Roots, manifest: PodObjects, pods: readonly Pod[]): PodObjects {
  const missing = pods.flatMap(pod =>
    podReferences(pod)
      .filter(({ kind, name }) => !objectsOf(manifest, kind).some(object => isReferred(object, pod, name)))
      .map(({ kind, name }) => ({ kind, name, namespace: pod.metadata?.namespace ?? 'default' })),
  );
  if (missing.length === 0 || !hasObjects(roots)) return manifest;
  const store = new ObjectStore(roots);
  const keys = new Map(missing.map(key => [JSON.stringify([key.kind, key.namespace, key.name]), key]));
  const found = [...keys.values()].flatMap(key => store.get(key) ?? []);
  const ofKind = <T>(kind: ReferredKind): readonly T[] =>
    found.filter(each => each.kind === kind).map(({ object }) => object as T);
  return {
    configMaps: [...manifest.configMaps, ...ofKind<ConfigMap>('ConfigMap')],
    secrets: [...manifest.secrets, ...ofKind<Secret>('Secret')],
    claims: [...(manifest.claims ?? []), ...ofKind<PersistentVolumeClaim>('PersistentVolumeClaim')],
  };
}

/** Whether the store has a say in a volume's files: what stands in the manifest wins. */
export function isChangeable(pod: Pod, manifest: PodObjects, volume: Volume): boolean {
  return fileReferences(volume).some(
    ({ kind, name }) => !objectsOf(manifest, kind).some(object => isReferred(object, pod, name)),
  );
}

export const isChangedByStore = (pod: Pod, manifest: PodObjects): boolean =>
  (pod.spec?.volumes ?? []).some(volume => isChangeable(pod, manifest, volume));

function objectsOf(
  { configMaps, secrets, claims = [] }: PodObjects,
  kind: ReferredKind,
): readonly (ConfigMap | Secret | PersistentVolumeClaim)[] {
  return { ConfigMap: configMaps, Secret: secrets, PersistentVolumeClaim: claims }[kind];
}
