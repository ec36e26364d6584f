import type { Volume, VolumeProjection } from '../../../kube/types.generated.ts';
import { NONE, UNSET } from '../row.ts';
import { field, line, optional } from './lines.ts';

type Source = keyof Volume;

/** What kubectl says of each kind of volume. */
const SOURCES: { readonly [K in Source]?: (source: NonNullable<Volume[K]>) => readonly string[] } = {
  hostPath: ({ path, type }) => [
    field('Type', 'HostPath (bare host directory volume)', 2),
    field('Path', path, 2),
    field('HostPathType', type ?? NONE, 2),
  ],
  emptyDir: ({ medium = '', sizeLimit }) => [
    field('Type', "EmptyDir (a temporary directory that shares a pod's lifetime)", 2),
    field('Medium', medium, 2),
    field('SizeLimit', sizeLimit ?? UNSET, 2),
  ],
  secret: ({ secretName = '', optional: isOptional = false }) => [
    field('Type', 'Secret (a volume populated by a Secret)', 2),
    field('SecretName', secretName, 2),
    field('Optional', isOptional, 2),
  ],
  configMap: ({ name = '', optional: isOptional = false }) => [
    field('Type', 'ConfigMap (a volume populated by a ConfigMap)', 2),
    field('Name', name, 2),
    field('Optional', isOptional, 2),
  ],
  persistentVolumeClaim: ({ claimName, readOnly = false }) => [
    field('Type', 'PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)', 2),
    field('ClaimName', claimName, 2),
    field('ReadOnly', readOnly, 2),
  ],
  downwardAPI: ({ items = [] }) => [
    field('Type', 'DownwardAPI (a volume populated by information about the pod)', 2),
    line('Items:', 2),
    ...items.map(({ fieldRef, resourceFieldRef, path }) =>
      line(`${fieldRef?.fieldPath ?? resourceFieldRef?.resource ?? ''} -> ${path}`, 3),
    ),
  ],
  projected: ({ sources = [] }) => [
    field('Type', 'Projected (a volume that contains injected data from multiple sources)', 2),
    ...sources.flatMap(projection),
  ],
  image: ({ reference = '', pullPolicy = '' }) => [
    field('Type', 'Image (a container image or OCI artifact)', 2),
    field('Reference', reference, 2),
    field('PullPolicy', pullPolicy, 2),
  ],
};

function projection({
  secret,
  configMap,
  downwardAPI,
  serviceAccountToken,
}: VolumeProjection): readonly string[] {
  if (secret !== undefined)
    return [field('SecretName', secret.name ?? '', 2), field('Optional', secret.optional ?? false, 2)];
  if (downwardAPI !== undefined) return [field('DownwardAPI', true, 2)];
  if (configMap !== undefined)
    return [
      field('ConfigMapName', configMap.name ?? '', 2),
      field('Optional', configMap.optional ?? false, 2),
    ];
  return optional('TokenExpirationSeconds', serviceAccountToken?.expirationSeconds, 2);
}

export function volumeLines(volumes: readonly Volume[] = []): readonly string[] {
  if (volumes.length === 0) return [field('Volumes', NONE)];
  return ['Volumes:', ...volumes.flatMap(volume => [line(`${volume.name}:`, 1), ...sourceLines(volume)])];
}

function sourceLines(volume: Volume): readonly string[] {
  const source = (Object.keys(SOURCES) as Source[]).find(key => volume[key] !== undefined);
  const describe = source === undefined ? undefined : SOURCES[source];
  if (source === undefined || describe === undefined) return [line('<unknown>', 1)];
  return (describe as (value: unknown) => readonly string[])(volume[source]);
}
