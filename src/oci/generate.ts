import type { Pod } from '../kube/types.generated.ts';
import type { NamespaceOwner } from '../security/effective.ts';
import type { OciConfig, OciDevice, OciNamespace, OciNamespaceType, OciSeccomp } from './config.ts';
import {
  etcMounts,
  overridden,
  type PreparedVolume,
  rootfsPropagation,
  systemMounts,
  volumeMounts,
} from './mounts.ts';
import type { PodPaths } from './pod-paths.ts';
import { generateProcess, type ProcessInput } from './process.ts';
import { containerResources, oomScoreAdj } from './resources.ts';

export interface GenerateInput extends ProcessInput {
  readonly pod: Pod;
  readonly paths: PodPaths;
  readonly volumes: ReadonlyMap<string, PreparedVolume>;
  readonly rootPath: string;
  readonly cgroupsPath: string;
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

/** One container's OCI config. */
export function generate(input: GenerateInput): OciConfig {
  const { context, container, paths, pod, host } = input;
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
  return {
    ociVersion: '1.1.0',
    root: { path: input.rootPath, readonly: context.readOnlyRootFilesystem },
    mounts: [
      ...overridden(systemMounts(context, paths), container),
      ...etcMounts(container, context, paths),
      ...volumeMounts(container, input.volumes),
    ],
    process: {
      ...generateProcess(input),
      oomScoreAdj: Math.max(oomScoreAdj(pod, container, host), host.minOomScoreAdj),
    },
    linux: {
      namespaces: namespaces(context.namespaces, paths),
      devices: context.privileged ? unique([...DEFAULT_DEVICES, ...host.devices]) : DEFAULT_DEVICES,
      cgroupsPath: input.cgroupsPath,
      resources: containerResources(container, host),
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
