import { NLM_F } from '../../linux/constants.generated.ts';
import { encodeFrame, type ReceivedFrame, readAttributes, viewOf } from '../netlink.ts';
import * as addresses from './addresses.ts';
import type { Codec, Names } from './codec.ts';
import * as links from './links.ts';
import * as neighbours from './neighbours.ts';
import * as routes from './routes.ts';

/** Everything that podspace asks of rtnetlink(7). */
export type Message =
  | links.NewVeth
  | links.SetLink
  | links.DeleteLink
  | links.GetLink
  | links.ListLinks
  | addresses.NewAddress
  | addresses.ListAddresses
  | routes.NewHostRoute
  | routes.DeleteHostRoute
  | routes.NewDefaultRoute
  | routes.GetRoute
  | neighbours.NewNeighbour;

type Codecs = { readonly [K in Message['kind']]: Codec<Extract<Message, { readonly kind: K }>> };

const CODECS: Codecs = {
  newVeth: links.newVeth,
  setLink: links.setLink,
  deleteLink: links.deleteLink,
  getLink: links.getLink,
  listLinks: links.listLinks,
  newAddress: addresses.newAddress,
  listAddresses: addresses.listAddresses,
  newHostRoute: routes.newHostRoute,
  deleteHostRoute: routes.deleteHostRoute,
  newDefaultRoute: routes.newDefaultRoute,
  getRoute: routes.getRoute,
  newNeighbour: neighbours.newNeighbour,
};

export const MESSAGE_KINDS = Object.keys(CODECS) as Message['kind'][];

const codecOf = (kind: Message['kind']): Codec<Message> => CODECS[kind] as Codec<Message>;

/** Every message asks for its end to be told (NLM_F_ACK); a list has one anyway. */
const COMMON = NLM_F.NLM_F_REQUEST | NLM_F.NLM_F_ACK;

export function encodeMessage(message: Message, sequence: number): Uint8Array {
  const { type, flags, encode } = codecOf(message.kind);
  return encodeFrame({ type, flags: flags | COMMON, ...encode(message) }, sequence);
}

/** Reads back a message of our own. Undefined for what {@link encodeMessage} does not write. */
export function decodeMessage({ type, flags, body }: ReceivedFrame): Message | undefined {
  const codec = MESSAGE_KINDS.map(codecOf).find(
    ({ type: own, flags: extra }) => own === type && (extra | COMMON) === flags,
  );
  return codec?.decode(viewOf(body), readAttributes(body.subarray(codec.structSize)));
}

const NUMBERS: Names = { device: index => `#${index}`, netns: fd => `fd ${fd}` };

/** In the words of ip(8). */
export function describeMessage(message: Message, names: Names = NUMBERS): string {
  return codecOf(message.kind).describe(message, names);
}
