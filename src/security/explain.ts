import { forbiddenSysctl } from '../kube/sysctls.ts';
import type { Container, Pod, VolumeMount } from '../kube/types.generated.ts';
import { DEFAULT_CAPABILITIES } from '../linux/capabilities.ts';
import type { EffectiveSecurityContext, NamespaceOwner } from './effective.ts';
import { describeVolume } from './explain-volume.ts';
import type { Origin } from './identity.ts';

/** One setting in effect: what it is, what it does, and who asked for it. */
export interface Explanation {
  readonly topic: string;
  readonly text: string;
  readonly origin: Origin;
  /** Fields of a securityContext that it comes from. */
  readonly fields?: readonly string[];
}

type Namespace = keyof EffectiveSecurityContext['namespaces'];

const NAMESPACES: Readonly<Record<Namespace, Readonly<Record<NamespaceOwner, string>>>> = {
  user: {
    host: 'root in the container is root of the machine',
    pod: '65536 ids of its own: root in it is nobody on the machine, and files keep their owner',
    container: 'ids are mapped for the container',
  },
  mount: {
    host: 'sees the machine’s mounts',
    pod: 'shares the pod’s mounts',
    container: 'has a file tree of its own; what it mounts stays inside',
  },
  uts: {
    host: 'has, and with SYS_ADMIN can change, the machine’s hostname (hostNetwork brings this along)',
    pod: 'the pod has its own hostname',
    container: 'its own hostname',
  },
  ipc: {
    host: 'shares System V IPC, POSIX queues and /dev/shm with the machine',
    pod: 'shares IPC and one /dev/shm with the pod’s other containers only',
    container: 'IPC of its own',
  },
  network: {
    host: 'uses the machine’s interfaces, ports and abstract sockets',
    pod: 'one set of interfaces for the pod, which its containers share',
    container: 'interfaces of its own',
  },
  pid: {
    host: 'sees every process of the machine; signalling others still needs matching user or KILL',
    pod: 'sees the processes of all the pod’s containers; PID 1 is the pause process',
    container: 'sees only its own processes; its command is PID 1',
  },
  cgroup: {
    host: 'sees the machine’s cgroup tree',
    pod: 'shares the pod’s cgroup root',
    container: 'its own cgroup is the root it sees',
  },
  time: { host: 'the machine’s clocks', pod: 'clocks of the pod', container: 'clocks of its own' },
};

/** Who asked for each namespace. */
function namespaceOrigin(type: Namespace, pod: Pod, context: EffectiveSecurityContext): Origin {
  const spec = pod.spec ?? { containers: [] };
  const asked: Partial<Record<Namespace, unknown>> = {
    network: spec.hostNetwork,
    uts: spec.hostNetwork,
    ipc: spec.hostIPC,
    pid: spec.hostPID ?? spec.shareProcessNamespace,
    user: spec.hostUsers,
  };
  if (type === 'cgroup' && context.privileged) return 'container';
  return asked[type] === undefined ? 'default' : 'pod';
}

/** Every setting of a container in words; `filter` is what its seccomp profile lets through. */
export function explainContainer(
  pod: Pod,
  container: Container,
  context: EffectiveSecurityContext,
  filter: string | undefined,
): readonly Explanation[] {
  return [
    ...(Object.keys(NAMESPACES) as Namespace[]).map(type => {
      const owner = context.namespaces[type];
      return {
        topic: `${type} namespace`,
        text: `${OWNERS[owner]}: ${NAMESPACES[type][owner]}`,
        origin: namespaceOrigin(type, pod, context),
      };
    }),
    ...explainIdentity(pod, context),
    ...explainPrivileges(context),
    explainSeccomp(context, filter),
    ...explainFiles(pod, container, context),
  ];
}

const OWNERS: Readonly<Record<NamespaceOwner, string>> = {
  host: 'the machine’s',
  pod: 'the pod’s',
  container: 'its own',
};

function explainIdentity(pod: Pod, { identity, origins }: EffectiveSecurityContext): readonly Explanation[] {
  const name = identity.name === undefined ? '' : ` (${identity.name} in the image’s /etc/passwd)`;
  const groups = identity.additionalGids.join(', ');
  const fsGroup = pod.spec?.securityContext?.fsGroup;
  return [
    {
      topic: 'user',
      text: `uid ${identity.uid}${name}; HOME is ${identity.home}`,
      origin: identity.origin.uid,
      fields: ['runAsUser', 'runAsNonRoot'],
    },
    { topic: 'group', text: `gid ${identity.gid}`, origin: identity.origin.gid, fields: ['runAsGroup'] },
    {
      topic: 'groups',
      text: `${groups} (the primary one, supplementalGroups, fsGroup${pod.spec?.securityContext?.supplementalGroupsPolicy === 'Strict' ? '' : ', and those that list the user in the image’s /etc/group'})`,
      origin: origins.supplementalGroups,
      fields: ['supplementalGroups', 'fsGroup'],
    },
    ...(fsGroup === undefined
      ? []
      : [
          {
            topic: 'fsGroup',
            text: `the pod’s volumes belong to group ${fsGroup}; hostPath and image volumes never do`,
            origin: 'pod' as const,
            fields: ['fsGroup'],
          },
        ]),
  ];
}

function explainPrivileges(context: EffectiveSecurityContext): readonly Explanation[] {
  const { capabilities, origins, identity } = context;
  const short = (name: string): string => name.replace('CAP_', '');
  const added = capabilities.filter(name => !DEFAULT_CAPABILITIES.includes(name)).map(short);
  const dropped = DEFAULT_CAPABILITIES.filter(name => !capabilities.includes(name)).map(short);
  const difference = [...added.map(name => `+${name}`), ...dropped.map(name => `-${name}`)].join(' ');
  const base =
    added.length + dropped.length === 0
      ? `the default set (${capabilities.length})`
      : capabilities.length === 0
        ? 'none at all'
        : `the default set ${difference}`;
  const reach =
    identity.uid === 0 || capabilities.length === 0
      ? ''
      : `; only the bounding set: a process of user ${identity.uid} starts without any`;
  return [
    {
      topic: 'privileged',
      text: context.privileged
        ? 'yes: all capabilities, all devices, nothing masked, /sys writable, the machine’s cgroup namespace'
        : 'no',
      origin: origins.privileged,
    },
    {
      topic: 'capabilities',
      text: `${context.privileged ? `all of this machine’s (${capabilities.length})` : base}${reach}`,
      origin: context.privileged ? origins.privileged : origins.capabilities,
      fields: ['capabilities'],
    },
    {
      topic: 'no_new_privs',
      text: context.noNewPrivileges
        ? 'on: set-user-ID programs and file capabilities give nothing'
        : 'off: set-user-ID programs and file capabilities work',
      origin: origins.noNewPrivileges,
      fields: ['allowPrivilegeEscalation'],
    },
  ];
}

function explainSeccomp(
  { seccompProfile, origins }: EffectiveSecurityContext,
  filter: string | undefined,
): Explanation {
  const name =
    seccompProfile.type === 'Localhost'
      ? `Localhost ${seccompProfile.localhostProfile}`
      : seccompProfile.type;
  return {
    topic: 'seccomp',
    text:
      filter === undefined
        ? 'unconfined: every system call is let through to the kernel'
        : `${name}: ${filter}`,
    origin: origins.seccompProfile,
    fields: ['seccompProfile'],
  };
}

function explainMount(pod: Pod, mount: VolumeMount): Explanation {
  const { what, isFixed } = describeVolume(pod.spec?.volumes?.find(({ name }) => name === mount.name));
  const { mountPropagation = 'None', subPathExpr = '', subPath = subPathExpr, recursiveReadOnly } = mount;
  const access = isFixed ? 'read-only, as always' : mount.readOnly === true ? 'read-only' : 'writable';
  const isRecursive = ['IfPossible', 'Enabled'].includes(recursiveReadOnly ?? '');
  const parts = [
    `volume "${mount.name}" (${what})`,
    ...(subPath === '' ? [] : [`its "${subPath}"`]),
    isRecursive ? `${access}, with all that is mounted below` : access,
    ...(mountPropagation === 'None' ? [] : [`mount propagation ${mountPropagation}`]),
  ];
  return { topic: `mount ${mount.mountPath}`, text: parts.join(', '), origin: 'container' };
}

/** Settings of the pod that do more than people think. */
export function explainSurprises(pod: Pod, container: Container): readonly string[] {
  const spec = pod.spec ?? { containers: [] };
  const forbidden = forbiddenSysctl(pod, []);
  const hostPaths = (spec.volumes ?? []).filter(({ hostPath }) => hostPath !== undefined);
  const mounted = (container.volumeMounts ?? []).filter(
    ({ name, readOnly }) => readOnly !== true && hostPaths.some(volume => volume.name === name),
  );
  return [
    ...(spec.hostNetwork === true
      ? ['hostNetwork also gives the machine’s UTS namespace: its host name, in place of spec.hostname']
      : []),
    ...(container.securityContext?.readOnlyRootFilesystem === true && mounted.length > 0
      ? [
          `readOnlyRootFilesystem is about the root alone: ${mounted.map(({ mountPath }) => mountPath).join(', ')} can be written to`,
        ]
      : []),
    ...(forbidden === undefined
      ? []
      : [`the pod is rejected, unless --allowed-unsafe-sysctls allows it: ${forbidden}`]),
    ...(container.stdin === true
      ? ['stdin: what reads standard input waits until somebody writes there, and only run -i can']
      : []),
    ...(spec.securityContext?.fsGroup !== undefined && hostPaths.length > 0
      ? ['fsGroup does not change the owner of hostPath volumes']
      : []),
  ];
}

function explainFiles(
  pod: Pod,
  container: Container,
  context: EffectiveSecurityContext,
): readonly Explanation[] {
  const masked = context.maskedPaths.length;
  return [
    {
      topic: 'root filesystem',
      text: context.readOnlyRootFilesystem
        ? 'read-only; volumes, /dev, /dev/shm and /etc/hosts stay writable'
        : 'writable, and thrown away at the end',
      origin: context.origins.readOnlyRootFilesystem,
      fields: ['readOnlyRootFilesystem'],
    },
    {
      topic: '/proc and /sys',
      text:
        masked === 0
          ? 'as the kernel has them: nothing is masked or read-only'
          : `${masked} paths masked (${context.maskedPaths.slice(0, 3).join(', ')}, …), ${context.readonlyPaths.length} read-only (${context.readonlyPaths.join(', ')})`,
      origin: context.privileged ? context.origins.privileged : context.origins.procMount,
    },
    ...(container.volumeMounts ?? []).map(mount => explainMount(pod, mount)),
  ];
}
