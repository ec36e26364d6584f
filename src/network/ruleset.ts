import { addDns } from './dns-rules.ts';
import { addPolicies } from './filter-rules.ts';
import { addHostPorts } from './host-port-rules.ts';
import { NftTable, TABLE } from './nft.ts';
import { addPods, addSources, antiSpoofing, unreachable } from './node-rules.ts';
import { addServices } from './service-rules.ts';
import { canonicalState, type NodeState } from './state.ts';

/** Policies are about connections: what belongs to one that was let through goes on, whatever they say now. */
const ESTABLISHED = 'ct state established,related accept';

/**
 * The node's whole rule set as the text of one transaction; empty if nothing needs rules, as
 * when the last pod with a network is gone. A pure function: the same text for
 * the same state, whatever its order. Every chain that the kernel calls is here, in the order of a packet's way.
 */
export function ruleset(unordered: NodeState): string {
  if (unordered.pods.every(({ ips }) => ips.length === 0)) return '';
  const state = canonicalState(unordered);
  const table = new NftTable();
  const families = addPods(table, state);
  const dns = addDns(table, state);
  const services = addServices(table, state);
  const hostPorts = addHostPorts(table, state.pods, families);
  const destinations = addDestinations(table, services.destinations, [
    ...hostPorts,
    ...services.nodeDestinations,
  ]);
  const policies = addPolicies(table, state, families, unreachable(state, families));
  const forward = [...services.forward, ...policies];

  table.hook('filter', 'prerouting', -300, antiSpoofing(state, families));
  table.hook('nat', 'prerouting', -100, [...dns.prerouting, ...destinations.arriving]);
  table.hook('nat', 'output', -100, [...dns.output, ...destinations.own]);
  table.hook('filter', 'input', 0, services.input);
  table.hook('filter', 'forward', 0, forward.length > 0 ? [ESTABLISHED, ...forward] : []);
  table.hook('filter', 'output', 0, services.output);
  table.hook('nat', 'postrouting', 100, addSources(table, families, services.sources));
  return table.isEmpty ? '' : `add table ${TABLE}\ndelete table ${TABLE}\n${table}`;
}

/**
 * Which pod a new connection is for: Services by their addresses first, then what is at an address of the node. The chains
 * are shared by what arrives and by what the node itself sends.
 */
function addDestinations(
  table: NftTable,
  services: readonly string[],
  atNode: readonly string[],
): { readonly arriving: readonly string[]; readonly own: readonly string[] } {
  // Nothing that is from ::1 can leave the machine, whatever its source is made.
  if (atNode.length > 0) table.chain('node-destinations', { rules: ['ip6 daddr ::1 return', ...atNode] });
  const local = atNode.length > 0 ? ['fib daddr type local goto node-destinations'] : [];
  return {
    // Nothing for 127.0.0.1 arrives from outside: it must not become something for a pod.
    arriving: [...services, ...(atNode.length > 0 ? ['ip daddr 127.0.0.0/8 return'] : []), ...local],
    own: [...services, ...local],
  };
}
