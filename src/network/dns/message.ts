/** DNS messages, RFC 1035 §4 and RFC 6891: what comes from anybody is read here. */
import { decode, type OptAnswer } from 'dns-packet';

/** Bytes before the question. */
export const HEADER = 12;

/** Bits of the header's second word. */
export const FLAG = {
  QR: 0x8000,
  OPCODE: 0x7800,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  AD: 0x0020,
  CD: 0x0010,
  RCODE: 0x000f,
} as const;

/** IANA's DNS RCODEs. */
export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  /** Its upper bits are in the OPT record. */
  BADVERS: 16,
} as const;

export type Rcode = keyof typeof RCODE;

export interface Query {
  readonly id: number;
  readonly flags: number;
  /** Name, type and class, as they came. Empty where they cannot be read. */
  readonly question: Buffer;
  readonly name: string;
  readonly type: string;
  readonly class: string;
  /** EDNS: the size that the client takes by UDP, and whether it wants signatures. */
  readonly edns: { readonly size: number; readonly wantsSignatures: boolean } | undefined;
}

/** A query, or why it is none: its reply is that code then. Undefined for what must not be replied to. */
export type ParsedQuery = { readonly query: Query; readonly error?: Rcode } | undefined;

/** Reads a query; whatever the bytes are, it does not throw. */
export function parseQuery(bytes: Buffer): ParsedQuery {
  // A reply to a reply would go on for ever.
  if (bytes.length < HEADER || (bytes.readUInt16BE(2) & FLAG.QR) !== 0) return undefined;
  const [id, flags, questions, answers, authorities, additionals] = [0, 2, 4, 6, 8, 10].map(at =>
    bytes.readUInt16BE(at),
  ) as [number, number, number, number, number, number];
  const nothing = { id, flags, question: Buffer.alloc(0), name: '', type: '', class: '', edns: undefined };
  if ((flags & FLAG.OPCODE) !== 0) return { query: nothing, error: 'NOTIMP' };
  const asked = questions === 1 ? readName(bytes, HEADER) : undefined;
  // Looked at before the library makes arrays of these lengths.
  if (asked === undefined || answers + authorities > 0 || additionals > 4 || asked.end + 4 > bytes.length)
    return { query: nothing, error: 'FORMERR' };
  const question = bytes.subarray(HEADER, asked.end + 4);
  try {
    const packet = decode(bytes);
    const [{ type, class: klass = 'IN' } = { type: '' }] = packet.questions ?? [];
    const options = (packet.additionals ?? []).filter(isOpt);
    const [option] = options;
    const edns =
      option === undefined ? undefined : { size: option.udpPayloadSize, wantsSignatures: option.flag_do };
    const query = { ...nothing, question, name: asked.name, type, class: klass, edns };
    if (options.length > 1) return { query, error: 'FORMERR' };
    return (option?.ednsVersion ?? 0) > 0 ? { query, error: 'BADVERS' } : { query };
  } catch {
    return { query: { ...nothing, question }, error: 'FORMERR' };
  }
}

const isOpt = (record: { readonly type: string }): record is OptAnswer => record.type === 'OPT';

/** A name without pointers, which the first one of a message cannot have. A dot within a label makes it nobody's name. */
function readName(bytes: Buffer, start: number): { readonly name: string; readonly end: number } | undefined {
  const labels: string[] = [];
  for (let at = start; at < bytes.length && at - start < 255; ) {
    const length = bytes[at] ?? 0;
    if (length === 0) return { name: labels.join('.'), end: at + 1 };
    if (length > 63) return undefined;
    labels.push(bytes.toString('latin1', at + 1, at + 1 + length).replaceAll('.', '\\.'));
    at += 1 + length;
  }
  return undefined;
}

export const rcodeOf = (message: Buffer): number => message.readUInt16BE(2) & FLAG.RCODE;

export const isTruncated = (message: Buffer): boolean => (message.readUInt16BE(2) & FLAG.TC) !== 0;

/** As TCP carries a message: its length first, RFC 1035 §4.2.2. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
