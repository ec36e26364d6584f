/**
 * The stages in order, all of them pure. Read this first; each call's own folder says the rest.
 *
 *   decoded Pod ─▶ defaulted, admitted and valid Pod ─▶ EffectiveSecurityContext ─▶ OCI config ─▶ syscall program
 *
 * The first arrow is acceptPod() of admission/accept.ts, once for each pod; the others are here, once for each container.
 */
import { type PodObjects, resolveEnvironment } from './kube/environment.ts';
import { expandSubPaths } from './kube/sub-path.ts';
import type { Container, Pod } from './kube/types.generated.ts';
import type { Arch } from './linux/arch.ts';
import { MASKED_PATHS } from './linux/protected-paths.ts';
import { type CgroupPlan, planCgroup } from './oci/cgroup-plan.ts';
import type { OciConfig, OciMount } from './oci/config.ts';
import { generate } from './oci/generate.ts';
import type { HostFacts } from './oci/host-facts.ts';
import type { ImageDefaults } from './oci/image-config.ts';
import { type ImageVolume, imageVolumes } from './oci/image-volumes.ts';
import { type PreparedVolume, subPaths } from './oci/mounts.ts';
import type { PodPaths } from './oci/pod-paths.ts';
import { oomScoreAdj, podResources } from './oci/resources.ts';
import {
  compileFilter,
  generateSeccomp,
  type SeccompFilter,
  type SeccompTools,
} from './oci/seccomp/generate.ts';
import { type Compiled, compileContainer } from './program/compile.ts';
import type { ContainerPlan } from './program/plan.ts';
import {
  determineEffectiveSecurityContext,
  type EffectiveSecurityContext,
  type SecuritySettings,
} from './security/effective.ts';
import type { IdentityError, ImageIdentity } from './security/identity.ts';
import { determineLabels } from './security/labels.ts';

/** What the runtime knows about one container before it starts. */
export interface ContainerInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly image: {
    readonly identity: ImageIdentity;
    readonly defaults: ImageDefaults;
    readonly layers: readonly string[];
  };
  readonly objects: PodObjects;
  readonly host: HostFacts;
  readonly paths: PodPaths;
  readonly volumes: ReadonlyMap<string, PreparedVolume>;
  readonly hostname: string;
  /** The first is its `status.podIP`. */
  readonly podIPs: readonly string[];
  readonly attempt: number;
  readonly cgroupsPath: string;
  /** The host's number of user 0, where the pod has a user namespace. */
  readonly hostRoot: number;
  /** The kubelet's --pod-max-pids. */
  readonly podMaxPids?: number;
  readonly settings?: SecuritySettings;
  readonly seccomp: SeccompTools;
  /** Its filter asks about every system call, in place of its own. */
  readonly isAudited?: boolean;
  readonly terminal: boolean;
  readonly consoleSize?: OciConfig['process']['consoleSize'];
  readonly stdin: 'null' | 'pipe';
  readonly arch: Arch;
}

export interface ContainerStages {
  readonly security: EffectiveSecurityContext;
  readonly oci: OciConfig;
  readonly plan: ContainerPlan;
  readonly compiled: Compiled;
  readonly cgroup: CgroupPlan;
  /** What of the image is to be copied before the program runs. */
  readonly imageVolumes: readonly ImageVolume[];
  readonly warnings: readonly string[];
}

/** All stages of one container; or why the kubelet would not create it. */
export function compileStages(asked: ContainerInput): ContainerStages | IdentityError {
  const { pod, image, host, paths } = asked;
  const security = determineEffectiveSecurityContext(
    pod,
    asked.container,
    image.identity,
    host,
    asked.settings,
  );
  if ('error' in security) return security;
  const environment = resolveEnvironment(pod, asked.container, asked.objects, {
    podIPs: asked.podIPs,
    nodeName: host.hostname,
    capacity: host,
    // Looking for it takes a while, and hardly anybody asks.
    get hostIP() {
      return host.hostIP;
    },
  });
  if ('error' in environment) return { reason: 'CreateContainerConfigError', error: environment.error };
  const container = expandSubPaths(asked.container, environment.env);
  if ('error' in container) return { reason: 'CreateContainerConfigError', error: container.error };
  const input = { ...asked, container };
  const seccomp = generateSeccomp(
    security.seccompProfile,
    { capabilities: security.capabilities, arch: input.arch, kernelRelease: host.kernelRelease },
    input.seccomp,
  );
  if (seccomp !== undefined && 'error' in seccomp)
    return { reason: 'CreateContainerError', error: seccomp.error };
  const filter = compileFilter(seccomp, input.seccomp);
  if (filter !== undefined && 'error' in filter)
    return { reason: 'CreateContainerError', error: filter.error };
  const labels = determineLabels(pod, container, host.modules);
  if ('error' in labels) return { reason: 'CreateContainerError', error: labels.error };
  const own = imageVolumes(image.defaults.volumes, container, input.attempt, paths);
  if ('error' in own) return { reason: 'CreateContainerError', error: own.error };
  const oci = generate({
    ...input,
    imageVolumes: own,
    labels,
    seccomp,
    context: security,
    image: image.defaults,
    env: environment.env,
    rootPath: paths.root,
  });
  const error = unusable(oci, container) ?? unmappedUser(oci);
  if (error !== undefined) return { reason: 'CreateContainerError', error };
  const cgroup = planCgroup(
    host.cgroups,
    input.cgroupsPath,
    oci.linux.resources,
    podResources(pod, host, input.podMaxPids),
  );
  const plan = planContainer(input, security, oci, cgroup, filter);
  return {
    security,
    oci,
    plan,
    compiled: compileContainer(plan, input.arch),
    cgroup,
    imageVolumes: own,
    warnings: [
      ...labels.warnings,
      ...security.warnings,
      ...environment.warnings,
      ...resourceWarnings(input, cgroup),
    ],
  };
}

/** What of the resources this machine cannot do. */
function resourceWarnings(
  { pod, container, host }: ContainerInput,
  { missing }: CgroupPlan,
): readonly string[] {
  const score = oomScoreAdj(pod, container, host);
  return [
    ...missing.map(
      ({ controller, what }) =>
        `${what} are not enforced: this machine has no ${controller} cgroup controller`,
    ),
    ...(score < host.minOomScoreAdj
      ? [`oom_score_adj is ${host.minOomScoreAdj}, not ${score}: podspace has no CAP_SYS_RESOURCE here`]
      : []),
  ];
}

/** What a pod or an image can say and nobody can do. The kernel would end each text at its first NUL, in silence. */
function unusable({ process, mounts }: OciConfig, { volumeMounts = [] }: Container): string | undefined {
  if (process.args.length === 0) return 'no command specified';
  if (!process.cwd.startsWith('/'))
    return `working directory ${JSON.stringify(process.cwd)} is not an absolute path`;
  const destinations = mounts.map(({ destination }) => destination);
  const texts = [
    ...process.args,
    ...process.env,
    process.cwd,
    ...volumeMounts.map(({ subPath = '' }) => subPath),
    ...mounts.flatMap(({ destination, source }) => [destination, source]),
  ];
  const cut = texts.find(text => text.includes('\0'));
  if (cut !== undefined) return `${JSON.stringify(cut.slice(0, 60))} contains a NUL byte`;
  const overRoot = destinations.find(path => path.split('/').every(part => part === '' || part === '.'));
  return overRoot === undefined ? undefined : `mount path "${overRoot}" is the root itself`;
}

/** Ids beyond the pod's range are nobody's there. */
function unmappedUser({ process: { user }, linux: { uidMappings } }: OciConfig): string | undefined {
  const size = uidMappings?.[0]?.size;
  if (size === undefined) return undefined;
  const [kind, id] =
    user.uid >= size
      ? ['user', user.uid]
      : ['group', [user.gid, ...user.additionalGids].find(gid => gid >= size)];
  if (id === undefined) return undefined;
  return `${kind} ${id} is not in the pod's user namespace, which has ids 0 to ${size - 1}`;
}

/** What the OCI config has no words for. */
function planContainer(
  input: ContainerInput,
  security: EffectiveSecurityContext,
  oci: OciConfig,
  cgroup: CgroupPlan,
  seccomp: SeccompFilter | undefined,
): ContainerPlan {
  const { paths, container, image } = input;
  const hasUsers = security.namespaces.user === 'pod';
  // Relative to where the pod's sandbox shows them with the pod's own ids, or to the state as it is.
  const base = hasUsers ? paths.state : paths.roots.state;
  const layer = (part: 'upper' | 'work'): string =>
    `${hasUsers ? 'pod/' : ''}${paths.layer(container.name, input.attempt, part).slice(base.length + 1)}`;
  return {
    config: { ...oci, mounts: oci.mounts.flatMap(mount => realMounts(mount, input.host)) },
    rootfs: {
      kind: 'overlay',
      base: hasUsers ? paths.idmapped : paths.roots.state,
      lower: hasUsers ? image.layers.map(path => idmappedName(path)) : image.layers,
      upper: layer('upper'),
      work: layer('work'),
      mountPoint: oci.root.path,
    },
    // With the host's PID namespace there is nothing to hide: whoever may ptrace there could ptrace Node itself.
    // "/proc/self/exe" may be what an image says is its command, an interpreter or a link (CVE-2019-5736).
    runner: 'shim',
    sandboxMounts: {
      namespace: paths.namespace('mount'),
      paths: [paths.shm, paths.proc, `${paths.run}/volumes`],
    },
    subPaths: subPaths(container, input.volumes),
    maskedDirectories: oci.linux.maskedPaths.filter(
      path => MASKED_PATHS[path as keyof typeof MASKED_PATHS] !== 'file',
    ),
    fileMounts: oci.mounts
      .filter(({ destination, source }) => isFile(input, destination, source))
      .map(({ destination }) => destination),
    cgroupProcs: cgroup.joins,
    deviceCgroup: input.host.cgroups.isV2 && !security.privileged ? cgroup.path : undefined,
    seccomp,
    isAudited: input.isAudited === true,
    stdin: input.stdin,
  };
}

/** The directory below {@link PodPaths.idmapped} that shows a layer of an image. */
export function idmappedName(layer: string): string {
  return layer.replaceAll('/', '_');
}

/** A mount of type "cgroup" is a word of the runtime-spec, not a filesystem: what it stands for depends on the machine. */
function realMounts(mount: OciMount, host: HostFacts): readonly OciMount[] {
  if (mount.type !== 'cgroup') return [mount];
  return host.cgroupMounts.map(cgroup => ({ ...cgroup, options: [...cgroup.options, ...mount.options] }));
}

function isFile(
  { paths, volumes, container, attempt }: ContainerInput,
  destination: string,
  source: string,
): boolean {
  if (source.startsWith(`${paths.state}/etc-`)) return true;
  if (source === paths.terminationLog(container.name, attempt)) return true;
  const mount = container.volumeMounts?.find(
    ({ mountPath }) => mountPath.replace(/(.)\/$/, '$1') === destination,
  );
  const volume = mount === undefined ? undefined : volumes.get(mount.name);
  const subPath = mount?.subPath ?? '';
  if (volume?.files?.includes(subPath) === true) return true;
  return subPath !== '' && volume?.holdsFile?.(subPath) === true;
}
