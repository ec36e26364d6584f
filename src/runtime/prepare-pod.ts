import { UserError } from '../base/errors.ts';
import { type Image, layerIds } from '../image/store.ts';
import type { Pod } from '../kube/types.generated.ts';
import { writeWithMode } from '../native/exact-mode.ts';
import { ProgramError } from '../native/execute.ts';
import { NetworkError } from '../network/errors.ts';
import { NO_FREE_PORTS } from '../network/host-ports.ts';
import { planCgroup } from '../oci/cgroup-plan.ts';
import { etcHosts, podNames } from '../oci/etc-files.ts';
import type { PodPaths, Roots } from '../oci/pod-paths.ts';
import { type ResolvConfWarning, resolvConf } from '../oci/resolv-conf.ts';
import { podResources } from '../oci/resources.ts';
import { SYSCTL_PHASE } from '../program/phases/sysctls.ts';
import { rejectedByNode } from '../security/node-admission.ts';
import { CgroupError } from './cgroups.ts';
import type { Cleanup } from './cleanup.ts';
import { CLUSTER } from './cluster-dns.ts';
import { deviceFilter } from './device-filter.ts';
import { isDiskFailure } from './disk-failure.ts';
import { followStored } from './follow-stored.ts';
import { allocateRange } from './id-ranges.ts';
import type { Keeper } from './keeper.ts';
import { NodeEntry } from './node-registry.ts';
import { requireServices } from './node-rules.ts';
import { CGROUP, createPodCgroup, removePodCgroups } from './pod-cgroup.ts';
import { PodDirectory } from './pod-directory.ts';
import { findImages, findVolumeImages, holdLayers } from './pod-images.ts';
import { claimHostPorts, type PodNetwork, preparePodNetwork } from './pod-network.ts';
import type { ContainerResult, PodResult } from './pod-result.ts';
import type { RunPodOptions } from './run-options.ts';
import { createSandbox, type Sandbox, SandboxError } from './sandbox.ts';
import { pauseFilter } from './seccomp.ts';
import { VolumeError } from './volume-error.ts';
import { volumeOverlays } from './volume-places.ts';
import { fillVolumes, type PodVolume, prepareVolumes } from './volumes.ts';

/** What a pod's containers are made with, once and for all: how it is found again, too, so that it must be plain JSON. */
export interface PodFacts {
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly images: readonly (readonly [container: string, image: Image])[];
  /** Ids of images and layers that are in use. */
  readonly used: readonly string[];
  readonly volumes: readonly (readonly [name: string, volume: PodVolume])[];
  readonly hostname: string;
  readonly podIPs: readonly string[];
  readonly hostRoot: number;
  /** Path of the cgroup that its processes are tracked in. */
  readonly cgroup: string | undefined;
}

/** A pod that is made, or is being made: its containers can be compiled, and start when the sandbox is there. */
export interface PreparedPod {
  readonly facts: PodFacts;
  readonly paths: PodPaths;
  readonly sandbox: Promise<Sandbox>;
  readonly network: Pick<PodNetwork, 'record'>;
}

/**
 * Makes all that a pod's containers need. A UserError is thrown for what keeps it from being tried at all (a missing image, a
 * name in use); other errors are what {@link failureOf} has words for. `startKeeper` is called when its directory is there.
 */
export async function preparePod(
  options: RunPodOptions,
  cleanup: Cleanup,
  startKeeper?: (directory: PodDirectory) => Promise<Keeper>,
): Promise<PreparedPod | PodResult> {
  const { pod, roots, host } = options;
  const { uid = '', name = '', namespace = 'default' } = pod.metadata ?? {};
  const rejection = rejectedByNode(pod, {
    allowedUnsafeSysctls: options.allowedUnsafeSysctls ?? [],
    modules: host.modules,
  });
  if (rejection !== undefined) return notRun(pod, 'Failed', rejection.reason, rejection.message);
  requireServices(options.networkObjects?.services ?? [], roots);
  const images = await findImages(options);
  const used = [...images.values(), ...(await findVolumeImages(options))];
  const names = podNames(pod, host);
  if ('error' in names)
    return notRun(pod, 'Pending', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${names.error}`);
  holdLayers(options, used, cleanup);
  // Free again only when no process has the ids and no file is left that belongs to them: the last undo.
  const hostRoot = pod.spec?.hostUsers === false ? allocateRange(uid, cleanup) : 0;
  const directory = PodDirectory.create(roots, uid, namespace, name);
  cleanup.add('files of the pod', () => directory.remove());
  for (const [i, lock] of directory.locks.entries()) cleanup.keep(`lock ${i}`, lock);
  const createdAt = Date.now();
  const { paths } = directory;
  const keeper = await startKeeper?.(directory);
  if (keeper !== undefined) cleanup.add('podspace-shim', () => keeper.shim.end());
  cleanup.add('cgroups of the pod', async () => {
    try {
      await removePodCgroups(host.cgroups, uid);
    } catch (error) {
      directory.leaveToGc();
      throw error;
    }
  });
  const entry = NodeEntry.create(uid, roots, cleanup);
  const { network: settings, networkObjects: objects, observer } = options;
  const networkInput = { pod, paths, host, settings, objects, observer };
  if (hasHostPorts(pod) && !(await claimHostPorts(networkInput, entry, options.signal)))
    return notRun(pod, 'Pending', 'Unschedulable', NO_FREE_PORTS);
  // In threads, while the rest is made here.
  if (host.cgroups.isV2) void deviceFilter().catch(() => {});
  const namespaces = createSandbox(
    {
      pod,
      paths,
      nodename: names.nodename,
      layers: [...images.values()].flatMap(image => options.images.layers(image)),
      overlays: volumeOverlays(pod, paths, options.images),
      isWired: options.network.podCidrs !== undefined,
      hostRoot,
      pause: {
        cgroup: planCgroup(host.cgroups, `/${CGROUP}/${uid}/pause`, {}),
        filter: () => pauseFilter(host.kernelRelease, options.seccomp),
      },
      shim: keeper?.shim,
    },
    cleanup,
    options.trace === true ? options.observer.onTrace : undefined,
  );
  const sandboxEnded = ended(namespaces);
  cleanup.add('the sandbox', () => sandboxEnded);
  const cgroup = createPodCgroup(host.cgroups, uid, podResources(pod, host, options.podMaxPids));
  for (const warning of cgroup?.warnings ?? []) options.observer.onWarning?.(warning);
  const network = preparePodNetwork(networkInput, entry, cleanup);
  const volumes = prepareVolumes(pod, options.objects, paths, {
    capacity: host,
    images: options.images,
  });
  writeWithMode(paths.etcFile('hosts'), etcHosts(pod, names, network.podIPs, host), 0o644);
  writeWithMode(paths.etcFile('hostname'), `${names.hostname}\n`, 0o644);
  network.record([]);
  const wired = network.wire(namespaces).then(hasDns => {
    const resolver = resolvConf(pod, host.resolvConf, hasDns ? CLUSTER : undefined);
    writeWithMode(paths.etcFile('resolv.conf'), resolver.text, 0o644);
    tellOfResolver(options.observer, resolver.warnings);
  });
  const wiringEnded = ended(wired);
  cleanup.add('making the pod’s network', () => wiringEnded);
  let stopFollowing = (): void => {};
  const sandbox = namespaces.then(async made => {
    fillVolumes(pod, volumes, made.directory);
    stopFollowing = await followStored(options, volumes, made);
    await wired;
    return made;
  });
  // Containers are compiled meanwhile, and wait for it then.
  const sandboxFilled = ended(sandbox);
  const stop = async (): Promise<void> => {
    await sandboxFilled;
    stopFollowing();
  };
  cleanup.add('watching objects', stop, { isOwn: true });
  const facts = {
    createdAt,
    images: [...images],
    used: [...new Set(used.flatMap(image => [image.id, ...layerIds(image)]))],
    volumes: [...volumes],
    hostname: names.hostname,
    podIPs: network.podIPs,
    hostRoot,
    cgroup: cgroup?.tracking.path,
  };
  return { facts, paths, sandbox, network };
}

/** How a pod ended that could not be made; undefined for what is nobody's fault but podspace's. */
export function failureOf(pod: Pod, uid: string, error: unknown): PodResult | undefined {
  if (error instanceof VolumeError) return notRun(pod, 'Pending', error.reason, error.message);
  // Containers' programs fail in their own result: this one was the sandbox's.
  if (error instanceof NetworkError) {
    const message = `Failed to create pod sandbox: failed to setup network for sandbox "${uid}": ${error.message}`;
    return notRun(pod, 'Pending', 'FailedCreatePodSandBox', message);
  }
  if (error instanceof ProgramError || error instanceof CgroupError || error instanceof SandboxError) {
    const message = `Failed to create pod sandbox: ${settingOf(error)}${error.message}`;
    return notRun(pod, 'Pending', 'FailedCreatePodSandBox', message);
  }
  return undefined;
}

/** A full disk is the user's to know of. */
export function explainDisk(error: unknown, roots: Roots): unknown {
  if (!isDiskFailure(error)) return error;
  const where = `${roots.run} and ${roots.state}`;
  return new UserError(`cannot write the pod's files, in ${where}: ${error.message}`, { cause: error });
}

/** Every pod of a machine without cluster DNS has the first of these; what was left out of a list the user must see. */
function tellOfResolver(observer: RunPodOptions['observer'], warnings: readonly ResolvConfWarning[]): void {
  for (const { reason, message } of warnings) {
    observer.onEvent?.('Warning', reason, message, '');
    if (reason === 'DNSConfigForming') observer.onWarning?.(message);
  }
}

/** When it has been done, or has failed. */
const ended = (deed: Promise<unknown>): Promise<void> =>
  deed.then(
    () => {},
    () => {},
  );

/** Whether it may have to wait for a port of the node. */
export function hasHostPorts({ spec }: Pod): boolean {
  const all = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  return all.some(({ ports = [] }) => ports.some(({ hostPort = 0 }) => hostPort > 0));
}

/** A call that writes a sysctl does not say which. */
function settingOf(error: Error): string {
  if (!(error instanceof ProgramError)) return '';
  const phase = error.program.instructions[error.report.pc]?.phase ?? '';
  return phase.startsWith(SYSCTL_PHASE) ? `${phase}: ` : '';
}

function notRun(pod: Pod, phase: PodResult['phase'], reason: string, message: string): PodResult {
  const { uid = '', name = '', namespace = 'default' } = pod.metadata ?? {};
  const containers: ContainerResult[] = [];
  return { name, namespace, uid, phase, reason, message, containers };
}
