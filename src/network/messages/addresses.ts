import { familyOf } from '../../base/addresses.ts';
import { IFA, NLM_F, ROUTE, RTM } from '../../linux/constants.generated.ts';
import { SOCKET } from '../../linux/sockets.ts';
import { addressBytes, addressOfBytes } from '../addresses.ts';
import { type Attribute, readAttributes, u32, viewOf } from '../netlink.ts';
import type { Codec } from './codec.ts';

/** Gives a device an address. IPv6 ones are used at once, without asking whether somebody else has them. */
export interface NewAddress {
  readonly kind: 'newAddress';
  readonly index: number;
  readonly address: string;
  readonly prefixLength: number;
  /** `link`: nobody beyond the link can answer to it, so that it is not taken as a source for other devices. */
  readonly scope: 'global' | 'link';
}

/** Answered by a {@link DeviceAddress} for each. */
export interface ListAddresses {
  readonly kind: 'listAddresses';
}

/** struct ifaddrmsg */
const SIZE = 8;

const SCOPES = { global: ROUTE.RT_SCOPE_UNIVERSE, link: ROUTE.RT_SCOPE_LINK } as const;

export const addressFamily = (address: string): number =>
  familyOf(address) === 'IPv4' ? SOCKET.AF_INET : SOCKET.AF_INET6;

export const newAddress: Codec<NewAddress> = {
  type: RTM.RTM_NEWADDR,
  flags: NLM_F.NLM_F_CREATE | NLM_F.NLM_F_EXCL,
  structSize: SIZE,
  encode: ({ index, address, prefixLength, scope }) => {
    const struct = Uint8Array.of(addressFamily(address), prefixLength, 0, SCOPES[scope], 0, 0, 0, 0);
    viewOf(struct).setUint32(4, index, true);
    const bytes = addressBytes(address);
    const noDad: Attribute = { type: IFA.IFA_FLAGS, value: u32(IFA.IFA_F_NODAD) };
    return {
      struct,
      attributes: [
        { type: IFA.IFA_LOCAL, value: bytes },
        { type: IFA.IFA_ADDRESS, value: bytes },
        ...(familyOf(address) === 'IPv6' ? [noDad] : []),
      ],
    };
  },
  decode: (struct, attributes) => ({
    kind: 'newAddress',
    index: struct.getUint32(4, true),
    address: addressOfBytes(attributes.get(IFA.IFA_LOCAL) ?? new Uint8Array()),
    prefixLength: struct.getUint8(1),
    scope: struct.getUint8(3) === SCOPES.link ? 'link' : 'global',
  }),
  describe: ({ index, address, prefixLength, scope }, names) =>
    [
      `addr add ${address}/${prefixLength} dev ${names.device(index)}`,
      ...(scope === 'link' ? ['scope link'] : []),
      ...(familyOf(address) === 'IPv6' ? ['nodad'] : []),
    ].join(' '),
};

export const listAddresses: Codec<ListAddresses> = {
  type: RTM.RTM_GETADDR,
  flags: NLM_F.NLM_F_DUMP,
  structSize: SIZE,
  encode: () => ({ struct: new Uint8Array(SIZE), attributes: [] }),
  decode: () => ({ kind: 'listAddresses' }),
  describe: () => 'addr show',
};

export interface DeviceAddress {
  readonly index: number;
  readonly address: string;
  readonly prefixLength: number;
}

/** The body of an RTM_NEWADDR that answers {@link ListAddresses}. An IPv6 address is IFA_ADDRESS only, ours in IPv4 IFA_LOCAL. */
export function readAddress(body: Uint8Array): DeviceAddress {
  const struct = viewOf(body);
  const attributes = readAttributes(body.subarray(SIZE));
  const bytes = attributes.get(IFA.IFA_LOCAL) ?? attributes.get(IFA.IFA_ADDRESS) ?? new Uint8Array();
  return {
    index: struct.getUint32(4, true),
    address: addressOfBytes(bytes),
    prefixLength: struct.getUint8(1),
  };
}
