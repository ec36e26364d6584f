import type {
  LabelSelector,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from '../kube/types.generated.ts';
import { type DirectionVerdict, isolatingPolicies, type Party, type Verdict } from './model.ts';
import { DIRECTIONS, type Direction, type PortRange, rulesOf, selectPods } from './policies.ts';
import type { Reach } from './reachability.ts';
import { serviceRoutes } from './services.ts';
import { byText, type NetworkPod, type NodeState, protocolOf, qualifiedName } from './state.ts';

/** What commands print about the network, as words in rows; how they look is the printer's business. */

export interface PodRow {
  readonly pod: string;
  readonly ips: readonly string[];
  readonly ready: boolean;
  /** `80/TCP`, with the name if it has one: `http=80/TCP`. */
  readonly ports: readonly string[];
  /** `192.0.2.1:9000->80/TCP`; without an address it is any of the node's. */
  readonly hostPorts: readonly string[];
  /** The policies that isolate it. */
  readonly ingress: readonly string[];
  readonly egress: readonly string[];
}

const podName = ({ namespace, name }: NetworkPod): string => `${namespace}/${name}`;

export function describePods(state: NodeState): readonly PodRow[] {
  const isolating = (pod: NetworkPod, direction: Direction): readonly string[] =>
    pod.hostNetwork ? [] : isolatingPolicies(state, pod, direction).map(qualifiedName);
  return [...state.pods].sort(byText(podName)).map(pod => ({
    pod: podName(pod),
    ips: pod.ips,
    ready: pod.ready,
    ports: pod.ports.map(
      ({ name, containerPort, protocol }) =>
        `${name === undefined ? '' : `${name}=`}${containerPort}/${protocol}`,
    ),
    hostPorts: pod.hostNetwork
      ? []
      : pod.ports.flatMap(({ hostPort, hostIP = '', containerPort, protocol, sidecar }) =>
          hostPort === undefined || sidecar === true
            ? []
            : [`${hostIP.includes(':') ? `[${hostIP}]` : hostIP}:${hostPort}->${containerPort}/${protocol}`],
        ),
    ingress: isolating(pod, 'Ingress'),
    egress: isolating(pod, 'Egress'),
  }));
}

/** `NAMESPACE/NAME` of a pod, an address, or `node`. */
export function describeParty(party: Party): string {
  if (party.kind === 'pod') return podName(party.pod);
  return party.kind === 'address' ? party.address : 'node';
}

/** `80/TCP`, `8000-8100/UDP`, `TCP` for all of its ports. */
export function describePorts({ protocol, first, last }: PortRange): string {
  if (first === 0 && last === 65535) return protocol;
  return `${first === last ? first : `${first}-${last}`}/${protocol}`;
}

/** A cell of the matrix: `all`, `none`, or the ports. */
export function describeReach({ everything, ports }: Reach): string {
  if (everything) return 'all';
  return ports.length === 0 ? 'none' : ports.map(describePorts).join(' ');
}

const REASONS = {
  itself: 'a pod always reaches itself',
  node: 'the node and its pods always reach each other',
  outside: 'no pod of this node has a part in it',
  family: 'the two have no family of addresses in common',
} as const satisfies Partial<Record<Verdict['reason'], string>>;

/** Why a connection would be let through or not: a sentence for each end. */
export function describeVerdict(verdict: Verdict): readonly string[] {
  const { reason, egress, ingress } = verdict;
  if (reason !== 'policies') return [REASONS[reason]];
  return [
    ...(egress === undefined ? [] : [describeDirection('egress', egress)]),
    ...(ingress === undefined ? [] : [describeDirection('ingress', ingress)]),
  ];
}

function describeDirection(what: string, { isolatedBy, allowedBy }: DirectionVerdict): string {
  if (isolatedBy.length === 0) return `${what}: allowed, no policy isolates the pod`;
  if (allowedBy.length === 0)
    return `${what}: denied, isolated by ${isolatedBy.map(qualifiedName).join(', ')}, and no rule allows it`;
  const rules = allowedBy.map(({ policy, index }) => `${qualifiedName(policy)} (${what}[${index}])`);
  return `${what}: allowed by ${rules.join(', ')}`;
}

export interface PolicyDescription {
  readonly policy: string;
  /** In words: `app=web`, or `all pods`. */
  readonly selector: string;
  /** The live pods that it isolates. */
  readonly pods: readonly string[];
  readonly directions: readonly {
    readonly direction: Direction;
    /** None: nothing is allowed. */
    readonly rules: readonly RuleDescription[];
  }[];
}

export interface RuleDescription {
  /** In words; `anybody` if nobody is named. */
  readonly peers: readonly string[];
  /** The live pods that they stand for; of `anybody` none are listed. */
  readonly pods: readonly string[];
  /** `80/TCP`; `any port` if none is named. */
  readonly ports: readonly string[];
}

/** What a policy says, and which of the live pods that concerns. */
export function describePolicy(policy: NetworkPolicy, state: NodeState): PolicyDescription {
  const selection = selectPods(state);
  const namespace = policy.metadata?.namespace ?? 'default';
  const names = (pods: readonly NetworkPod[]): readonly string[] => [...new Set(pods.map(podName))].sort();
  return {
    policy: qualifiedName(policy),
    selector: describeSelector(policy.spec?.podSelector ?? {}, 'pods'),
    pods: names(selection.selectedBy(policy)),
    directions: DIRECTIONS.flatMap(direction => {
      const rules = rulesOf(policy, direction);
      if (rules === undefined) return [];
      const described = rules.map(({ peers, ports }) => ({
        peers: peers.length === 0 ? ['anybody'] : peers.map(peer => describePeer(peer, namespace)),
        pods: names(
          peers
            .filter(({ ipBlock }) => ipBlock === undefined)
            .flatMap(peer => selection.peers(peer, namespace)),
        ),
        ports: ports.length === 0 ? ['any port'] : ports.map(describePolicyPort),
      }));
      return [{ direction, rules: described }];
    }),
  };
}

function describePeer({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer, own: string): string {
  if (ipBlock !== undefined) {
    const { cidr, except = [] } = ipBlock;
    return except.length === 0 ? cidr : `${cidr} except ${except.join(', ')}`;
  }
  const pods = describeSelector(podSelector ?? {}, 'pods');
  if (namespaceSelector === undefined) return `${pods} of namespace ${own}`;
  const namespaces = describeSelector(namespaceSelector, 'namespaces');
  return `${pods} of ${namespaces === 'all namespaces' ? namespaces : `namespaces with ${namespaces}`}`;
}

/** kubectl's words: `app=web,tier in (a,b),!x`. */
function describeSelector({ matchLabels = {}, matchExpressions = [] }: LabelSelector, what: string): string {
  const words: Readonly<Record<string, (key: string, values: string) => string>> = {
    In: (key, values) => `${key} in (${values})`,
    NotIn: (key, values) => `${key} notin (${values})`,
    Exists: key => key,
    DoesNotExist: key => `!${key}`,
  };
  const parts = [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(
      ({ key, operator, values = [] }) => words[operator]?.(key, values.join(',')) ?? key,
    ),
  ];
  return parts.length === 0 ? `all ${what}` : parts.join(',');
}

function describePolicyPort({ port, endPort, protocol }: NetworkPolicyPort): string {
  if (port === undefined) return protocolOf(protocol);
  return `${port}${endPort === undefined || endPort === port ? '' : `-${endPort}`}/${protocolOf(protocol)}`;
}

export interface ServiceRow {
  /** `NAMESPACE/NAME:PORT/PROTOCOL` */
  readonly service: string;
  /** `10.96.1.1:80` */
  readonly address: string;
  readonly nodePort: number | undefined;
  /** `10.244.0.2:8080`; with none, clients are refused. */
  readonly endpoints: readonly string[];
}

export function describeServices(state: NodeState): readonly ServiceRow[] {
  const at = (ip: string, port: number): string => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`);
  return serviceRoutes(state).map(({ name, clusterIP, port, nodePort, endpoints }) => ({
    service: name,
    address: at(clusterIP, port),
    nodePort,
    endpoints: endpoints.map(endpoint => at(endpoint.ip, endpoint.port)),
  }));
}
