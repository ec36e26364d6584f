import { NEIGHBOUR, NLM_F, RTM } from '../../linux/constants.generated.ts';
import { addressBytes, addressOfBytes } from '../addresses.ts';
import { viewOf } from '../netlink.ts';
import { addressFamily } from './addresses.ts';
import type { Codec } from './codec.ts';
import { macBytes, macOfBytes } from './links.ts';

/** Whose an address is, for ever: nobody asks (ARP, neighbour discovery), and nobody's answer counts. */
export interface NewNeighbour {
  readonly kind: 'newNeighbour';
  readonly index: number;
  readonly address: string;
  readonly mac: string;
}

/** struct ndmsg */
const SIZE = 12;

export const newNeighbour: Codec<NewNeighbour> = {
  type: RTM.RTM_NEWNEIGH,
  flags: NLM_F.NLM_F_CREATE | NLM_F.NLM_F_REPLACE,
  structSize: SIZE,
  encode: ({ index, address, mac }) => {
    const struct = new Uint8Array(SIZE);
    const view = viewOf(struct);
    view.setUint8(0, addressFamily(address));
    view.setInt32(4, index, true);
    view.setUint16(8, NEIGHBOUR.NUD_PERMANENT, true);
    return {
      struct,
      attributes: [
        { type: NEIGHBOUR.NDA_DST, value: addressBytes(address) },
        { type: NEIGHBOUR.NDA_LLADDR, value: macBytes(mac) },
      ],
    };
  },
  decode: (struct, attributes) => ({
    kind: 'newNeighbour',
    index: struct.getInt32(4, true),
    address: addressOfBytes(attributes.get(NEIGHBOUR.NDA_DST) ?? new Uint8Array()),
    mac: macOfBytes(attributes.get(NEIGHBOUR.NDA_LLADDR)),
  }),
  describe: ({ index, address, mac }, names) =>
    `neigh replace ${address} lladdr ${mac} dev ${names.device(index)} nud permanent`,
};
