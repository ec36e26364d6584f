import { type Family, parseCidr } from '../base/addresses.ts';
import { comment, contentName, NFT_FAMILIES, type NftTable } from './nft.ts';
import { FROM_NODE } from './node-rules.ts';
import { type ServiceEndpoint, type ServiceRoute, serviceRoutes } from './services.ts';
import { type NodeState, PROTOCOLS } from './state.ts';

/** What Services add to each hook. */
export interface ServiceRules {
  /** To find a pod for a new connection, whoever begins it. */
  readonly destinations: readonly string[];
  /** The same for addresses of the node itself, which is known by then. */
  readonly nodeDestinations: readonly string[];
  /** To send from an address of the node's what goes to a pod by way of a node port. */
  readonly sources: readonly string[];
  /** To refuse what no pod answers, before it goes anywhere. */
  readonly forward: readonly string[];
  readonly input: readonly string[];
  readonly output: readonly string[];
}

/**
 * Services: the address that a client asks for is looked up in one map; behind it is a chain that picks a pod at random.
 * What is at a Service's address and has no pod, or is no port of it, is refused, as kube-proxy does it.
 */
export function addServices(table: NftTable, state: NodeState): ServiceRules {
  const rules: { -readonly [K in keyof ServiceRules]: string[] } = {
    destinations: [],
    nodeDestinations: [],
    sources: [],
    forward: [],
    input: [],
    output: [],
  };
  const routes = serviceRoutes(state);
  for (const family of ['IPv4', 'IPv6'] as const) {
    const { header, type, suffix } = NFT_FAMILIES[family];
    const own = routes.filter(route => route.family === family);
    if (own.length === 0) continue;
    const open = own.filter(({ endpoints }) => endpoints.length > 0);
    const chains = new Map(open.map(route => [route, addRoute(table, route)]));
    const key = ({ protocol }: ServiceRoute, port: number): string => `${protocol.toLowerCase()} . ${port}`;
    const nodePorts = open.filter(({ nodePort }) => nodePort !== undefined);
    if (open.length > 0) {
      table.map(
        `services-${suffix}`,
        `${type} . inet_proto . inet_service : verdict`,
        open.flatMap(route =>
          [route.clusterIP, ...route.externalIPs].map(
            ip => [`${ip} . ${key(route, route.port)}`, `goto ${chains.get(route)}`] as const,
          ),
        ),
      );
      rules.destinations.push(`${header} daddr . meta l4proto . th dport vmap @services-${suffix}`);
    }
    if (nodePorts.length > 0) {
      table.map(
        `node-ports-${suffix}`,
        'inet_proto . inet_service : verdict',
        nodePorts.map(route => [key(route, route.nodePort ?? 0), `goto ${chains.get(route)}`] as const),
      );
      rules.nodeDestinations.push(
        `meta nfproto ${family.toLowerCase()} meta l4proto . th dport vmap @node-ports-${suffix}`,
      );
      rules.sources.push(...nodePortSources(table, nodePorts, state, family));
    }
    const addresses = [...new Set(own.flatMap(({ clusterIP, externalIPs }) => [clusterIP, ...externalIPs]))];
    table.set(`service-addresses-${suffix}`, type, addresses);
    // A pod has been chosen by now for whatever can have one.
    const refuse = refusals(`ct state new ${header} daddr @service-addresses-${suffix}`);
    rules.forward.push(...refuse);
    rules.output.push(...refuse);
    const closed = own.filter(({ nodePort, endpoints }) => nodePort !== undefined && endpoints.length === 0);
    if (closed.length > 0) {
      const elements = [...new Set(closed.map(route => key(route, route.nodePort ?? 0)))];
      table.set(`closed-node-ports-${suffix}`, 'inet_proto . inet_service', elements);
      const match = `meta nfproto ${family.toLowerCase()} meta l4proto . th dport @closed-node-ports-${suffix}`;
      rules.input.push(...refusals(`ct state new ${match} fib daddr type local`));
    }
  }
  return rules;
}

/** As a machine refuses what nobody listens for. ICMP alone would do, but the kernel sends so many of them a second. */
function refusals(match: string): readonly string[] {
  return [`${match} meta l4proto tcp reject with tcp reset`, `${match} reject`];
}

/** The chain that finds a pod. Returns its name. */
function addRoute(table: NftTable, { name, family, protocol, affinity, endpoints }: ServiceRoute): string {
  const { header } = NFT_FAMILIES[family];
  const word = protocol.toLowerCase();
  const chain = contentName('service', `${name} ${family}`);
  if (affinity === undefined) {
    const targets = endpoints.map(({ ip, port }, i) => `${i} : ${ip} . ${port}`);
    const pick = `numgen random mod ${endpoints.length} map { ${targets.join(', ')} }`;
    table.chain(chain, { rules: [`meta l4proto ${word} dnat ${header} to ${pick} ${comment(name)}`] });
    return chain;
  }
  const own = endpoints.map(endpoint => affinityEndpoint(table, name, family, word, affinity, endpoint));
  const targets = own.map((each, i) => `${i} : goto ${each.chain}`);
  table.chain(chain, {
    rules: [
      ...own.map(each => `${header} saddr @${each.set} goto ${each.chain}`),
      `numgen random mod ${own.length} vmap { ${targets.join(', ')} } ${comment(name)}`,
    ],
  });
  return chain;
}

/** Sets with this prefix remember clients: their elements are carried over when the rules are exchanged. */
export const AFFINITY_PREFIX = 'affinity';
/** More clients of one pod than this are not remembered. */
const MAX_CLIENTS = 65536;

/** A pod that remembers its clients; each new connection begins the time anew. */
function affinityEndpoint(
  table: NftTable,
  name: string,
  family: Family,
  word: string,
  timeout: number,
  { ip, port }: ServiceEndpoint,
): { readonly set: string; readonly chain: string } {
  const { header, type } = NFT_FAMILIES[family];
  // The time is part of the name: a set cannot be told another one.
  const set = contentName(AFFINITY_PREFIX, `${name} ${ip} ${port} ${timeout}`);
  const chain = contentName('endpoint', `${name} ${ip} ${port} ${timeout}`);
  table.set(set, type, [], `flags dynamic,timeout; timeout ${timeout}s; size ${MAX_CLIENTS}`);
  const target = family === 'IPv6' ? `[${ip}]:${port}` : `${ip}:${port}`;
  table.chain(chain, {
    rules: [
      `update @${set} { ${header} saddr }`,
      `meta l4proto ${word} dnat ${header} to ${target} ${comment(name)}`,
    ],
  });
  return { set, chain };
}

/** A client from outside sees one answer from the node; the pod sees the node, unless the Service says Local. */
function nodePortSources(
  table: NftTable,
  routes: readonly ServiceRoute[],
  state: NodeState,
  family: Family,
): readonly string[] {
  const { header } = NFT_FAMILIES[family];
  const cidrs = state.serviceCidrs.filter(cidr => parseCidr(cidr)?.family === family);
  // A ClusterIP's port may have the number of somebody's node port.
  const notService = cidrs.map(cidr => `ct original ${header} daddr != ${cidr} `).join('');
  return PROTOCOLS.flatMap(protocol => {
    const ports = routes
      .filter(route => route.protocol === protocol && !route.keepsClient)
      .map(({ nodePort }) => `${nodePort}`);
    if (ports.length === 0) return [];
    // A set of its own, because nft does not know the type of this field.
    const set = table.sharedSet('ports', 'inet_service', [...new Set(ports)].sort());
    const match = `meta nfproto ${family.toLowerCase()} meta l4proto ${protocol.toLowerCase()}`;
    return [`ct status dnat ${match} ${notService}ct original proto-dst ${set} ${FROM_NODE[family]}`];
  });
}
