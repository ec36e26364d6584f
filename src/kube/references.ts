import type { Pod, Volume } from './types.generated.ts';
import { projectionsOf } from './volume-files.ts';

/** Kinds of objects that a pod takes something from, all in its own namespace. */
export type ReferredKind = 'ConfigMap' | 'Secret' | 'PersistentVolumeClaim';

export interface ObjectReference {
  readonly kind: ReferredKind;
  readonly name: string;
}

const reference = (kind: ReferredKind, name: string | undefined): readonly ObjectReference[] =>
  name ? [{ kind, name }] : [];

/** What a volume of written files is made from. */
export function fileReferences(volume: Volume): readonly ObjectReference[] {
  return projectionsOf(volume).flatMap(({ configMap, secret }) => [
    ...reference('ConfigMap', configMap?.name),
    ...reference('Secret', secret?.name),
  ]);
}

/** All that a pod refers to. */
export function podReferences({ metadata, spec }: Pod): readonly ObjectReference[] {
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  return [
    ...(spec?.volumes ?? []).flatMap(volume => [
      ...fileReferences(volume),
      ...reference('PersistentVolumeClaim', volume.persistentVolumeClaim?.claimName),
      // The one that it makes must not be there already.
      ...reference('PersistentVolumeClaim', volume.ephemeral && `${metadata?.name ?? ''}-${volume.name}`),
    ]),
    ...containers.flatMap(({ env = [], envFrom = [] }) => [
      ...env.flatMap(({ valueFrom }) => [
        ...reference('ConfigMap', valueFrom?.configMapKeyRef?.name),
        ...reference('Secret', valueFrom?.secretKeyRef?.name),
      ]),
      ...envFrom.flatMap(({ configMapRef, secretRef }) => [
        ...reference('ConfigMap', configMapRef?.name),
        ...reference('Secret', secretRef?.name),
      ]),
    ]),
  ];
}
