import { familyOf } from '../../base/addresses.ts';
import { NLM_F, ROUTE, RTA, RTM } from '../../linux/constants.generated.ts';
import { SOCKET } from '../../linux/sockets.ts';
import { addressBytes, addressOfBytes, hostPrefix } from '../addresses.ts';
import { type Attribute, type AttributeMap, readAttributes, readU32, u32, viewOf } from '../netlink.ts';
import { addressFamily } from './addresses.ts';
import type { Codec } from './codec.ts';

/**
 * What made a route (rtm_protocol), so that podspace's can be told from others: `ip route show proto 112`. A number that
 * iproute2's rt_protos gives to nobody.
 */
export const ROUTE_PROTOCOL = 112;

/** The way to one address, which is at the other end of the device. In place of one that was there. */
export interface NewHostRoute {
  readonly kind: 'newHostRoute';
  readonly destination: string;
  readonly index: number;
}

export interface DeleteHostRoute {
  readonly kind: 'deleteHostRoute';
  readonly destination: string;
  readonly index: number;
}

/** The way to everything: a gateway that needs no route of its own (onlink). */
export interface NewDefaultRoute {
  readonly kind: 'newDefaultRoute';
  readonly gateway: string;
  readonly index: number;
}

/** Which entry of the routing tables an address meets. Answered by a {@link Route}, or by ENETUNREACH. */
export interface GetRoute {
  readonly kind: 'getRoute';
  readonly destination: string;
}

/** struct rtmsg */
const SIZE = 12;

interface RouteStruct {
  readonly family: number;
  readonly prefixLength: number;
  readonly scope?: number;
  readonly type?: number;
  readonly flags?: number;
}

function rtmsg({ family, prefixLength, scope = 0, type = 0, flags = 0 }: RouteStruct): Uint8Array {
  const isQuestion = type === ROUTE.RTN_UNSPEC;
  const table = isQuestion ? 0 : ROUTE.RT_TABLE_MAIN;
  const protocol = isQuestion ? 0 : ROUTE_PROTOCOL;
  const struct = Uint8Array.of(family, prefixLength, 0, 0, table, protocol, scope, type, 0, 0, 0, 0);
  viewOf(struct).setUint32(8, flags, true);
  return struct;
}

function hostRoute(destination: string, index: number): ReturnType<Codec<NewHostRoute>['encode']> {
  const struct = rtmsg({
    family: addressFamily(destination),
    prefixLength: hostPrefix(destination),
    // IPv6 has no scopes of routes.
    scope: familyOf(destination) === 'IPv4' ? ROUTE.RT_SCOPE_LINK : ROUTE.RT_SCOPE_UNIVERSE,
    type: ROUTE.RTN_UNICAST,
  });
  const attributes: readonly Attribute[] = [
    { type: RTA.RTA_DST, value: addressBytes(destination) },
    { type: RTA.RTA_OIF, value: u32(index) },
  ];
  return { struct, attributes };
}

const addressIn = (attributes: AttributeMap, type: number): string =>
  addressOfBytes(attributes.get(type) ?? new Uint8Array());

const hostRouteOf = (attributes: AttributeMap): { readonly destination: string; readonly index: number } => ({
  destination: addressIn(attributes, RTA.RTA_DST),
  index: readU32(attributes.get(RTA.RTA_OIF)),
});

const describeHostRoute = ({ destination }: { readonly destination: string }, device: string): string =>
  `${destination}/${hostPrefix(destination)} dev ${device}${familyOf(destination) === 'IPv4' ? ' scope link' : ''} proto ${ROUTE_PROTOCOL}`;

export const newHostRoute: Codec<NewHostRoute> = {
  type: RTM.RTM_NEWROUTE,
  flags: NLM_F.NLM_F_CREATE | NLM_F.NLM_F_REPLACE,
  structSize: SIZE,
  encode: ({ destination, index }) => hostRoute(destination, index),
  decode: (_struct, attributes) => ({ kind: 'newHostRoute', ...hostRouteOf(attributes) }),
  describe: (message, names) => `route replace ${describeHostRoute(message, names.device(message.index))}`,
};

export const deleteHostRoute: Codec<DeleteHostRoute> = {
  type: RTM.RTM_DELROUTE,
  flags: 0,
  structSize: SIZE,
  encode: ({ destination, index }) => hostRoute(destination, index),
  decode: (_struct, attributes) => ({ kind: 'deleteHostRoute', ...hostRouteOf(attributes) }),
  describe: (message, names) => `route delete ${describeHostRoute(message, names.device(message.index))}`,
};

export const newDefaultRoute: Codec<NewDefaultRoute> = {
  type: RTM.RTM_NEWROUTE,
  flags: NLM_F.NLM_F_CREATE | NLM_F.NLM_F_EXCL,
  structSize: SIZE,
  encode: ({ gateway, index }) => ({
    struct: rtmsg({
      family: addressFamily(gateway),
      prefixLength: 0,
      type: ROUTE.RTN_UNICAST,
      flags: ROUTE.RTNH_F_ONLINK,
    }),
    attributes: [
      { type: RTA.RTA_GATEWAY, value: addressBytes(gateway) },
      { type: RTA.RTA_OIF, value: u32(index) },
    ],
  }),
  decode: (_struct, attributes) => ({
    kind: 'newDefaultRoute',
    gateway: addressIn(attributes, RTA.RTA_GATEWAY),
    index: readU32(attributes.get(RTA.RTA_OIF)),
  }),
  describe: ({ gateway, index }, names) =>
    `route add default via ${gateway} dev ${names.device(index)} onlink proto ${ROUTE_PROTOCOL}`,
};

export const getRoute: Codec<GetRoute> = {
  type: RTM.RTM_GETROUTE,
  flags: 0,
  structSize: SIZE,
  encode: ({ destination }) => ({
    struct: rtmsg({
      family: addressFamily(destination),
      prefixLength: hostPrefix(destination),
      flags: RTM.RTM_F_FIB_MATCH,
    }),
    attributes: [{ type: RTA.RTA_DST, value: addressBytes(destination) }],
  }),
  decode: (_struct, attributes) => ({ kind: 'getRoute', destination: addressIn(attributes, RTA.RTA_DST) }),
  describe: ({ destination }) => `route get fibmatch ${destination}`,
};

/** An entry of a routing table, as the kernel tells of it. */
export interface Route {
  readonly destination: string;
  readonly prefixLength: number;
  readonly type: number;
  readonly protocol: number;
  /** The device's number; 0 without one. */
  readonly index: number;
  readonly hasGateway: boolean;
}

/** The body of an RTM_NEWROUTE that answers {@link GetRoute}. */
export function readRoute(body: Uint8Array): Route {
  const struct = viewOf(body);
  const attributes = readAttributes(body.subarray(SIZE));
  const any = new Uint8Array(struct.getUint8(0) === SOCKET.AF_INET ? 4 : 16);
  return {
    destination: addressOfBytes(attributes.get(RTA.RTA_DST) ?? any),
    prefixLength: struct.getUint8(1),
    type: struct.getUint8(7),
    protocol: struct.getUint8(5),
    index: readU32(attributes.get(RTA.RTA_OIF)),
    hasGateway: attributes.has(RTA.RTA_GATEWAY),
  };
}
