import { type Family, familyOf } from '../base/addresses.ts';
import { selectorMatches } from '../kube/label-selector.ts';
import type { NetworkPolicy, NetworkPolicyPeer } from '../kube/types.generated.ts';
import { type Direction, isGoverned, type PolicyRule, portRanges, rulesOf } from './policies.ts';
import { blockRanges, containsAddress } from './ranges.ts';
import {
  addressOf,
  byText,
  type NetworkPod,
  type NodeState,
  namespaceLabels,
  type Protocol,
  qualifiedName,
} from './state.ts';

/** Who talks: a pod, the node itself (pods with hostNetwork are the node, too), or an address somewhere else. */
export type Party =
  | { readonly kind: 'pod'; readonly pod: NetworkPod }
  | { readonly kind: 'node' }
  | { readonly kind: 'address'; readonly address: string };

export interface Connection {
  readonly protocol: Protocol;
  /** At the destination: a pod's own port, not the one of a Service or of the node. */
  readonly port: number;
  /** Of two pods with both, the one to look at; the first that both have otherwise. */
  readonly family?: Family;
}

/** A rule that lets a connection through. */
export interface AllowingRule {
  readonly policy: NetworkPolicy;
  /** Which of the policy's ingress or egress rules. */
  readonly index: number;
}

/** What policies say of one end. */
export interface DirectionVerdict {
  readonly allowed: boolean;
  /** The policies that isolate the pod in this direction, by name; with none everything is allowed. */
  readonly isolatedBy: readonly NetworkPolicy[];
  readonly allowedBy: readonly AllowingRule[];
}

/** Why a verdict is what it is. */
export type VerdictReason =
  /** A pod always reaches itself. */
  | 'itself'
  /** The node always reaches its pods, and they reach it. */
  | 'node'
  /** No pod of this node has a part in it. */
  | 'outside'
  /** The two have no family of addresses in common. */
  | 'family'
  /** Policies decide, or that there are none. */
  | 'policies';

export interface Verdict {
  readonly allowed: boolean;
  readonly reason: VerdictReason;
  /** Of the source and of the destination, where that is a pod and policies decide. */
  readonly egress?: DirectionVerdict;
  readonly ingress?: DirectionVerdict;
}

/** Whether a connection would be let through, and which policies say so. Replies always are. */
export function verdict(state: NodeState, from: Party, to: Party, connection: Connection): Verdict {
  const [source, destination] = [podOf(from), podOf(to)];
  if (source !== undefined && source === destination) return { allowed: true, reason: 'itself' };
  if (isNode(from) || isNode(to)) return { allowed: true, reason: 'node' };
  if (source === undefined && destination === undefined) return { allowed: true, reason: 'outside' };
  const family = commonFamily(from, to, connection.family);
  if (family === undefined) return { allowed: false, reason: 'family' };
  const judge = (direction: Direction, pod: NetworkPod, peer: Party): DirectionVerdict =>
    judgeDirection(state, direction, pod, peer, family, (rule, owner) =>
      allowsPort(rule, connection, direction === 'Ingress' ? owner : podOf(peer)),
    );
  const egress = source === undefined ? undefined : judge('Egress', source, to);
  const ingress = destination === undefined ? undefined : judge('Ingress', destination, from);
  return {
    allowed: egress?.allowed !== false && ingress?.allowed !== false,
    reason: 'policies',
    ...(egress === undefined ? {} : { egress }),
    ...(ingress === undefined ? {} : { ingress }),
  };
}

/** One end of a connection; `allowsPorts` says whether a rule that names the peer is about the ports in question. */
export function judgeDirection(
  state: NodeState,
  direction: Direction,
  pod: NetworkPod,
  peer: Party,
  family: Family,
  allowsPorts: (rule: PolicyRule, owner: NetworkPod) => boolean,
): DirectionVerdict {
  const isolatedBy = isolatingPolicies(state, pod, direction);
  const allowedBy = isolatedBy.flatMap(policy =>
    (rulesOf(policy, direction) ?? []).flatMap((rule, index) =>
      isPeer(state, policy, rule, peer, family) && allowsPorts(rule, pod) ? [{ policy, index }] : [],
    ),
  );
  return { allowed: isolatedBy.length === 0 || allowedBy.length > 0, isolatedBy, allowedBy };
}

/** The policies that are about a pod in a direction, by name. */
export function isolatingPolicies(
  { policies }: NodeState,
  pod: NetworkPod,
  direction: Direction,
): readonly NetworkPolicy[] {
  return policies
    .filter(
      policy =>
        rulesOf(policy, direction) !== undefined &&
        (policy.metadata?.namespace ?? 'default') === pod.namespace &&
        selectorMatches(policy.spec?.podSelector ?? {}, pod.labels),
    )
    .sort(byText(qualifiedName));
}

function podOf(party: Party): NetworkPod | undefined {
  return party.kind === 'pod' && isGoverned(party.pod) ? party.pod : undefined;
}

function isNode(party: Party): boolean {
  return party.kind === 'node' || (party.kind === 'pod' && party.pod.hostNetwork);
}

/** The family that two parties would talk in. */
export function commonFamily(from: Party, to: Party, wanted?: Family): Family | undefined {
  const [own, theirs] = [familiesOf(from), familiesOf(to)];
  return own.find(family => theirs.includes(family) && (wanted === undefined || family === wanted));
}

function familiesOf(party: Party): readonly Family[] {
  if (party.kind === 'pod') return party.pod.ips.map(familyOf);
  return party.kind === 'address' ? [familyOf(party.address)] : ['IPv4', 'IPv6'];
}

/** Whether a rule is about a peer: about everybody, if it names nobody. */
function isPeer(
  { namespaces }: NodeState,
  policy: NetworkPolicy,
  { peers }: PolicyRule,
  party: Party,
  family: Family,
): boolean {
  const pod = podOf(party);
  const address = pod === undefined ? party.kind === 'address' && party.address : addressOf(pod, family);
  const matches = ({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer): boolean => {
    if (ipBlock !== undefined)
      return typeof address === 'string' && containsAddress(blockRanges(ipBlock), address);
    if (pod === undefined) return false;
    const isThere =
      namespaceSelector === undefined
        ? pod.namespace === (policy.metadata?.namespace ?? 'default')
        : selectorMatches(namespaceSelector, namespaceLabels(namespaces)(pod.namespace));
    return isThere && selectorMatches(podSelector ?? {}, pod.labels);
  };
  return peers.length === 0 || peers.some(matches);
}

function allowsPort(
  { ports }: PolicyRule,
  { protocol, port }: Connection,
  destination: NetworkPod | undefined,
): boolean {
  return (
    ports.length === 0 ||
    ports.some(each =>
      portRanges(each, destination).some(
        range => range.protocol === protocol && range.first <= port && port <= range.last,
      ),
    )
  );
}
