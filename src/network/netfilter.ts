import { type Family, formatAddress } from '../base/addresses.ts';
import {
  CTA,
  CTA_IP,
  CTA_PROTO,
  CTA_TUPLE,
  NETFILTER,
  NFTA_CHAIN,
  NFTA_GEN,
  NFTA_TABLE,
  NLA,
  NLM_F,
} from '../linux/constants.generated.ts';

/**
 * The few messages of netfilter that podspace sends itself: is a chain there, which flows does the kernel follow, forget one.
 * A netlink(7) header, a struct nfgenmsg, attributes; numbers in the machine's order (little-endian), but ports and the
 * like in the network's.
 */

const HEADER_SIZE = 16;
const NFGENMSG_SIZE = 4;
const AF_UNSPEC = 0;

const align = (size: number): number => (size + 3) & ~3;

function encode(
  subsystem: number,
  message: number,
  flags: number,
  family: number,
  attributes: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE + NFGENMSG_SIZE + attributes.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, (subsystem << 8) | message, true);
  view.setUint16(6, NLM_F.NLM_F_REQUEST | flags, true);
  view.setUint8(HEADER_SIZE, family);
  bytes.set(attributes, HEADER_SIZE + NFGENMSG_SIZE);
  return bytes;
}

function attribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(align(4 + value.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 4 + value.length, true);
  view.setUint16(2, type, true);
  bytes.set(value, 4);
  return bytes;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(`${value}\0`);

/** Removes a table of family inet with all that is in it: a transaction of three messages, of which the second is answered. */
export function deleteTable(table: string): Uint8Array {
  const { NFNL_SUBSYS_NFTABLES, NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END, NFT_MSG_DELTABLE } = NETFILTER;
  const name = attribute(NFTA_TABLE.NFTA_TABLE_NAME, text(table));
  // The subsystem of a batch is the one of its struct nfgenmsg: res_id, in the network's order.
  const border = (message: number): Uint8Array => {
    const bytes = encode(0, message, 0, AF_UNSPEC, new Uint8Array(0));
    new DataView(bytes.buffer).setUint16(HEADER_SIZE + 2, NFNL_SUBSYS_NFTABLES);
    return bytes;
  };
  return Uint8Array.from([
    ...border(NFNL_MSG_BATCH_BEGIN),
    ...encode(NFNL_SUBSYS_NFTABLES, NFT_MSG_DELTABLE, NLM_F.NLM_F_ACK, NETFILTER.NFPROTO_INET, name),
    ...border(NFNL_MSG_BATCH_END),
  ]);
}

/** Asks for a chain of a table of family inet. The answer is an error if there is none. */
export function getChain(table: string, chain: string): Uint8Array {
  const attributes = [
    ...attribute(NFTA_CHAIN.NFTA_CHAIN_TABLE, text(table)),
    ...attribute(NFTA_CHAIN.NFTA_CHAIN_NAME, text(chain)),
  ];
  return encode(
    NETFILTER.NFNL_SUBSYS_NFTABLES,
    NETFILTER.NFT_MSG_GETCHAIN,
    NLM_F.NLM_F_ACK,
    NETFILTER.NFPROTO_INET,
    Uint8Array.from(attributes),
  );
}

/** Asks for the number of the last change to any rules. */
export function getGeneration(): Uint8Array {
  const { NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN } = NETFILTER;
  return encode(NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN, NLM_F.NLM_F_ACK, AF_UNSPEC, new Uint8Array(0));
}

/** The number that {@link getGeneration} was answered with. */
export function readGeneration(message: Uint8Array): number | undefined {
  const id = readAttributes(message.subarray(HEADER_SIZE + NFGENMSG_SIZE)).get(NFTA_GEN.NFTA_GEN_ID);
  return id === undefined ? undefined : Number(numberOf(id));
}

/** Asks for every flow. */
export function getFlows(): Uint8Array {
  const { NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET } = NETFILTER;
  return encode(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, NLM_F.NLM_F_DUMP, AF_UNSPEC, new Uint8Array(0));
}

/** A flow that the kernel follows. */
export interface Flow {
  readonly family: Family;
  readonly protocol: number;
  /** Who began it. */
  readonly source: string;
  /** What was asked for. */
  readonly destination: string;
  readonly port: number;
  /** Who answers. */
  readonly server: string;
  readonly serverPort: number;
  /** What names it to the kernel. */
  readonly handle: { readonly nfgenFamily: number; readonly attributes: Uint8Array };
}

/** Makes the kernel forget a flow: the next packet is a new connection's. */
export function deleteFlow({ handle }: Flow): Uint8Array {
  const { NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE } = NETFILTER;
  return encode(
    NFNL_SUBSYS_CTNETLINK,
    IPCTNL_MSG_CT_DELETE,
    NLM_F.NLM_F_ACK,
    handle.nfgenFamily,
    handle.attributes,
  );
}

type Attributes = ReadonlyMap<number, Uint8Array>;

/** Attributes by type. What is cut short is not read. */
function readAttributes(bytes: Uint8Array): Attributes {
  const found = new Map<number, Uint8Array>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > bytes.length) break;
    found.set(view.getUint16(at + 2, true) & NLA.NLA_TYPE_MASK, bytes.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}

interface Tuple {
  readonly family: Family;
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly port: number;
}

/** The flow of a message that {@link getFlows} was answered with; undefined for what has no ports, or is something else. */
export function readFlow(message: Uint8Array): Flow | undefined {
  const attributes = readAttributes(message.subarray(HEADER_SIZE + NFGENMSG_SIZE));
  const original = attributes.get(CTA.CTA_TUPLE_ORIG);
  const id = attributes.get(CTA.CTA_ID);
  const [asked, answered] = [original, attributes.get(CTA.CTA_TUPLE_REPLY)].map(readTuple);
  if (original === undefined || asked === undefined || answered === undefined) return undefined;
  const nested = CTA.CTA_TUPLE_ORIG | NLA.NLA_F_NESTED;
  return {
    family: asked.family,
    protocol: asked.protocol,
    source: asked.source,
    destination: asked.destination,
    port: asked.port,
    server: answered.source,
    serverPort: answered.sourcePort,
    handle: {
      nfgenFamily: message[HEADER_SIZE] ?? AF_UNSPEC,
      attributes: Uint8Array.from([
        ...attribute(nested, original),
        ...(id === undefined ? [] : attribute(CTA.CTA_ID, id)),
      ]),
    },
  };
}

function readTuple(bytes: Uint8Array | undefined): Tuple | undefined {
  const parts = readAttributes(bytes ?? new Uint8Array(0));
  const ip = readAttributes(parts.get(CTA_TUPLE.CTA_TUPLE_IP) ?? new Uint8Array(0));
  const proto = readAttributes(parts.get(CTA_TUPLE.CTA_TUPLE_PROTO) ?? new Uint8Array(0));
  const source = ip.get(CTA_IP.CTA_IP_V4_SRC) ?? ip.get(CTA_IP.CTA_IP_V6_SRC);
  const destination = ip.get(CTA_IP.CTA_IP_V4_DST) ?? ip.get(CTA_IP.CTA_IP_V6_DST);
  const [from, to] = [CTA_PROTO.CTA_PROTO_SRC_PORT, CTA_PROTO.CTA_PROTO_DST_PORT].map(type =>
    proto.get(type),
  );
  const protocol = proto.get(CTA_PROTO.CTA_PROTO_NUM)?.[0];
  if (!source || !destination || !from || !to || protocol === undefined) return undefined;
  return {
    family: source.length === 4 ? 'IPv4' : 'IPv6',
    source: addressText(source),
    destination: addressText(destination),
    protocol,
    sourcePort: Number(numberOf(from)),
    port: Number(numberOf(to)),
  };
}

function addressText(bytes: Uint8Array): string {
  return formatAddress({ family: bytes.length === 4 ? 'IPv4' : 'IPv6', value: numberOf(bytes) });
}

/** Network order. */
function numberOf(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}
