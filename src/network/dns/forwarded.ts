/** Queries that are sent on to other servers, and what comes back. */
import { encode, type RecordType } from 'dns-packet';
import { FLAG, HEADER, type Query, RCODE, rcodeOf } from './message.ts';
import { encodeOpt } from './reply.ts';

/** What of a query matters to others. */
export type ForwardedQuery = Pick<Query, 'question' | 'flags' | 'edns'>;

/** The same question about another name. */
export function aboutName(query: Query, name: string): ForwardedQuery {
  const question = encode({ questions: [{ name, type: query.type as RecordType }] }).subarray(HEADER);
  return { question, flags: query.flags, edns: query.edns };
}

/** What is sent on for a query: the same question, and nothing else of the client's. */
export function upstreamQuery(query: ForwardedQuery, id: number): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(query.flags & (FLAG.RD | FLAG.AD | FLAG.CD), 2);
  header.writeUInt16BE(1, 4);
  if (query.edns === undefined) return Buffer.concat([header, query.question]);
  header.writeUInt16BE(1, 10);
  return Buffer.concat([header, query.question, encodeOpt(0, query.edns.wantsSignatures)]);
}

/** Two queries with the same key have the same answer. */
export function keyOf({ question, flags, edns }: ForwardedQuery): string {
  return `${withoutCase(question)} ${flags & (FLAG.RD | FLAG.AD | FLAG.CD)} ${edns === undefined ? '' : edns.wantsSignatures}`;
}

/** A question's name in lower case, which in the DNS is about ASCII only; its type and class as they are. */
function withoutCase(question: Buffer): string {
  const text = question.toString('latin1');
  return text.slice(0, -4).replace(/[A-Z]/g, letter => letter.toLowerCase()) + text.slice(-4);
}

/** True for the reply to what was sent on under that id, and for no other message. */
export function isReplyTo(bytes: Buffer, id: number, question: Buffer): boolean {
  if (bytes.length < HEADER || bytes.readUInt16BE(0) !== id) return false;
  const flags = bytes.readUInt16BE(2);
  if ((flags & FLAG.QR) === 0 || (flags & FLAG.OPCODE) !== 0) return false;
  const count = bytes.readUInt16BE(4);
  if (count === 0) return rcodeOf(bytes) !== RCODE.NOERROR && rcodeOf(bytes) !== RCODE.NXDOMAIN;
  const echoed = bytes.subarray(HEADER, HEADER + question.length);
  return count === 1 && withoutCase(echoed) === withoutCase(question);
}

/**
 * The records that answer a reply's question, as bytes that stand for themselves: their names hold no pointers into the
 * message. Throws where they cannot be read.
 */
export function answersOf(reply: Buffer): readonly Buffer[] {
  let at = HEADER;
  for (let i = reply.readUInt16BE(4); i > 0; i--) at = readName(reply, at).end + 4;
  return Array.from({ length: reply.readUInt16BE(6) }, () => {
    const owner = readName(reply, at);
    const data = owner.end + 10;
    at = data + reply.readUInt16BE(data - 2);
    if (at > reply.length) throw new RangeError('a record ends beyond its message');
    return record(owner.name, reply.subarray(owner.end, data), expandData(reply, data, at));
  });
}

function record(owner: Buffer, fixed: Buffer, data: Buffer): Buffer {
  const size = Buffer.alloc(2);
  size.writeUInt16BE(data.length);
  return Buffer.concat([owner, fixed.subarray(0, 8), size, data]);
}

/** Where the data of a type has names that can be pointers (RFC 3597 §4): bytes before them, and how many there are. */
const NAMES_IN_DATA: Readonly<Record<number, readonly [before: number, count: number]>> = {
  2: [0, 1], // NS
  5: [0, 1], // CNAME
  6: [0, 2], // SOA
  12: [0, 1], // PTR
  15: [2, 1], // MX
  33: [6, 1], // SRV
};

function expandData(reply: Buffer, start: number, end: number): Buffer {
  const [before, count] = NAMES_IN_DATA[reply.readUInt16BE(start - 10)] ?? [0, 0];
  const parts = [reply.subarray(start, start + before)];
  let at = start + before;
  for (let i = 0; i < count; i++) {
    const { name, end } = readName(reply, at);
    parts.push(name);
    at = end;
  }
  if (at > end) throw new RangeError('a name ends beyond its record');
  return Buffer.concat([...parts, reply.subarray(at, end)]);
}

/** A name with all of its labels; `end` is where it ends in the message. Pointers lead back only, so that there is an end. */
function readName(message: Buffer, start: number): { readonly name: Buffer; readonly end: number } {
  const labels: Buffer[] = [];
  let end: number | undefined;
  let limit = start;
  let size = 0;
  for (let at = start; ; ) {
    const length = message.readUInt8(at);
    if (length >= 0xc0) {
      end ??= at + 2;
      at = message.readUInt16BE(at) & 0x3fff;
      if (at >= limit) throw new RangeError('a name that leads to itself');
      limit = at;
      continue;
    }
    const label = message.subarray(at, at + 1 + length);
    size += label.length;
    if (length > 63 || size > 255 || label.length <= length) throw new RangeError('a name that is none');
    labels.push(label);
    at += 1 + length;
    if (length === 0) return { name: Buffer.concat(labels), end: end ?? at };
  }
}
