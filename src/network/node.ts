import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type Cidr, type Family, familyOf } from '../base/addresses.ts';
import { errnoCode } from '../base/errors.ts';
import { ROUTE } from '../linux/constants.generated.ts';
import { contains, formatCidr, hostPrefix } from './addresses.ts';
import { NetworkError } from './errors.ts';
import { readLink } from './messages/links.ts';
import { ROUTE_PROTOCOL, type Route, readRoute } from './messages/routes.ts';
import { NetlinkSocket } from './netlink-socket.ts';

/** The network namespace of this process, which is the node's for its pods. */
export interface Node {
  readonly socket: NetlinkSocket;
  /** What the links of pods can carry so that nothing has to be cut on the way out. */
  readonly mtu: number;
  readonly hasIPv6: boolean;
}

let node: Promise<Node> | undefined;

/** One for the process, made when a pod first needs it. */
export function thisNode(): Promise<Node> {
  node ??= openNode().catch(error => {
    node = undefined;
    throw error;
  });
  return node;
}

async function openNode(): Promise<Node> {
  const socket = NetlinkSocket.open();
  return { socket, mtu: await outwardMtu(socket), hasIPv6: existsSync('/proc/sys/net/ipv6') };
}

export const ETHERNET_MTU = 1500;
/** Of the ranges for documentation, RFC 5737 and RFC 3849, that nobody has a route to: so these meet the default route. */
const FAR_AWAY: Readonly<Record<Family, string>> = { IPv4: '198.51.100.1', IPv6: '2001:db8::1' };

/** The MTU of the device that leads out, as CNI plugins take it. Nothing is sent. */
async function outwardMtu(socket: NetlinkSocket): Promise<number> {
  const questions = Object.values(FAR_AWAY).map(destination => ({ kind: 'getRoute', destination }) as const);
  const routes = (await socket.exchange(questions)).flatMap(({ data }) => data.map(readRoute));
  const devices = [...new Set(routes.map(({ index }) => index))].filter(index => index > 0);
  if (devices.length === 0) return ETHERNET_MTU;
  const replies = await socket.exchange(devices.map(link => ({ kind: 'getLink', link }) as const));
  const mtus = replies.flatMap(({ data }) => data.map(body => readLink(body).mtu));
  return Math.min(ETHERNET_MTU, ...mtus.filter(mtu => mtu > 0));
}

/** Throws a NetworkError for an address that means something else on this node already. */
export async function checkAddresses(
  { socket }: Node,
  addresses: readonly string[],
  cidrs: readonly Cidr[],
): Promise<void> {
  const questions = addresses.map(destination => ({ kind: 'getRoute', destination }) as const);
  const replies = await socket.exchange(questions);
  for (const [i, address] of addresses.entries()) {
    const cidr = cidrs.find(one => contains(one, address));
    for (const body of replies[i]?.data ?? []) {
      const problem = cidr === undefined ? undefined : conflict(readRoute(body), address, cidr);
      if (problem !== undefined)
        throw new NetworkError(`${address} cannot be a pod's address: ${problem}; choose another --pod-cidr`);
    }
  }
}

const LOCAL: readonly number[] = [ROUTE.RTN_LOCAL, ROUTE.RTN_BROADCAST, ROUTE.RTN_ANYCAST];

/** Wide ranges that lead somewhere, as those of a VPN, are no conflict: a pod's own route is more exact. */
function conflict(route: Route, address: string, cidr: Cidr): string | undefined {
  if (LOCAL.includes(route.type)) return 'it is the node’s own';
  const isOwn = route.protocol === ROUTE_PROTOCOL;
  if (route.prefixLength === hostPrefix(address) && !isOwn) return 'the node has a route to it';
  const isAttached = route.protocol === ROUTE.RTPROT_KERNEL && !route.hasGateway;
  if (isAttached && route.prefixLength >= cidr.prefixLength)
    return `the node is in the network ${route.destination}/${route.prefixLength}, which is in ${formatCidr(cidr)}`;
  return undefined;
}

const sysctlPath = (name: string): string => `/proc/sys/${name.replaceAll('.', '/')}`;

/** Sets sysctls of the node's network namespace. Throws a NetworkError that names the one that could not be set. */
export function setSysctls(values: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(values)) {
    try {
      writeFileSync(sysctlPath(name), value);
    } catch (error) {
      throw new NetworkError(`sysctl ${name} cannot be set to ${value}: ${errnoCode(error) ?? error}`);
    }
  }
}

const FORWARDING: Readonly<Record<Family, string>> = {
  IPv4: 'net.ipv4.ip_forward',
  IPv6: 'net.ipv6.conf.all.forwarding',
};

/** Makes the node a router for the families of its pods, as any node of a cluster is. It stays one. */
export function enableForwarding(addresses: readonly string[]): void {
  for (const family of new Set(addresses.map(familyOf))) {
    const name = FORWARDING[family];
    if (readSysctl(name) !== '0') continue;
    if (family === 'IPv6') keepRouterAdvertisements();
    setSysctls({ [name]: '1' });
  }
}

/** A router does not listen to routers unless accept_ra is 2: without this the node could lose its own way out. */
function keepRouterAdvertisements(): void {
  // By path: a device's name may have a dot.
  const conf = sysctlPath('net.ipv6.conf');
  for (const device of readdirSync(conf)) {
    const listens = readText(`${conf}/${device}/accept_ra`) === '1';
    if (listens && readText(`${conf}/${device}/forwarding`) === '0')
      writeFileSync(`${conf}/${device}/accept_ra`, '2');
  }
}

const readSysctl = (name: string): string => readText(sysctlPath(name));

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (['ENOENT', 'EACCES'].includes(errnoCode(error) ?? '')) return '';
    throw error;
  }
}
