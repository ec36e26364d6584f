import type { Image } from '../image/store.ts';
import type { Container } from '../kube/types.generated.ts';
import { hostArch } from '../native/library.ts';
import type { ContainerInput } from '../pipeline.ts';
import { Cgroup } from './cgroups.ts';
import type { LifecycleHooks } from './lifecycle-hooks.ts';
import { CGROUP } from './pod-cgroup.ts';
import { type ProcessRecord, startTimeOf, writeRecord } from './pod-directory.ts';
import type { PreparedPod } from './prepare-pod.ts';
import type { RunPodOptions } from './run-options.ts';

/** What a container of the pod is compiled from. */
export function containerInput(
  options: RunPodOptions,
  { facts, paths }: Pick<PreparedPod, 'facts' | 'paths'>,
): (container: Container, attempt: number) => ContainerInput {
  const { pod, host } = options;
  const images = new Map(facts.images);
  const volumes = new Map(facts.volumes);
  return (container, attempt) => ({
    ...streamsOf(options, container),
    pod,
    container,
    attempt,
    image: imageInput(options, images, container),
    objects: options.objects,
    host,
    paths,
    volumes,
    hostname: facts.hostname,
    podIPs: facts.podIPs,
    cgroupsPath: `/${CGROUP}/${paths.uid}/${container.name}`,
    hostRoot: facts.hostRoot,
    ...(options.podMaxPids === undefined ? {} : { podMaxPids: options.podMaxPids }),
    ...(options.settings === undefined ? {} : { settings: options.settings }),
    seccomp: options.seccomp,
    isAudited: options.onAudited !== undefined,
    arch: hostArch(),
  });
}

/** What the life of its containers needs of it. `owner` is the process that ends with the pod. */
export function lifecycleHooks(
  options: RunPodOptions,
  { facts, paths, sandbox, network }: PreparedPod,
  owner: ProcessRecord,
): LifecycleHooks {
  const { pod, host, decision } = options;
  const { uid = '', name = '', namespace = 'default' } = pod.metadata ?? {};
  const { createdAt, cgroup, used } = facts;
  return {
    paths,
    images: new Map(facts.images),
    sandbox,
    reach: {
      network: {
        namespace: pod.spec?.hostNetwork === true ? undefined : paths.namespace('network'),
        podIP: facts.podIPs[0] ?? '127.0.0.1',
      },
      ...(facts.hostRoot === 0 ? {} : { hostRoot: facts.hostRoot }),
    },
    kill: () => {
      if (cgroup !== undefined) new Cgroup(cgroup, host.cgroups.isV2).kill();
    },
    record: (containers, pause, isEnding) => {
      network.record(isEnding ? [] : containers.filter(({ ready }) => ready).map(each => each.name));
      writeRecord(paths, {
        uid,
        name,
        namespace,
        createdAt,
        pod,
        ...(decision === undefined
          ? {}
          : { admission: { policy: decision.policy?.policy, enforced: decision.enforced } }),
        owner,
        pause: pause === undefined ? undefined : { pid: pause.pid, startTime: startTimeOf(pause.pid) ?? '' },
        cgroup,
        ...(pod.spec?.hostUsers === false ? { hostRoot: facts.hostRoot } : {}),
        images: used,
        containers,
      });
    },
  };
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
      volumes: config.Volumes,
    },
    layers: images.layers(image),
  };
}
