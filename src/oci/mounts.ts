import type { Container, VolumeMount } from '../kube/types.generated.ts';
import type { EffectiveSecurityContext } from '../security/effective.ts';
import type { OciMount } from './config.ts';
import type { PodPaths } from './pod-paths.ts';

const SHM = '/dev/shm';

/** The default mounts, in containerd's order and with its options; the CRI's /run is not among them. */
export function systemMounts(context: EffectiveSecurityContext, paths: PodPaths): readonly OciMount[] {
  const access = context.privileged ? 'rw' : 'ro';
  // In a shared PID namespace the procfs is mounted once, by that namespace's PID 1; from a user namespace that one could
  // not hand it over.
  const proc: OciMount =
    context.namespaces.pid === 'pod' && context.namespaces.user === 'host'
      ? {
          destination: '/proc',
          type: 'bind',
          source: paths.proc,
          options: ['bind', 'nosuid', 'noexec', 'nodev'],
        }
      : { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] };
  return [
    proc,
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', access] },
    {
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: ['nosuid', 'noexec', 'nodev', 'relatime', access],
    },
    // With the host's IPC namespace goes the host's /dev/shm.
    {
      destination: SHM,
      type: 'bind',
      source: context.namespaces.ipc === 'host' ? SHM : paths.shm,
      options: ['rbind', 'rprivate', 'rw'],
    },
  ];
}

/** Where the pod's volumes are mounted. */
export const volumePlaces = ({ volumeMounts = [] }: Container): readonly string[] =>
  volumeMounts.map(({ mountPath }) => absolute(mountPath));

/** Where the pod or the kubelet mounts something: what an image says of these paths does not count. */
export const placesOfPod = (container: Container): ReadonlySet<string> =>
  new Set([
    ...volumePlaces(container),
    ...ETC_FILES.map(name => `/etc/${name}`),
    ...(container.terminationMessagePath === undefined ? [] : [absolute(container.terminationMessagePath)]),
  ]);

/** A volume takes the place of the default mount there, and one at /dev of all that is below it (containerd's WithMounts). */
export function overridden(mounts: readonly OciMount[], volumes: readonly string[]): readonly OciMount[] {
  const taken = new Set(volumes);
  return mounts.filter(
    ({ destination }) => !taken.has(destination) && !(taken.has('/dev') && destination.startsWith('/dev/')),
  );
}

const ETC_FILES = ['hosts', 'hostname', 'resolv.conf'] as const;

/** Files that the kubelet and the runtime manage; a volume mounted at the same place wins. */
export function etcMounts(
  container: Container,
  context: EffectiveSecurityContext,
  paths: PodPaths,
): readonly OciMount[] {
  const taken = new Set((container.volumeMounts ?? []).map(({ mountPath }) => mountPath));
  const access = context.readOnlyRootFilesystem ? 'ro' : 'rw';
  const file = (name: (typeof ETC_FILES)[number], mode: string): OciMount => ({
    destination: `/etc/${name}`,
    type: 'bind',
    source: paths.etcFile(name),
    options: ['rbind', 'rprivate', mode],
  });
  // The kubelet mounts /etc/hosts writable whatever the root is; the other two follow the root.
  return [file('hosts', 'rw'), file('hostname', access), file('resolv.conf', access)].filter(
    ({ destination }) => !taken.has(destination),
  );
}

/** The kubelet's file for the termination message; a volume at its place, or at the /dev it is in, wins. */
export function terminationLogMount(
  container: Container,
  attempt: number,
  paths: PodPaths,
): readonly OciMount[] {
  const mount: OciMount = {
    destination: absolute(container.terminationMessagePath ?? ''),
    type: 'bind',
    source: paths.terminationLog(container.name, attempt),
    options: ['rbind', 'rprivate', 'rw'],
  };
  return container.terminationMessagePath === undefined ? [] : overridden([mount], volumePlaces(container));
}

/** A volume as the runtime has prepared it. */
export interface PreparedVolume {
  readonly source: string;
  readonly readOnly: boolean;
  /** The mode of its root, which a missing subPath is made with, as by the kubelet; without it none is made. */
  readonly mode?: number;
  /** It is an image's root: nothing is executed from it (KEP-4639). */
  readonly isImage?: boolean;
  /** Its layers, the uppermost first; what is made of several has the pod's own ids already. */
  readonly layers?: readonly string[];
  /** Paths of the volume (`''`: itself) that are files, so that their mount point must be one too. */
  readonly files?: readonly string[];
  /** Looks whether a path in it is a file at this moment: what is there can be the work of another container. */
  holdsFile?(path: string): boolean;
}

const PROPAGATION: Readonly<Record<string, string>> = {
  None: 'rprivate',
  HostToContainer: 'rslave',
  Bidirectional: 'rshared',
};

/** The container's volumeMounts. */
export function volumeMounts(
  container: Container,
  volumes: ReadonlyMap<string, PreparedVolume>,
): readonly OciMount[] {
  return (container.volumeMounts ?? []).map(mount => volumeMount(mount, volumes.get(mount.name)));
}

/** Parents before what is mounted below them. */
export function parentsFirst(mounts: readonly OciMount[]): readonly OciMount[] {
  return [...mounts].sort((a, b) => depth(a.destination) - depth(b.destination));
}

function volumeMount(mount: VolumeMount, volume: PreparedVolume | undefined): OciMount {
  const source = volume?.source ?? '';
  const isReadOnly = mount.readOnly === true || volume?.readOnly === true;
  // KEP-3857. Every kernel that podspace runs on can do it: what is asked for if possible is done.
  const isRecursive = isReadOnly && ['IfPossible', 'Enabled'].includes(mount.recursiveReadOnly ?? '');
  return {
    destination: absolute(mount.mountPath),
    type: 'bind',
    source: mount.subPath === undefined || mount.subPath === '' ? source : `${source}/${mount.subPath}`,
    options: [
      'rbind',
      PROPAGATION[mount.mountPropagation ?? 'None'] ?? 'rprivate',
      isRecursive ? 'rro' : isReadOnly ? 'ro' : 'rw',
      ...(volume?.isImage === true ? ['noexec'] : []),
    ],
  };
}

/** The kubelet makes a relative mountPath absolute. */
function absolute(path: string): string {
  const clean = `/${path}`.replace(/\/+/g, '/').replace(/(.)\/$/, '$1');
  return clean;
}

function depth(path: string): number {
  return path.split('/').filter(part => part !== '').length;
}

/** A path inside a volume, and the mode of what is made where it is missing; without one nothing is. */
export interface SubPath {
  readonly root: string;
  readonly path: string;
  readonly mode: number | undefined;
}

/** subPath mounts: how to reach the source without leaving the volume, whose content is hostile. */
export function subPaths(
  container: Container,
  volumes: ReadonlyMap<string, PreparedVolume>,
): Readonly<Record<string, SubPath>> {
  const entries = (container.volumeMounts ?? [])
    .filter(({ subPath }) => subPath !== undefined && subPath !== '')
    .map(
      mount =>
        [
          absolute(mount.mountPath),
          {
            root: volumes.get(mount.name)?.source ?? '',
            path: mount.subPath ?? '',
            mode: volumes.get(mount.name)?.mode,
          },
        ] as const,
    );
  return Object.fromEntries(entries);
}

/** rootfsPropagation as containerd sets it: the strongest that a volume asks for. */
export function rootfsPropagation(container: Container): string | undefined {
  const asked = (container.volumeMounts ?? []).map(({ mountPropagation }) => mountPropagation);
  if (asked.includes('Bidirectional')) return 'rshared';
  return asked.includes('HostToContainer') ? 'rslave' : undefined;
}
