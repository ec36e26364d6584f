import { errnoCode, UserError } from '../base/errors.ts';
import { type Image, layerIds } from '../image/store.ts';
import type { Container, Pod } from '../kube/types.generated.ts';
import { writeWithMode } from '../native/exact-mode.ts';
import { ProgramError } from '../native/execute.ts';
import { hostArch } from '../native/library.ts';
import { NetworkError } from '../network/errors.ts';
import { NO_FREE_PORTS } from '../network/host-ports.ts';
import { planCgroup } from '../oci/cgroup-plan.ts';
import { etcHosts, podNames } from '../oci/etc-files.ts';
import { type ResolvConfWarning, resolvConf } from '../oci/resolv-conf.ts';
import { podResources } from '../oci/resources.ts';
import type { ContainerInput } from '../pipeline.ts';
import { SYSCTL_PHASE } from '../program/phases/sysctls.ts';
import { rejectedByNode } from '../security/node-admission.ts';
import { CgroupError } from './cgroups.ts';
import { Cleanup } from './cleanup.ts';
import { CLUSTER } from './cluster-dns.ts';
import { deviceFilter } from './device-filter.ts';
import { followStored } from './follow-stored.ts';
import { allocateRange } from './id-ranges.ts';
import { PodLifecycle } from './lifecycle.ts';
import { NodeEntry } from './node-registry.ts';
import { requireServices } from './node-rules.ts';
import { CGROUP, createPodCgroup, removePodCgroups } from './pod-cgroup.ts';
import { PodDirectory, startTimeOf } from './pod-directory.ts';
import { findImages, holdLayers } from './pod-images.ts';
import { claimHostPorts, preparePodNetwork } from './pod-network.ts';
import type { ContainerResult, PodResult } from './pod-result.ts';
import type { RunPodOptions } from './run-options.ts';
import { createSandbox, SandboxError } from './sandbox.ts';
import { pauseFilter } from './seccomp.ts';
import { VolumeError } from './volume-error.ts';
import { imagesOfVolumes } from './volume-places.ts';
import { fillVolumes, prepareVolumes } from './volumes.ts';

/**
 * Runs a pod to its end and leaves nothing behind. What the pod does wrong is in the result; a UserError is thrown for
 * what keeps it from being tried at all (a missing image, a name in use).
 */
export async function runPod(options: RunPodOptions): Promise<PodResult> {
  const { pod, roots, host } = options;
  const { uid = '', name = '', namespace = 'default' } = pod.metadata ?? {};
  const rejection = rejectedByNode(pod, {
    allowedUnsafeSysctls: options.allowedUnsafeSysctls ?? [],
    modules: host.modules,
  });
  if (rejection !== undefined) return notRun(pod, 'Failed', rejection.reason, rejection.message);
  requireServices(options.networkObjects?.services ?? [], roots);
  const images = await findImages(options);
  const used = [...images.values(), ...imagesOfVolumes(pod, options.images)];
  const names = podNames(pod, host);
  if ('error' in names)
    return notRun(pod, 'Pending', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${names.error}`);
  const cleanup = new Cleanup();
  try {
    holdLayers(options, used, cleanup);
    // Free again only when no process has the ids and no file is left that belongs to them: the last undo.
    const hostRoot = pod.spec?.hostUsers === false ? allocateRange(uid, cleanup) : 0;
    const directory = PodDirectory.create(roots, uid, namespace, name);
    cleanup.add('files of the pod', () => directory.remove());
    const createdAt = Date.now();
    const { paths } = directory;
    cleanup.add('cgroups of the pod', async () => {
      try {
        await removePodCgroups(host.cgroups, uid);
      } catch (error) {
        directory.leaveToGc();
        throw error;
      }
    });
    const entry = new NodeEntry(uid, roots, cleanup);
    const { network: settings, networkObjects: objects, observer } = options;
    const networkInput = { pod, directory, host, settings, objects, observer };
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
        isWired: options.network.podCidrs !== undefined,
        hostRoot,
        pause: {
          cgroup: planCgroup(host.cgroups, `/${CGROUP}/${uid}/pause`, {}),
          filter: () => pauseFilter(host.kernelRelease, options.seccomp),
        },
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
    const wired = namespaces.then(async made => {
      const resolver = resolvConf(pod, host.resolvConf, (await network.wire(made)) ? CLUSTER : undefined);
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
    cleanup.add('watching objects', async () => {
      await sandboxFilled;
      stopFollowing();
    });
    const input = (container: Container, attempt: number): ContainerInput => ({
      ...streamsOf(options, container),
      pod,
      container,
      attempt,
      image: imageInput(options, images, container),
      objects: options.objects,
      host,
      paths,
      volumes,
      hostname: names.hostname,
      podIPs: network.podIPs,
      cgroupsPath: `/${CGROUP}/${uid}/${container.name}`,
      hostRoot,
      ...(options.podMaxPids === undefined ? {} : { podMaxPids: options.podMaxPids }),
      ...(options.settings === undefined ? {} : { settings: options.settings }),
      seccomp: options.seccomp,
      isAudited: options.onAudited !== undefined,
      arch: hostArch(),
    });
    const lifecycle = new PodLifecycle(options, input, {
      paths,
      images,
      sandbox,
      reach: {
        network: {
          namespace: pod.spec?.hostNetwork === true ? undefined : paths.namespace('network'),
          podIP: network.podIPs[0] ?? '127.0.0.1',
        },
        ...(hostRoot === 0 ? {} : { hostRoot }),
      },
      kill: () => cgroup?.tracking.kill(),
      record: (containers, pause, isEnding) => {
        network.record(isEnding ? [] : containers.filter(({ ready }) => ready).map(({ name }) => name));
        directory.write({
          uid,
          name,
          namespace,
          createdAt,
          pod,
          ...(options.decision === undefined
            ? {}
            : {
                admission: {
                  policy: options.decision.policy?.policy,
                  enforced: options.decision.enforced,
                },
              }),
          owner: { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' },
          pause:
            pause === undefined ? undefined : { pid: pause.pid, startTime: startTimeOf(pause.pid) ?? '' },
          cgroup: cgroup?.tracking.path,
          ...(pod.spec?.hostUsers === false ? { hostRoot } : {}),
          images: [...new Set(used.flatMap(image => [image.id, ...layerIds(image)]))],
          containers,
        });
      },
    });
    options.onSignals?.(signal => lifecycle.signal(signal));
    return await lifecycle.run();
  } catch (error) {
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
    throw isDiskFailure(error)
      ? new UserError(`cannot write the pod's files, in ${roots.run} and ${roots.state}: ${error.message}`, {
          cause: error,
        })
      : error;
  } finally {
    await cleanup.run();
  }
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

/** Errors of Node's that need not say where they happened. */
function isDiskFailure(error: unknown): error is Error {
  return ['ENOSPC', 'EDQUOT', 'EROFS'].includes(errnoCode(error) ?? '');
}

function hasHostPorts({ spec }: Pod): boolean {
  const all = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  return all.some(({ ports = [] }) => ports.some(({ hostPort = 0 }) => hostPort > 0));
}

/** What the spec says, and what the caller adds to it for the container that it is attached to. */
function streamsOf(
  { attached }: RunPodOptions,
  container: Container,
): Pick<ContainerInput, 'terminal' | 'consoleSize' | 'stdin'> {
  const own = attached?.name === container.name ? attached : undefined;
  return {
    terminal: container.tty === true || own?.terminal === true,
    ...(own?.consoleSize === undefined ? {} : { consoleSize: own.consoleSize }),
    stdin: container.stdin === true || own?.connect !== undefined ? 'pipe' : 'null',
  };
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

function imageInput(
  { images }: RunPodOptions,
  found: ReadonlyMap<string, Image>,
  container: Container,
): ContainerInput['image'] {
  const image = found.get(container.name);
  if (image === undefined) throw new Error(`bug in podspace: no image for ${container.name}`);
  const { config, users } = image;
  return {
    identity: { user: config.User, passwd: users.passwd, group: users.group },
    defaults: {
      entrypoint: config.Entrypoint,
      cmd: config.Cmd,
      env: config.Env,
      workingDir: config.WorkingDir,
    },
    layers: images.layers(image),
  };
}
