import { selectorMatches } from '../kube/label-selector.ts';
import type {
  LabelSelector,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from '../kube/types.generated.ts';
import { type NetworkPod, type NodeState, namespaceLabels, type Protocol, protocolOf } from './state.ts';

export const DIRECTIONS = ['Egress', 'Ingress'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** A rule of either direction: any of the peers (all there are, if none is named) at any of the ports. */
export interface PolicyRule {
  readonly peers: readonly NetworkPolicyPeer[];
  readonly ports: readonly NetworkPolicyPort[];
}

/** The rules of a policy that is about a direction; undefined for one that is not. No rule at all lets nothing through. */
export function rulesOf(
  { spec = {} }: NetworkPolicy,
  direction: Direction,
): readonly PolicyRule[] | undefined {
  if (spec.policyTypes?.includes(direction) !== true) return undefined;
  return direction === 'Ingress'
    ? (spec.ingress ?? []).map(({ from = [], ports = [] }) => ({ peers: from, ports }))
    : (spec.egress ?? []).map(({ to = [], ports = [] }) => ({ peers: to, ports }));
}

/** Whether policies are about a pod at all: the node's network is nobody's to isolate. */
export function isGoverned(pod: NetworkPod): boolean {
  return !pod.hostNetwork && pod.ips.length > 0;
}

/** Pods, by what policies say of them. */
export interface Selection {
  /** The pods that a policy isolates. */
  selectedBy(policy: NetworkPolicy): readonly NetworkPod[];
  /** The pods that a peer without ipBlock stands for, seen from a policy's namespace. */
  peers(peer: NetworkPolicyPeer, namespace: string): readonly NetworkPod[];
}

/** Looks pods up by namespace and label, so that a selector costs what it selects, not what there is. */
export function selectPods(state: Pick<NodeState, 'pods' | 'namespaces'>): Selection {
  const labelsOf = namespaceLabels(state.namespaces);
  const index = new Map<string, NetworkPod[]>();
  const add = (key: string, pod: NetworkPod): void => {
    const pods = index.get(key);
    if (pods === undefined) index.set(key, [pod]);
    else pods.push(pod);
  };
  const governed = state.pods.filter(isGoverned);
  for (const pod of governed) {
    add(pod.namespace, pod);
    for (const [key, value] of Object.entries(pod.labels)) add(`${pod.namespace} ${key}=${value}`, pod);
  }
  const namespaces = [...new Set(governed.map(({ namespace }) => namespace))];
  const matching = (selector: LabelSelector, namespace: string): readonly NetworkPod[] => {
    const [first] = Object.entries(selector.matchLabels ?? {});
    const candidates = index.get(first === undefined ? namespace : `${namespace} ${first[0]}=${first[1]}`);
    return (candidates ?? []).filter(pod => selectorMatches(selector, pod.labels));
  };
  return {
    selectedBy: ({ metadata, spec }) => matching(spec?.podSelector ?? {}, metadata?.namespace ?? 'default'),
    peers: ({ podSelector = {}, namespaceSelector }, namespace) =>
      namespaceSelector === undefined
        ? matching(podSelector, namespace)
        : namespaces
            .filter(name => selectorMatches(namespaceSelector, labelsOf(name)))
            .flatMap(name => matching(podSelector, name)),
  };
}

export interface PortRange {
  readonly protocol: Protocol;
  readonly first: number;
  readonly last: number;
}

/** What a port of a rule means for a destination: a name only means something to a pod, and is no port of others. */
export function portRanges(
  port: NetworkPolicyPort,
  destination: NetworkPod | undefined,
): readonly PortRange[] {
  const protocol = protocolOf(port.protocol);
  if (port.port === undefined) return [{ protocol, first: 0, last: 65535 }];
  if (typeof port.port === 'number') return [{ protocol, first: port.port, last: port.endPort ?? port.port }];
  return (destination?.ports ?? [])
    .filter(({ name, protocol: each }) => name === port.port && each === protocol)
    .map(({ containerPort }) => ({ protocol, first: containerPort, last: containerPort }));
}

/** The union, sorted by protocol and port. */
export function mergePorts(ranges: readonly PortRange[]): readonly PortRange[] {
  const sorted = [...ranges].sort((one, other) =>
    one.protocol === other.protocol ? one.first - other.first : one.protocol < other.protocol ? -1 : 1,
  );
  const merged: PortRange[] = [];
  for (const range of sorted) {
    const before = merged.at(-1);
    if (before?.protocol !== range.protocol || range.first > before.last + 1) merged.push(range);
    else if (range.last > before.last) merged[merged.length - 1] = { ...before, last: range.last };
  }
  return merged;
}
