import type { DirectionVerdict, Party, Verdict } from './model.ts';
import type { PortRange } from './policies.ts';
import type { Reach } from './reachability.ts';
import { serviceRoutes } from './services.ts';
import { type NetworkPod, type NodeState, qualifiedName } from './state.ts';

/** What commands print about the network, in words; how they are laid out is the printer's business. */

/** As commands name a pod: without the namespace `default`. */
export const describePod = ({ namespace, name }: NetworkPod): string =>
  namespace === 'default' ? name : `${namespace}/${name}`;

/** A pod, an address, or `(node)`. */
export function describeParty(party: Party): string {
  if (party.kind === 'pod') return describePod(party.pod);
  return party.kind === 'address' ? party.address : '(node)';
}

/** `TCP 80`, `UDP 8000-8100`, `TCP` for all of its ports. */
function describePorts({ protocol, first, last }: PortRange): string {
  if (first === 0 && last === 65535) return protocol;
  return `${protocol} ${first === last ? first : `${first}-${last}`}`;
}

/** A cell of the matrix: `all`, `-`, or the ports. */
export function describeReach({ everything, ports }: Reach): string {
  if (everything) return 'all';
  return ports.length === 0 ? '-' : ports.map(describePorts).join(', ');
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
