import type { Pod } from '../kube/types.generated.ts';
import type { EffectiveSecurityContext, NamespaceOwner } from '../security/effective.ts';
import type { SecurityLabels } from '../security/labels.ts';
import type { OciConfig, OciDevice, OciMount, OciNamespace, OciNamespaceType, OciSeccomp } from './config.ts';
import { deviceRules } from './device-rules.ts';
import { type ImageVolume, imageVolumeMount } from './image-volumes.ts';
import {
  etcMounts,
  overridden,
  type PreparedVolume,
  parentsFirst,
  rootfsPropagation,
  systemMounts,
  terminationLogMount,
  volumeMounts,
  volumePlaces,
} from './mounts.ts';
import type { PodPaths } from './pod-paths.ts';
import { generateProcess, type ProcessInput } from './process.ts';
import { containerResources, oomScoreAdj } from './resources.ts';

export interface GenerateInput extends ProcessInput {
  readonly pod: Pod;
  readonly paths: PodPaths;
  readonly volumes: ReadonlyMap<string, PreparedVolume>;
  /** Those that the image wants. */
  readonly imageVolumes: readonly ImageVolume[];
  readonly rootPath: string;
  /** Counts the container's restarts. */
  readonly attempt: number;
  readonly cgroupsPath: string;
  /** The host's number of user 0, where the pod has a user namespace. */
  readonly hostRoot: number;
  readonly labels: SecurityLabels;
  readonly seccomp: OciSeccomp | undefined;
}

/** The devices that the runtime-spec says every container must have ("Default Devices"). */
const DEFAULT_DEVICES: readonly OciDevice[] = (
  [
    ['/dev/null', 1, 3],
    ['/dev/zero', 1, 5],
    ['/dev/full', 1, 7],
    ['/dev/random', 1, 8],
    ['/dev/urandom', 1, 9],
    ['/dev/tty', 5, 0],
  ] as const
).map(([path, major, minor]) => ({ type: 'c', path, major, minor, fileMode: 0o666, uid: 0, gid: 0 }));

/** The ids of a pod with a user namespace: the kubelet's userNamespacesDefaultLength. */
export const ID_RANGE_SIZE = 65_536;

/** One container's OCI config. */
export function generate(input: GenerateInput): OciConfig {
  const { context, container, paths, pod, host } = input;
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
  return {
    ociVersion: '1.1.0',
    root: { path: input.rootPath, readonly: context.readOnlyRootFilesystem },
    mounts: mappedMounts(input, [
      ...overridden(systemMounts(context, paths), [
        ...volumePlaces(container),
        ...input.imageVolumes.map(({ path }) => path),
      ]),
      ...etcMounts(container, context, paths),
      ...parentsFirst([
        ...volumeMounts(container, input.volumes),
        ...input.imageVolumes.map(imageVolumeMount),
        ...terminationLogMount(container, input.attempt, paths),
      ]),
    ]),
    process: {
      ...generateProcess(input),
      ...optional('apparmorProfile', input.labels.appArmorProfile),
      ...optional('selinuxLabel', input.labels.seLinux?.process),
      oomScoreAdj: Math.max(oomScoreAdj(pod, container, host), host.minOomScoreAdj),
    },
    linux: {
      namespaces: namespaces(context.namespaces, paths),
      ...idMappings(context, input.hostRoot),
      devices: context.privileged ? unique([...DEFAULT_DEVICES, ...host.devices]) : DEFAULT_DEVICES,
      cgroupsPath: input.cgroupsPath,
      resources: { devices: deviceRules(context.privileged), ...containerResources(container, host) },
      ...optional('mountLabel', input.labels.seLinux?.mount),
      ...optional('rootfsPropagation', rootfsPropagation(container)),
      maskedPaths: context.maskedPaths,
      readonlyPaths: context.readonlyPaths,
      ...optional('seccomp', input.seccomp),
    },
    // The names that containerd and CRI-O drivers look for.
    annotations: {
      'io.kubernetes.cri.container-name': container.name,
      'io.kubernetes.cri.container-type': 'container',
      'io.kubernetes.cri.sandbox-name': name,
      'io.kubernetes.cri.sandbox-namespace': namespace,
      'io.kubernetes.cri.sandbox-uid': uid,
    },
  };
}

/** One range for users and groups alike (KEP-127). */
function idMappings(
  { namespaces: { user } }: EffectiveSecurityContext,
  hostID: number,
): Pick<OciConfig['linux'], 'uidMappings' | 'gidMappings'> {
  if (user === 'host') return {};
  const mappings = [{ containerID: 0, hostID, size: ID_RANGE_SIZE }];
  return { uidMappings: mappings, gidMappings: mappings };
}

/** Files of the host keep the ids that they have on the disk: user 0 of the container is user 0 there. */
function mappedMounts({ context, volumes }: GenerateInput, mounts: readonly OciMount[]): readonly OciMount[] {
  if (context.namespaces.user === 'host') return mounts;
  // Overlayfs maps no ids itself: its layers have been mapped.
  const overlays = [...volumes.values()].filter(({ layers = [] }) => layers.length > 1);
  const isMapped = (source: string): boolean =>
    overlays.some(volume => source === volume.source || source.startsWith(`${volume.source}/`));
  return mounts.map(mount =>
    mount.type === 'bind' && !isMapped(mount.source)
      ? { ...mount, options: [...mount.options, 'idmap'] }
      : mount,
  );
}

function namespaces(
  owners: Readonly<Record<OciNamespaceType, NamespaceOwner>>,
  paths: PodPaths,
): readonly OciNamespace[] {
  const types = Object.entries(owners) as [OciNamespaceType, NamespaceOwner][];
  return types.flatMap(([type, owner]) => {
    if (owner === 'host') return [];
    return owner === 'pod' ? [{ type, path: paths.namespace(type) }] : [{ type }];
  });
}

function unique(devices: readonly OciDevice[]): readonly OciDevice[] {
  return [...new Map(devices.map(device => [device.path, device])).values()];
}

function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}
