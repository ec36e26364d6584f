/** Queries that are sent on to other servers, and what comes back. */
import { type Answer as DnsAnswer, decode, encode, type RecordType } from 'dns-packet';
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

/** The records that answer a reply's question. Throws where they cannot be read. */
export function answersOf(reply: Buffer): readonly DnsAnswer[] {
  checkRecords(reply);
  return decode(reply).answers ?? [];
}

/** Bytes of an address. */
const SIZES: Readonly<Record<number, number>> = { 1: 4, 28: 16 };

/** The library makes arrays of whatever lengths it is told, and addresses of what is not there. */
function checkRecords(reply: Buffer): void {
  const [questions = 0, ...counts] = [4, 6, 8, 10].map(at => reply.readUInt16BE(at));
  let at = HEADER;
  for (let i = 0; i < questions; i++) at = endOfName(reply, at) + 4;
  for (let i = counts.reduce((sum, count) => sum + count, 0); i > 0; i--) {
    const head = endOfName(reply, at);
    const size = reply.readUInt16BE(head + 8);
    const wanted = SIZES[reply.readUInt16BE(head)] ?? size;
    at = head + 10 + size;
    if (at > reply.length || size !== wanted) throw new Error('a record does not hold what it should');
  }
}

/** A name ends with an empty label, or with a pointer to the rest of it. */
function endOfName(bytes: Buffer, start: number): number {
  for (let at = start; ; ) {
    const length = bytes.readUInt8(at);
    if (length >= 0xc0) return at + 2;
    at += 1 + length;
    if (length === 0) return at;
  }
}
