import { commonFamily, judgeDirection, type Party, verdict } from './model.ts';
import { type Direction, mergePorts, type PolicyRule, type PortRange, portRanges } from './policies.ts';
import { type NetworkPod, type NodeState, PROTOCOLS } from './state.ts';

/** What one party may ask of another. */
export interface Reach {
  readonly from: Party;
  readonly to: Party;
  /** Every port of every protocol, and what has no ports (ping). */
  readonly everything: boolean;
  /** The ports, sorted by protocol; none with `everything`. */
  readonly ports: readonly PortRange[];
}

const EVERYTHING: readonly PortRange[] = PROTOCOLS.map(protocol => ({ protocol, first: 0, last: 65535 }));

/** Who may talk to whom: every ordered pair of the node's pods, and of them and others that are named. */
export function reachability(
  state: NodeState,
  others: readonly Party[] = [{ kind: 'node' }],
): readonly Reach[] {
  const pods = state.pods.map((pod): Party => ({ kind: 'pod', pod }));
  const parties = [...pods, ...others];
  return parties.flatMap(from =>
    parties.filter(to => from.kind === 'pod' || to.kind === 'pod').map(to => reachOf(state, from, to)),
  );
}

/** The ports at which a party may reach another one. */
export function reachOf(state: NodeState, from: Party, to: Party): Reach {
  // Which port is asked for does not matter where policies do not decide.
  const { reason, allowed } = verdict(state, from, to, { protocol: 'TCP', port: 1 });
  if (reason !== 'policies') return { from, to, everything: allowed, ports: [] };
  const egress = allowedPorts(state, 'Egress', from, to);
  const ingress = allowedPorts(state, 'Ingress', to, from);
  if (egress === undefined && ingress === undefined) return { from, to, everything: true, ports: [] };
  return { from, to, everything: false, ports: intersect(egress ?? EVERYTHING, ingress ?? EVERYTHING) };
}

/** The ports that one end's policies let through; undefined for everything. */
function allowedPorts(
  state: NodeState,
  direction: Direction,
  own: Party,
  peer: Party,
): readonly PortRange[] | undefined {
  const family = commonFamily(own, peer);
  if (own.kind !== 'pod' || family === undefined) return undefined;
  const rules: PolicyRule[] = [];
  const { isolatedBy } = judgeDirection(state, direction, own.pod, peer, family, rule => {
    rules.push(rule);
    return true;
  });
  if (isolatedBy.length === 0 || rules.some(({ ports }) => ports.length === 0)) return undefined;
  const destination: NetworkPod | undefined =
    direction === 'Ingress' ? own.pod : peer.kind === 'pod' ? peer.pod : undefined;
  return mergePorts(rules.flatMap(({ ports }) => ports.flatMap(port => portRanges(port, destination))));
}

function intersect(one: readonly PortRange[], other: readonly PortRange[]): readonly PortRange[] {
  return one.flatMap(({ protocol, first, last }) =>
    other
      .filter(range => range.protocol === protocol && range.first <= last && first <= range.last)
      .map(range => ({ protocol, first: Math.max(first, range.first), last: Math.min(last, range.last) })),
  );
}
