import { type Family, familyOf } from '../base/addresses.ts';
import { hostPrefix } from './addresses.ts';
import type { Names } from './messages/codec.ts';
import type { GetLink, NewVeth } from './messages/links.ts';
import { describeMessage, type Message } from './messages/messages.ts';
import { linkNames, POD_DEVICE } from './names.ts';

/**
 * The gateway of every pod: the node's end of its link. Each of these addresses is on every such end, and is link-local, so
 * that it is nobody's beyond it. It is also what a node without any other address speaks to its pods from.
 */
export const GATEWAYS: Readonly<Record<Family, string>> = { IPv4: '169.254.1.1', IPv6: 'fe80::1' };

/** What the network of one pod is made from. */
export interface WiringPlan {
  readonly uid: string;
  /** The pod's own, at most one of each family. */
  readonly addresses: readonly string[];
  readonly mtu: number;
  /** The kernel knows IPv6, whether or not the pod has an address of it. */
  readonly hasIPv6: boolean;
}

const hasFamily = ({ addresses }: WiringPlan, family: Family): boolean =>
  addresses.some(address => familyOf(address) === family);

/** Makes the link, its other end in the network namespace `netns` (an fd) at once, and asks for the numbers of both. */
export function createLink({ uid, mtu }: WiringPlan, netns: number): readonly [NewVeth, GetLink] {
  const { name, nodeMac, podMac } = linkNames(uid);
  return [
    { kind: 'newVeth', name, mac: nodeMac, mtu, peer: { name: POD_DEVICE, mac: podMac, mtu, netns } },
    { kind: 'getLink', link: name },
  ];
}

/**
 * The node's end, up and with the ways to the pod. A source address that is not the pod's is dropped (rp_filter; the
 * kernel takes the greater of this and conf/all), and so is advice about routes.
 */
export function configureNode(plan: WiringPlan, index: number): readonly Message[] {
  const { podMac } = linkNames(plan.uid);
  const hasIPv6Addresses = hasFamily(plan, 'IPv6');
  return [
    {
      kind: 'setLink',
      index,
      ...(hasIPv6Addresses ? { hasNoLinkLocal: true } : {}),
      ipv4: { forwarding: 1, accept_redirects: 0, rp_filter: 1 },
    },
    { kind: 'setLink', index, isUp: true },
    ...plan.addresses.flatMap((address): readonly Message[] => {
      const gateway = GATEWAYS[familyOf(address)];
      return [
        {
          kind: 'newAddress',
          index,
          address: gateway,
          prefixLength: hostPrefix(gateway),
          scope: 'link',
        },
        { kind: 'newNeighbour', index, address, mac: podMac },
        { kind: 'newHostRoute', destination: address, index },
      ];
    }),
  ];
}

/** The pod's end, with its addresses and the way out. To ask for it makes a kernel see at once that it is connected. */
export function configurePod({ uid, addresses, hasIPv6 }: WiringPlan, index: number): readonly Message[] {
  const { nodeMac } = linkNames(uid);
  return [
    ...(hasIPv6 ? [{ kind: 'setLink', index, hasNoLinkLocal: true } as const] : []),
    { kind: 'setLink', index, isUp: true },
    ...addresses.flatMap((address): readonly Message[] => {
      const gateway = GATEWAYS[familyOf(address)];
      return [
        { kind: 'newAddress', index, address, prefixLength: hostPrefix(address), scope: 'global' },
        { kind: 'newNeighbour', index, address: gateway, mac: nodeMac },
        { kind: 'newDefaultRoute', gateway, index },
      ];
    }),
    { kind: 'getLink', link: index },
  ];
}

/**
 * What netlink has no word for, before the node's end is up. Without IPv6 addresses there is no IPv6 on it: a pod could
 * tell the node which router to use otherwise (CVE-2020-10749).
 */
export function nodeSysctls(plan: WiringPlan): Readonly<Record<string, string>> {
  if (!plan.hasIPv6) return {};
  const conf = `net.ipv6.conf.${linkNames(plan.uid).name}`;
  return hasFamily(plan, 'IPv6')
    ? { [`${conf}.disable_ipv6`]: '0', [`${conf}.accept_ra`]: '0', [`${conf}.accept_redirects`]: '0' }
    : { [`${conf}.disable_ipv6`]: '1' };
}

/** For messages about one end of a link: their numbers are those of one network namespace. */
export function endNames(device: string, netns: string): Names {
  return { device: () => device, netns: () => netns };
}

/** All of it in words, for people: which end, and what in which order. */
export function describeWiring(plan: WiringPlan): string {
  const { name } = linkNames(plan.uid);
  const say = (device: string, messages: readonly Message[]): readonly string[] =>
    messages.map(message => describeMessage(message, endNames(device, 'pod')));
  const node = [
    ...say(name, createLink(plan, 0)),
    ...Object.entries(nodeSysctls(plan)).map(([sysctl, value]) => `sysctl ${sysctl}=${value}`),
    ...say(name, configureNode(plan, 0)),
  ];
  const pod = say(POD_DEVICE, configurePod(plan, 0));
  return [...node.map(line => `node: ${line}\n`), ...pod.map(line => `pod:  ${line}\n`)].join('');
}
