import { type Family, parseCidr } from '../base/addresses.ts';
import { hostPortMappings } from './host-ports.ts';
import { NFT_FAMILIES, type NftTable } from './nft.ts';
import { isGoverned } from './policies.ts';
import { serviceRoutes } from './services.ts';
import { addressOf, type NodeState } from './state.ts';

/** The node's ends of pods' links. */
export const POD_LINKS = '"ps*"';
const FAMILIES: readonly Family[] = ['IPv4', 'IPv6'];

/**
 * How a packet gets an address of the node for its source. For IPv4 it is the one that pods know as their gateway, which
 * is there on a machine without any network, too.
 */
export const FROM_NODE: Readonly<Record<Family, string>> = {
  IPv4: 'snat ip to 169.254.1.1',
  IPv6: 'masquerade',
};

/**
 * The pods that can come to themselves by way of the node, through a host port or a Service: a set of their addresses,
 * each twice, if there are any. Returns the families that pods have.
 */
export function addPods(table: NftTable, state: NodeState): readonly Family[] {
  const governed = state.pods.filter(isGoverned);
  const routes = serviceRoutes(state);
  return FAMILIES.filter(family => {
    const { type } = NFT_FAMILIES[family];
    const behindServices = routes.filter(route => route.family === family).flatMap(each => each.endpoints);
    const reached = [
      ...hostPortMappings(state.pods, family).map(({ podIP }) => podIP),
      ...behindServices.filter(({ pod }) => isGoverned(pod)).map(({ ip }) => ip),
    ];
    const pairs = [...new Set(reached)].sort().map(address => `${address} . ${address}`);
    if (pairs.length > 0) table.set(itself(family), `${type} . ${type}`, pairs);
    const isExpected = governed.length > 0 && cidrsOf(state.podCidrs, family).length > 0;
    return isExpected || governed.some(pod => addressOf(pod, family) !== undefined);
  });
}

const itself = (family: Family): string => `itself-${NFT_FAMILIES[family].suffix}`;

/** Matches what a pod sends to itself by way of the node; nothing where none can. */
export function toItself(table: NftTable, family: Family): readonly string[] {
  const { header } = NFT_FAMILIES[family];
  return table.has(itself(family)) ? [`${header} saddr . ${header} daddr @${itself(family)}`] : [];
}

function cidrsOf(cidrs: readonly string[], family: Family): readonly string[] {
  return cidrs.filter(cidr => parseCidr(cidr)?.family === family);
}

/** As a match: the kernel compares one faster than it looks into a set. */
const anyOf = (cidrs: readonly string[]): string =>
  cidrs.length === 1 ? `${cidrs[0]}` : `{ ${cidrs.join(', ')} }`;

/**
 * Policies go by addresses, so nobody may have another's: what comes from a pod's link is from that pod (the way back to
 * its source is the link itself), and what says it is from a pod (the way back to its source is a pod's link) does not come
 * from elsewhere. The node's loopback is nobody's either, although links route to it (route_localnet) for the answers to
 * connections to 127.0.0.1. It is the routes that know the pods, so that none of this changes when one comes or goes.
 */
export function antiSpoofing({ podCidrs }: NodeState, families: readonly Family[]): readonly string[] {
  if (families.length === 0) return [];
  return [
    `iifname ${POD_LINKS} fib saddr . iif oif missing drop`,
    `iifname ${POD_LINKS} ip daddr 127.0.0.0/8 drop`,
    ...families.flatMap(family => {
      const own = cidrsOf(podCidrs, family);
      const from = `iifname != ${POD_LINKS} ${NFT_FAMILIES[family].header} saddr`;
      return own.length === 0 ? [] : [`${from} ${anyOf(own)} fib saddr oifname ${POD_LINKS} drop`];
    }),
  ];
}

/** An address of the pods' or the Services' range that nobody has is nowhere: pods must not look for it in the world. */
export function unreachable(
  { podCidrs, serviceCidrs }: NodeState,
  families: readonly Family[],
): readonly string[] {
  return families.flatMap(family => {
    const own = cidrsOf([...podCidrs, ...serviceCidrs], family);
    const match = `iifname ${POD_LINKS} oifname != ${POD_LINKS} ${NFT_FAMILIES[family].header} daddr`;
    return own.length === 0 ? [] : [`${match} { ${own.join(', ')} } reject with icmpx type host-unreachable`];
  });
}

/** Where packets are said to come from: pods have no address in the world, and none of the node's loopback can come home. */
export function addSources(
  table: NftTable,
  families: readonly Family[],
  services: readonly string[],
): readonly string[] {
  if (families.length === 0) return [];
  table.chain('to-pods', {
    rules: [
      ...(families.includes('IPv4') ? [`ip saddr 127.0.0.0/8 ${FROM_NODE.IPv4}`] : []),
      // To itself by way of a host port or a Service: it would answer itself, past the node.
      ...families.flatMap(family => toItself(table, family).map(match => `${match} ${FROM_NODE[family]}`)),
      ...services,
    ],
  });
  return [`oifname ${POD_LINKS} goto to-pods`, `iifname ${POD_LINKS} masquerade`];
}
