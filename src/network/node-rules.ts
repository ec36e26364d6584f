import { type Family, parseCidr } from '../base/addresses.ts';
import { NFT_FAMILIES, type NftTable } from './nft.ts';
import { isGoverned } from './policies.ts';
import { addressOf, type NodeState } from './state.ts';

/** The node's ends of pods' links. */
const POD_LINKS = '"ps*"';
const FAMILIES: readonly Family[] = ['IPv4', 'IPv6'];

/**
 * How a packet gets an address of the node for its source. For IPv4 it is the one that pods know as their gateway, which
 * is there on a machine without any network, too.
 */
export const FROM_NODE: Readonly<Record<Family, string>> = {
  IPv4: 'snat ip to 169.254.1.1',
  IPv6: 'masquerade',
};

/** The sets of all pods' addresses, and the families that there are. */
export function addPods(table: NftTable, { pods }: NodeState): readonly Family[] {
  return FAMILIES.filter(family => {
    const { type, suffix } = NFT_FAMILIES[family];
    const addresses = [...new Set(pods.filter(isGoverned).flatMap(pod => addressOf(pod, family) ?? []))];
    if (addresses.length === 0) return false;
    table.set(`pods-${suffix}`, type, addresses);
    table.set(
      `itself-${suffix}`,
      `${type} . ${type}`,
      addresses.map(address => `${address} . ${address}`),
    );
    return true;
  });
}

/**
 * Policies go by addresses, so nobody may have another's: what comes from a pod's link is from that pod (the way back to
 * its source is the link itself), and what says it is from a pod does not come from elsewhere. The node's loopback is
 * nobody's either, although links route to it (route_localnet) for the answers to connections to 127.0.0.1.
 */
export function antiSpoofing(families: readonly Family[]): readonly string[] {
  if (families.length === 0) return [];
  return [
    `iifname ${POD_LINKS} fib saddr . iif oif missing drop`,
    `iifname ${POD_LINKS} ip daddr 127.0.0.0/8 drop`,
    ...families.map(family => {
      const { header, suffix } = NFT_FAMILIES[family];
      return `iifname != ${POD_LINKS} ${header} saddr @pods-${suffix} drop`;
    }),
  ];
}

/** An address of the pods' or the Services' range that nobody has is nowhere: pods must not look for it in the world. */
export function unreachable(
  { podCidrs, serviceCidrs }: NodeState,
  families: readonly Family[],
): readonly string[] {
  return families.flatMap(family => {
    const { header, suffix } = NFT_FAMILIES[family];
    const own = [...podCidrs, ...serviceCidrs].filter(cidr => parseCidr(cidr)?.family === family);
    const match = `${header} saddr @pods-${suffix} oifname != ${POD_LINKS}`;
    return own.length === 0
      ? []
      : [`${match} ${header} daddr { ${own.join(', ')} } reject with icmpx type host-unreachable`];
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
      ...families.map(family => {
        const { header, suffix } = NFT_FAMILIES[family];
        return `${header} saddr . ${header} daddr @itself-${suffix} ${FROM_NODE[family]}`;
      }),
      ...services,
    ],
  });
  return [
    `oifname ${POD_LINKS} goto to-pods`,
    ...families.map(family => {
      const { header, suffix } = NFT_FAMILIES[family];
      return `${header} saddr @pods-${suffix} masquerade`;
    }),
  ];
}
