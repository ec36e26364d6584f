import { parseCidr } from '../base/addresses.ts';
import { NODE } from './dns-rules.ts';
import { hostPortMappings } from './host-ports.ts';
import type { Flow } from './netfilter.ts';
import { containsAddress, type Ranges } from './ranges.ts';
import { serviceRoutes } from './services.ts';
import type { NodeState } from './state.ts';

/** netinet/in.h */
const IPPROTO_UDP = 17;

/** Where what is sent to an address and port ends: `FROM>ADDRESS:PORT` (no address: any of the node's) → `ADDRESS:PORT`. */
export type UdpTargets = ReadonlyMap<string, readonly string[]>;

/**
 * The kernel looks at rules for the first packet of a flow only, and a UDP flow has no end: as long as a client goes on
 * sending from one port, it sends to where the rules led when it began. So when they lead elsewhere, such flows must be
 * forgotten. (TCP ends by itself: a connection to a pod that is gone is reset or times out.)
 */
export function udpTargets(state: NodeState): UdpTargets {
  const targets = new Map<string, readonly string[]>();
  const add = (key: string, to: readonly string[]): void => {
    if (!targets.has(key)) targets.set(key, to);
  };
  for (const { from, address, port } of state.dns?.listeners ?? [])
    add(`${from === NODE ? '' : from}>${state.dns?.clusterIP}:53`, [`${address}:${port}`]);
  const mappings = [...hostPortMappings(state.pods, 'IPv4'), ...hostPortMappings(state.pods, 'IPv6')];
  for (const { family, protocol, hostIP = family, hostPort, podIP, containerPort } of mappings)
    if (protocol === 'UDP') add(`>${hostIP}:${hostPort}`, [`${podIP}:${containerPort}`]);
  for (const { family, protocol, clusterIP, externalIPs, port, nodePort, endpoints } of serviceRoutes(
    state,
  )) {
    if (protocol !== 'UDP') continue;
    const to = endpoints.map(endpoint => `${endpoint.ip}:${endpoint.port}`);
    for (const address of [clusterIP, ...externalIPs]) add(`>${address}:${port}`, to);
    if (nodePort !== undefined) add(`>${family}:${nodePort}`, to);
  }
  return targets;
}

/**
 * The targets as text: the same text, nothing to forget. What begins at a pod's own address and asks about names is left
 * out: it leads to the same listener for as long as there is one.
 */
export function describeTargets(targets: UdpTargets): string {
  return [...targets]
    .filter(([key]) => key.startsWith('>'))
    .map(([key, to]) => `${key} ${[...to].sort().join(',')}`)
    .sort()
    .join('\n');
}

/** Whether a flow goes where new ones of its kind would not. `isLocal` knows the node's own addresses. */
export function isStale(
  { protocol, family, source, destination, port, server, serverPort }: Flow,
  targets: UdpTargets,
  { podCidrs, serviceCidrs }: NodeState,
  isLocal: (address: string) => boolean,
): boolean {
  if (protocol !== IPPROTO_UDP) return false;
  const to =
    targets.get(`${source}>${destination}:${port}`) ??
    targets.get(`>${destination}:${port}`) ??
    (isLocal(destination) ? targets.get(`>${family}:${port}`) : undefined);
  if (to !== undefined) return !to.includes(`${server}:${serverPort}`);
  const isTranslated = server !== destination || serverPort !== port;
  // Others translate addresses too: only what led to a pod or from a Service was ours.
  return isTranslated && (within(podCidrs, server) || within(serviceCidrs, destination));
}

function within(cidrs: readonly string[], address: string): boolean {
  const ranges: Ranges = cidrs.flatMap(cidr => parseCidr(cidr) ?? []);
  return containsAddress(ranges, address);
}
