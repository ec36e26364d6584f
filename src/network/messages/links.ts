import {
  IFF,
  IFLA,
  IN6_ADDR_GEN_MODE,
  IPV4_DEVCONF,
  NLM_F,
  RTM,
  VETH,
} from '../../linux/constants.generated.ts';
import { SOCKET } from '../../linux/sockets.ts';
import {
  type Attribute,
  type AttributeMap,
  concat,
  encodeAttributes,
  readAttributes,
  readText,
  readU32,
  text,
  u32,
  viewOf,
} from '../netlink.ts';
import type { Codec } from './codec.ts';

interface VethEnd {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
}

/** Makes both ends of a pair, the peer in another network namespace at once. Fails if one of the names is in use. */
export interface NewVeth extends VethEnd {
  readonly kind: 'newVeth';
  readonly peer: VethEnd & {
    /** fd of its network namespace. */
    readonly netns: number;
  };
}

/** Settings of IPv4 on a device, by the names that /proc/sys/net/ipv4/conf/DEVICE has. */
const IPV4_SETTINGS = {
  forwarding: IPV4_DEVCONF.IPV4_DEVCONF_FORWARDING,
  accept_redirects: IPV4_DEVCONF.IPV4_DEVCONF_ACCEPT_REDIRECTS,
  rp_filter: IPV4_DEVCONF.IPV4_DEVCONF_RP_FILTER,
  route_localnet: IPV4_DEVCONF.IPV4_DEVCONF_ROUTE_LOCALNET,
} as const;

/** Changes a device. The kernel brings it up before it looks at the rest: what must hold before is a message before. */
export interface SetLink {
  readonly kind: 'setLink';
  readonly index: number;
  /** No link-local address, and so no neighbour discovery. Not to be asked of a kernel without IPv6. */
  readonly hasNoLinkLocal?: true;
  readonly ipv4?: Readonly<Partial<Record<keyof typeof IPV4_SETTINGS, number>>>;
  readonly isUp?: true;
}

/** By number, or by name where the number is not known. */
export interface DeleteLink {
  readonly kind: 'deleteLink';
  readonly link: number | string;
}

/** Answered by a {@link Link}. */
export interface GetLink {
  readonly kind: 'getLink';
  readonly link: number | string;
}

/** Answered by a {@link Link} for each device. */
export interface ListLinks {
  readonly kind: 'listLinks';
}

/** struct ifinfomsg */
const SIZE = 16;

function ifinfo(index: number, flags = 0): Uint8Array {
  const struct = new Uint8Array(SIZE);
  const view = viewOf(struct);
  view.setInt32(4, index, true);
  view.setUint32(8, flags, true);
  // ifi_change: which of the flags are meant.
  view.setUint32(12, flags, true);
  return struct;
}

const indexOf = (struct: DataView): number => struct.getInt32(4, true);

export const macBytes = (mac: string): Uint8Array =>
  Uint8Array.from(mac.split(':'), digits => Number.parseInt(digits, 16));
export const macOfBytes = (bytes: Uint8Array | undefined): string =>
  [...(bytes ?? [])].map(byte => byte.toString(16).padStart(2, '0')).join(':');

/** One queue: the kernel makes one for each CPU otherwise, most of the time that a pair takes, and a veth has no use for them. */
const ONE_QUEUE: readonly Attribute[] = [
  { type: IFLA.IFLA_NUM_TX_QUEUES, value: u32(1) },
  { type: IFLA.IFLA_NUM_RX_QUEUES, value: u32(1) },
];

const endOf = ({ name, mac, mtu }: VethEnd): readonly Attribute[] => [
  { type: IFLA.IFLA_IFNAME, value: text(name) },
  { type: IFLA.IFLA_ADDRESS, value: macBytes(mac) },
  { type: IFLA.IFLA_MTU, value: u32(mtu) },
  ...ONE_QUEUE,
];

const readEnd = (attributes: AttributeMap): VethEnd => ({
  name: readText(attributes.get(IFLA.IFLA_IFNAME)),
  mac: macOfBytes(attributes.get(IFLA.IFLA_ADDRESS)),
  mtu: readU32(attributes.get(IFLA.IFLA_MTU)),
});

const nested = (attributes: AttributeMap, ...path: readonly number[]): AttributeMap =>
  path.reduce((map, type) => readAttributes(map.get(type) ?? new Uint8Array()), attributes);

export const newVeth: Codec<NewVeth> = {
  type: RTM.RTM_NEWLINK,
  flags: NLM_F.NLM_F_CREATE | NLM_F.NLM_F_EXCL,
  structSize: SIZE,
  encode: ({ peer, ...end }) => {
    const netns: Attribute = { type: IFLA.IFLA_NET_NS_FD, value: u32(peer.netns) };
    const peerInfo = concat([ifinfo(0), encodeAttributes([...endOf(peer), netns])]);
    const info: readonly Attribute[] = [
      { type: IFLA.IFLA_INFO_KIND, value: text('veth') },
      { type: IFLA.IFLA_INFO_DATA, value: [{ type: VETH.VETH_INFO_PEER, value: peerInfo }] },
    ];
    return { struct: ifinfo(0), attributes: [...endOf(end), { type: IFLA.IFLA_LINKINFO, value: info }] };
  },
  decode: (_struct, attributes) => {
    const data = nested(attributes, IFLA.IFLA_LINKINFO, IFLA.IFLA_INFO_DATA);
    const peer = readAttributes((data.get(VETH.VETH_INFO_PEER) ?? new Uint8Array()).subarray(SIZE));
    const netns = readU32(peer.get(IFLA.IFLA_NET_NS_FD));
    return { kind: 'newVeth', ...readEnd(attributes), peer: { ...readEnd(peer), netns } };
  },
  describe: ({ name, mac, mtu, peer }, names) =>
    `link add ${name} address ${mac} mtu ${mtu} type veth peer ${peer.name} address ${peer.mac} mtu ${peer.mtu} netns ${names.netns(peer.netns)}`,
};

export const setLink: Codec<SetLink> = {
  type: RTM.RTM_NEWLINK,
  flags: 0,
  structSize: SIZE,
  encode: ({ index, hasNoLinkLocal, ipv4, isUp }) => {
    const none = Uint8Array.of(IN6_ADDR_GEN_MODE.IN6_ADDR_GEN_MODE_NONE);
    const settings = Object.entries(ipv4 ?? {}).map(([name, value]) => ({
      type: IPV4_SETTINGS[name as keyof typeof IPV4_SETTINGS],
      value: u32(value),
    }));
    const families: readonly Attribute[] = [
      ...(hasNoLinkLocal
        ? [{ type: SOCKET.AF_INET6, value: [{ type: IFLA.IFLA_INET6_ADDR_GEN_MODE, value: none }] }]
        : []),
      ...(settings.length > 0
        ? [{ type: SOCKET.AF_INET, value: [{ type: IFLA.IFLA_INET_CONF, value: settings }] }]
        : []),
    ];
    return {
      struct: ifinfo(index, isUp ? IFF.IFF_UP : 0),
      attributes: families.length > 0 ? [{ type: IFLA.IFLA_AF_SPEC, value: families }] : [],
    };
  },
  decode: (struct, attributes) => {
    const ipv6 = nested(attributes, IFLA.IFLA_AF_SPEC, SOCKET.AF_INET6);
    const conf = nested(attributes, IFLA.IFLA_AF_SPEC, SOCKET.AF_INET, IFLA.IFLA_INET_CONF);
    const settings = Object.entries(IPV4_SETTINGS).flatMap(([name, type]) =>
      conf.has(type) ? [[name, readU32(conf.get(type))] as const] : [],
    );
    return {
      kind: 'setLink',
      index: indexOf(struct),
      ...(ipv6.has(IFLA.IFLA_INET6_ADDR_GEN_MODE) ? { hasNoLinkLocal: true } : {}),
      ...(settings.length > 0 ? { ipv4: Object.fromEntries(settings) } : {}),
      ...((struct.getUint32(8, true) & IFF.IFF_UP) === 0 ? {} : { isUp: true }),
    };
  },
  describe: ({ index, hasNoLinkLocal, ipv4, isUp }, names) =>
    [
      `link set dev ${names.device(index)}`,
      ...(hasNoLinkLocal ? ['addrgenmode none'] : []),
      ...Object.entries(ipv4 ?? {}).map(([name, value]) => `${name} ${value}`),
      ...(isUp ? ['up'] : []),
    ].join(' '),
};

/** The struct and attributes that name a device. */
const which = (link: number | string): ReturnType<Codec<GetLink>['encode']> =>
  typeof link === 'number'
    ? { struct: ifinfo(link), attributes: [] }
    : { struct: ifinfo(0), attributes: [{ type: IFLA.IFLA_IFNAME, value: text(link) }] };

const whichOf = (struct: DataView, attributes: AttributeMap): number | string =>
  attributes.has(IFLA.IFLA_IFNAME) ? readText(attributes.get(IFLA.IFLA_IFNAME)) : indexOf(struct);

export const deleteLink: Codec<DeleteLink> = {
  type: RTM.RTM_DELLINK,
  flags: 0,
  structSize: SIZE,
  encode: ({ link }) => which(link),
  decode: (struct, attributes) => ({ kind: 'deleteLink', link: whichOf(struct, attributes) }),
  describe: ({ link }, names) => `link delete dev ${typeof link === 'number' ? names.device(link) : link}`,
};

export const getLink: Codec<GetLink> = {
  type: RTM.RTM_GETLINK,
  flags: 0,
  structSize: SIZE,
  encode: ({ link }) => which(link),
  decode: (struct, attributes) => ({ kind: 'getLink', link: whichOf(struct, attributes) }),
  describe: ({ link }, names) => `link show dev ${typeof link === 'number' ? names.device(link) : link}`,
};

export const listLinks: Codec<ListLinks> = {
  type: RTM.RTM_GETLINK,
  flags: NLM_F.NLM_F_DUMP,
  structSize: SIZE,
  encode: () => ({ struct: ifinfo(0), attributes: [] }),
  decode: () => ({ kind: 'listLinks' }),
  describe: () => 'link show',
};

/** A device, as the kernel tells of it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  /** The number of the other end of a pair, in its own namespace; 0 without one. */
  readonly peer: number;
  /** Up, and what is sent goes out: a moment later than both ends of a pair being up. */
  readonly isRunning: boolean;
}

/** The body of an RTM_NEWLINK that answers {@link GetLink} or {@link ListLinks}. */
export function readLink(body: Uint8Array): Link {
  const struct = viewOf(body);
  const attributes = readAttributes(body.subarray(SIZE));
  return {
    index: indexOf(struct),
    ...readEnd(attributes),
    peer: readU32(attributes.get(IFLA.IFLA_LINK)),
    isRunning: (struct.getUint32(8, true) & IFF.IFF_RUNNING) !== 0,
  };
}
