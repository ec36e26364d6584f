import { invalid } from '../../kube/field-error.ts';
import type {
  AllowedHostPath,
  Pod,
  PodSecurityPolicySpec,
  ProjectedVolumeSource,
  Volume,
  VolumeProjection,
} from '../../kube/types.generated.ts';
import { type PolicyError, policyError } from './policy-error.ts';
import { containersOf, type PodRule } from './rule.ts';

/** The volume types that a policy can name, in the order in which a volume is asked for its type (GetVolumeFSType). */
export const VOLUME_TYPES = [
  'hostPath',
  'emptyDir',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'gitRepo',
  'secret',
  'nfs',
  'iscsi',
  'glusterfs',
  'persistentVolumeClaim',
  'rbd',
  'flexVolume',
  'cinder',
  'cephFS',
  'flocker',
  'downwardAPI',
  'fc',
  'azureFile',
  'configMap',
  'vsphereVolume',
  'quobyte',
  'azureDisk',
  'photonPersistentDisk',
  'storageos',
  'projected',
  'portworxVolume',
  'scaleIO',
  'csi',
  'ephemeral',
] as const;
export const ALL_VOLUMES = '*';

/** The one type that has another spelling in a pod. */
const FIELDS: Readonly<Partial<Record<string, keyof Volume>>> = { cephFS: 'cephfs' };

/** A type that is younger than policies goes by its field's name: only a policy that allows all has it. */
function typeOf(volume: Volume): string {
  const known = VOLUME_TYPES.find(type => volume[(FIELDS[type] ?? type) as keyof Volume] !== undefined);
  return known ?? Object.keys(volume).find(field => field !== 'name') ?? '';
}

type VolumeLists = Required<
  Pick<PodSecurityPolicySpec, 'volumes' | 'allowedHostPaths' | 'allowedFlexVolumes' | 'allowedCSIDrivers'>
>;

/** Volumes: their types, then what is said about some of the types. */
export function createVolumesRule(lists: VolumeLists): PodRule {
  return {
    validate: pod =>
      (pod.spec?.volumes ?? []).flatMap((volume, i) => {
        const path = `spec.volumes[${i}]`;
        const type = typeOf(volume);
        if (isAllowedType(type, volume, lists.volumes)) return CHECKS[type]?.(volume, path, lists, pod) ?? [];
        return [policyError(invalid(path, type, `${type} volumes are not allowed to be used`))];
      }),
  };
}

function isAllowedType(type: string, { projected }: Volume, allowed: readonly string[]): boolean {
  if (allowed.includes(ALL_VOLUMES) || allowed.includes(type)) return true;
  // What is mounted into every pod was a secret once.
  return (
    type === 'projected' &&
    projected !== undefined &&
    allowed.includes('secret') &&
    isServiceAccountToken(projected)
  );
}

/** IsOnlyServiceAccountTokenSources: the token, the cluster's certificate and the pod's namespace, or some of them. */
const isServiceAccountToken = ({ sources = [] }: ProjectedVolumeSource): boolean => sources.every(isOfToken);

function isOfToken({ serviceAccountToken, configMap, downwardAPI }: VolumeProjection): boolean {
  if (serviceAccountToken === undefined && configMap === undefined && downwardAPI === undefined) return false;
  return (
    (serviceAccountToken === undefined ||
      (serviceAccountToken.path === 'token' && !serviceAccountToken.audience)) &&
    (configMap === undefined || configMap.name === 'kube-root-ca.crt') &&
    (downwardAPI?.items ?? []).every(
      ({ path, fieldRef }) =>
        path === 'namespace' &&
        (fieldRef?.apiVersion || 'v1') === 'v1' &&
        fieldRef?.fieldPath === 'metadata.namespace',
    )
  );
}

type Check = (volume: Volume, path: string, lists: VolumeLists, pod: Pod) => readonly PolicyError[];

/** What a policy may say about volumes of a type that it allows. An empty list says nothing. */
const CHECKS: Readonly<Partial<Record<string, Check>>> = {
  hostPath: checkHostPath,
  flexVolume: ({ flexVolume }, path, { allowedFlexVolumes }) =>
    checkDriver(
      flexVolume?.driver ?? '',
      allowedFlexVolumes.map(({ driver }) => driver),
      { path: `${path}.driver`, manifestPath: `${path}.flexVolume.driver` },
      'Flexvolume driver is not allowed to be used',
    ),
  csi: ({ csi }, path, { allowedCSIDrivers }) =>
    checkDriver(
      csi?.driver ?? '',
      allowedCSIDrivers.map(({ name }) => name),
      { path: `${path}.csi.driver`, manifestPath: `${path}.csi.driver` },
      'Inline CSI driver is not allowed to be used',
    ),
};

function checkDriver(
  driver: string,
  allowed: readonly string[],
  { path, manifestPath }: { readonly path: string; readonly manifestPath: string },
  detail: string,
): readonly PolicyError[] {
  if (allowed.length === 0 || allowed.includes(driver)) return [];
  return [policyError(invalid(path, driver, detail), { manifestPath })];
}

function checkHostPath(
  { name, hostPath }: Volume,
  path: string,
  { allowedHostPaths }: VolumeLists,
  pod: Pod,
): readonly PolicyError[] {
  if (allowedHostPaths.length === 0) return [];
  const value = hostPath?.path ?? '';
  const matching = allowedHostPaths.filter(allowed => isBelow(value, allowed));
  if (matching.length === 0)
    return [
      policyError(invalid(`${path}.hostPath.pathPrefix`, value, 'is not allowed to be used'), {
        manifestPath: `${path}.hostPath.path`,
      }),
    ];
  if (matching.some(({ readOnly = false }) => !readOnly)) return [];
  return containersOf(pod).flatMap(({ container, path: containerPath }) =>
    (container.volumeMounts ?? []).flatMap((mount, i) => {
      const at = `${containerPath}.volumeMounts[${i}].readOnly`;
      const isWritable = mount.name === name && mount.readOnly !== true;
      return isWritable ? [policyError(invalid(at, false, 'must be read-only'))] : [];
    }),
  );
}

/** By whole segments: `/foo` allows `/foo/bar`, not `/food`. One slash at the end does not count. */
function isBelow(path: string, { pathPrefix = '' }: AllowedHostPath): boolean {
  const [own, prefix] = [path.replace(/\/$/, ''), pathPrefix.replace(/\/$/, '')];
  return own === prefix || own.startsWith(`${prefix}/`);
}
