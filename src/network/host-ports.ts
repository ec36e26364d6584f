import { canonicalAddress, type Family, familyOf } from '../base/addresses.ts';
import { addressOf, type NetworkPod, type NetworkPort, type Protocol } from './state.ts';

/** What the scheduler says of a pod whose ports another one has: one node, and nobody to push aside. */
export const NO_FREE_PORTS =
  "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";

const ANY = '0.0.0.0';

export interface HostPortConflict {
  /** FailedScheduling's text. */
  readonly message: string;
  readonly port: NetworkPort;
  /** The pod that has it. */
  readonly holder: NetworkPod;
}

/**
 * The first host port of a pod that another live one has already (HostPortInfo of pkg/scheduler/framework): with the same
 * protocol, at the same address or with one of the two at any. Sidecars' ports count, and with hostNetwork every port of a
 * container, which is a host port by default.
 */
export function hostPortConflict(
  pods: readonly NetworkPod[],
  candidate: NetworkPod,
): HostPortConflict | undefined {
  for (const port of candidate.ports.filter(hasHostPort)) {
    const holder = pods.find(
      pod => pod.uid !== candidate.uid && pod.ports.filter(hasHostPort).some(other => collide(port, other)),
    );
    if (holder !== undefined) return { message: NO_FREE_PORTS, port, holder };
  }
  return undefined;
}

function hasHostPort(port: NetworkPort): port is NetworkPort & { readonly hostPort: number } {
  return (port.hostPort ?? 0) > 0;
}

function collide(one: NetworkPort, other: NetworkPort): boolean {
  const [ip, otherIp] = [one.hostIP || ANY, other.hostIP || ANY];
  return (
    one.protocol === other.protocol &&
    one.hostPort === other.hostPort &&
    (ip === otherIp || ip === ANY || otherIp === ANY)
  );
}

/** A way in from the node's addresses to a pod. */
export interface HostPortMapping {
  readonly family: Family;
  readonly protocol: Protocol;
  /** One of the node's addresses; undefined for all of the family. */
  readonly hostIP: string | undefined;
  readonly hostPort: number;
  readonly pod: NetworkPod;
  readonly podIP: string;
  readonly containerPort: number;
}

const UNSPECIFIED: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/**
 * What is mapped, as portmap does it: ports of `spec.containers`, for each address of the pod. A hostIP of the other family
 * is passed over, an unspecified one stands for every address of its own.
 */
export function hostPortMappings(pods: readonly NetworkPod[], family: Family): readonly HostPortMapping[] {
  return pods
    .filter(pod => !pod.hostNetwork)
    .flatMap(pod => {
      const podIP = addressOf(pod, family);
      if (podIP === undefined) return [];
      return pod.ports.filter(hasHostPort).flatMap(port => {
        const { protocol, hostPort, containerPort, sidecar } = port;
        const hostIP = port.hostIP ? canonicalAddress(port.hostIP) : undefined;
        if (sidecar === true || (hostIP !== undefined && familyOf(hostIP) !== family)) return [];
        const isAny = hostIP === undefined || UNSPECIFIED.has(hostIP);
        return [
          { family, protocol, hostIP: isAny ? undefined : hostIP, hostPort, pod, podIP, containerPort },
        ];
      });
    });
}
