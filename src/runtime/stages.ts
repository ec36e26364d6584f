import { formatAddress } from '../base/addresses.ts';
import { EMPTY_CONFIG } from '../image/config.ts';
import { ImageStore } from '../image/store.ts';
import type { PodObjects } from '../kube/environment.ts';
import type { Container, Pod } from '../kube/types.generated.ts';
import type { Arch } from '../linux/arch.ts';
import { hostArch } from '../native/library.ts';
import { formatCidr, usable } from '../network/addresses.ts';
import { POD_DEVICE } from '../network/names.ts';
import { ETHERNET_MTU } from '../network/node.ts';
import { describeWiring, GATEWAYS } from '../network/pod-wiring.ts';
import { NO_CGROUPS, planCgroup } from '../oci/cgroup-plan.ts';
import { deviceRules } from '../oci/device-rules.ts';
import { podNames } from '../oci/etc-files.ts';
import { ID_RANGE_SIZE } from '../oci/generate.ts';
import type { HostFacts } from '../oci/host-facts.ts';
import type { PreparedVolume } from '../oci/mounts.ts';
import { PodPaths, type Roots } from '../oci/pod-paths.ts';
import type { SeccompTools } from '../oci/seccomp/generate.ts';
import { type ContainerStages, compileStages } from '../pipeline.ts';
import type { Compiled } from '../program/compile.ts';
import {
  compileDeviceRules,
  compilePause,
  compileSandbox,
  compileUserNamespace,
} from '../program/compile-sandbox.ts';
import type { SecuritySettings } from '../security/effective.ts';
import type { IdentityError } from '../security/identity.ts';
import { gatherHostFacts } from './host-facts.ts';
import { type NetworkOptions, type NetworkSettings, networkSettings } from './pod-network.ts';
import { planPause, planSandbox } from './sandbox.ts';
import { pauseFilter, profileRootOf, type SeccompOptions, seccompReader } from './seccomp.ts';
import { placeOf, volumeOverlays } from './volume-places.ts';

/** The uid of a pod that is only looked at, so that what is printed is the same each time. */
export const NO_UID = '00000000-0000-4000-8000-000000000000';

export interface StagedContainer {
  readonly pod: Pod;
  readonly container: Container;
  readonly isInit: boolean;
  readonly stages: ContainerStages | IdentityError;
  readonly host: HostFacts;
  /** What the pod's network is, in words; undefined where it is the machine's. */
  readonly network: string | undefined;
  readonly imageWarning: string | undefined;
}

/** What the stages must know beside the manifest. */
export interface Machine {
  readonly host: HostFacts;
  readonly seccomp: SeccompTools;
  readonly settings: SecuritySettings;
  readonly network: NetworkSettings;
  readonly images: Pick<ImageStore, 'get' | 'layers'>;
  readonly arch: Arch;
}

export function thisMachine(roots: Roots, options: SeccompOptions & NetworkOptions = {}): Machine {
  const { seccompDefault, seccompProfileRoot } = options;
  return {
    host: gatherHostFacts(),
    seccomp: seccompReader(profileRootOf(roots, seccompProfileRoot)),
    settings: seccompDefault === undefined ? {} : { seccompDefault },
    network: networkSettings(options, 'podCidr'),
    images: new ImageStore(roots.state),
    arch: hostArch(),
  };
}

/** The programs that make a pod's shared namespaces, by what they are for. */
export function stageSandbox(
  pod: Pod,
  roots: Roots,
  { host, images, arch, seccomp, network }: Machine,
): ReadonlyMap<string, Compiled> {
  const paths = new PodPaths(roots, pod.metadata?.uid ?? NO_UID);
  const names = podNames(pod, host);
  const layers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].flatMap(
    ({ image }) => {
      const found = images.get(image ?? '');
      return found === undefined ? [] : images.layers(found);
    },
  );
  const plan = planSandbox(
    pod,
    paths,
    'error' in names ? undefined : names.nodename,
    layers,
    network.podCidrs !== undefined,
    volumeOverlays(pod, paths, images),
  );
  const programs = new Map<string, Compiled>([
    ...(plan.isInUserNamespace ? ([['user namespace', compileUserNamespace(arch)]] as const) : []),
    ['sandbox', compileSandbox(plan, arch)],
    ...(host.cgroups.isV2 ? ([['device rules', compileDeviceRules(deviceRules(false), arch)]] as const) : []),
  ]);
  const pause = planPause(pod, paths, plan, {
    cgroup: planCgroup(NO_CGROUPS, '', {}),
    filter: () => pauseFilter(host.kernelRelease, seccomp),
  });
  if (pause !== undefined) programs.set('pause', compilePause(pause, arch));
  return programs;
}

/** The addresses that a pod would have if it were the first one; a run takes some that are free. */
function firstAddresses(pod: Pod, { network, host }: Machine): readonly string[] {
  if (pod.spec?.hostNetwork === true) return [host.hostIP];
  if (network.podCidrs === undefined) return ['127.0.0.1'];
  return network.podCidrs.map(cidr => formatAddress({ family: cidr.family, value: usable(cidr).first }));
}

/** What is done for a pod's network in words, or undefined for one that gets none. */
export function stageNetwork(pod: Pod, machine: Machine): string | undefined {
  if (pod.spec?.hostNetwork === true || machine.network.podCidrs === undefined) return undefined;
  const addresses = firstAddresses(pod, machine);
  const uid = pod.metadata?.uid ?? NO_UID;
  return describeWiring({ uid, addresses, mtu: ETHERNET_MTU, hasIPv6: true });
}

function describeNetwork(pod: Pod, machine: Machine): string | undefined {
  const { podCidrs } = machine.network;
  if (pod.spec?.hostNetwork === true) return undefined;
  if (podCidrs === undefined) return 'just lo: nothing beyond the pod can be reached, nor reach it';
  const addresses = firstAddresses(pod, machine).join(' and ');
  const ranges = podCidrs.map(formatCidr).join(' and ');
  const gateways = podCidrs.map(({ family }) => GATEWAYS[family]).join(' and ');
  return `${POD_DEVICE} has ${addresses}, or the lowest free of ${ranges}; the node is ${gateways}, and the way to all others`;
}

/** Every container of every pod through all stages, without touching anything. */
export function stageAll(
  pods: readonly Pod[],
  objects: PodObjects,
  roots: Roots,
  machine: Machine = thisMachine(roots),
): readonly StagedContainer[] {
  const { host, images, arch, seccomp, settings } = machine;
  return pods.flatMap(pod => {
    const names = podNames(pod, host);
    const hostname = 'error' in names ? '' : names.hostname;
    const paths = new PodPaths(roots, pod.metadata?.uid ?? NO_UID);
    const volumes = pretendVolumes(pod, paths, machine);
    const network = describeNetwork(pod, machine);
    const all = [
      ...(pod.spec?.initContainers ?? []).map(container => ({ container, isInit: true })),
      ...(pod.spec?.containers ?? []).map(container => ({ container, isInit: false })),
    ];
    return all.map(({ container, isInit }) => {
      const image = images.get(container.image ?? '');
      const config = image?.config ?? EMPTY_CONFIG;
      const stages = compileStages({
        pod,
        container:
          image === undefined && (container.command ?? []).length === 0
            ? { ...container, command: ['(the image’s command)'] }
            : container,
        image: {
          identity: { user: config.User, passwd: image?.users.passwd ?? [], group: image?.users.group ?? [] },
          defaults: {
            entrypoint: config.Entrypoint,
            cmd: config.Cmd,
            env: config.Env,
            workingDir: config.WorkingDir,
            volumes: config.Volumes,
          },
          layers: image === undefined ? ['images/roots/(unknown)/rootfs'] : images.layers(image),
        },
        objects,
        host,
        paths,
        volumes,
        hostname,
        podIPs: firstAddresses(pod, machine),
        attempt: 0,
        cgroupsPath: `/podspace/${paths.uid}/${container.name}`,
        // A run takes one that is free.
        hostRoot: ID_RANGE_SIZE,
        terminal: container.tty === true,
        stdin: container.stdin === true ? 'pipe' : 'null',
        settings,
        seccomp,
        arch,
      });
      const imageWarning =
        image === undefined
          ? `container "${container.name}": image "${container.image ?? ''}" is not in the local store; its user, command and environment are unknown`
          : undefined;
      return { pod, container, isInit, stages, host, network, imageWarning };
    });
  });
}

/** Where volumes would be. */
function pretendVolumes(pod: Pod, paths: PodPaths, { images }: Machine): ReadonlyMap<string, PreparedVolume> {
  return new Map((pod.spec?.volumes ?? []).map(volume => [volume.name, placeOf(pod, volume, paths, images)]));
}
