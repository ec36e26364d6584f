/** Replies to queries, in as few bytes as the client takes. */
import { encode, type OptAnswer, type Packet } from 'dns-packet';
import type { Answer } from './answer.ts';
import { FLAG, HEADER, type Query, RCODE, type Rcode, rcodeOf } from './message.ts';
import type { DnsRecord } from './records.ts';

/** The largest that goes by UDP without being cut into fragments anywhere (dnsflagday.net/2020). */
const MAX_UDP = 1232;
const MIN_UDP = 512;
const MAX_TCP = 65_535;

/** How many bytes a client takes. */
export function limitOf({ edns }: Query, protocol: 'udp' | 'tcp'): number {
  if (protocol === 'tcp') return MAX_TCP;
  return edns === undefined ? MIN_UDP : Math.min(Math.max(edns.size, MIN_UDP), MAX_UDP);
}

export function errorReply(query: Query, rcode: Rcode): Buffer {
  return assemble(query, RCODE[rcode], 0, [[], [], []]);
}

/** The reply that holds an answer; without its additional records, or without any, where it would be longer than `limit`. */
export function answerReply(query: Query, found: Answer, limit: number): Buffer {
  const { answers, authorities, additionals } = found;
  const rcode = RCODE[found.rcode];
  const whole = assemble(query, rcode, FLAG.AA, [rotate(answers, query.id), authorities, additionals]);
  if (whole.length <= limit) return whole;
  const less = assemble(query, rcode, FLAG.AA, [rotate(answers, query.id), authorities, []]);
  return less.length <= limit ? less : assemble(query, rcode, FLAG.AA | FLAG.TC, [[], [], []]);
}

/** A reply of somebody else's to the same question, cut off where it is longer than `limit`. */
export function relayedReply(query: Query, reply: Buffer, limit: number): Buffer {
  // A server that could not even read the question has left it out.
  const hasQuestion = reply.readUInt16BE(4) > 0;
  if (reply.length > limit || !hasQuestion)
    return assemble(query, rcodeOf(reply), hasQuestion ? FLAG.TC : 0, [[], [], []]);
  const copy = Buffer.from(reply);
  copy.writeUInt16BE(query.id, 0);
  // Another client may have asked in other letters (upper case), and each wants its own back.
  copy.set(query.question, HEADER);
  return copy;
}

/** The reply that holds aliases of ours, and what somebody else said of the name that they lead to. */
export function aliasReply(
  query: Query,
  aliases: readonly DnsRecord[],
  rcode: number,
  others: readonly Buffer[],
  limit: number,
): Buffer {
  const whole = assemble(query, rcode, 0, [[...aliases, ...others], [], []]);
  return whole.length <= limit ? whole : assemble(query, rcode, FLAG.TC, [[], [], []]);
}

/** Records of ours, and encoded ones of others. */
type Section = readonly (DnsRecord | Buffer)[];
type Sections = readonly [answers: Section, authorities: Section, additionals: Section];

function assemble(query: Query, rcode: number, flags: number, sections: Sections): Buffer {
  const chunks: Buffer[] = [Buffer.alloc(HEADER), query.question];
  const names = new Map([[query.name.toLowerCase(), HEADER]]);
  let offset = HEADER + query.question.length;
  for (const record of sections.flat()) {
    const bytes = Buffer.isBuffer(record) ? record : encodeRecord(record, names, offset);
    chunks.push(bytes);
    offset += bytes.length;
  }
  if (query.edns !== undefined) chunks.push(encodeOpt(rcode, query.edns.wantsSignatures));
  const message = Buffer.concat(chunks);
  const [answers, authorities, additionals] = sections;
  const counts = [
    query.question.length > 0 ? 1 : 0,
    answers.length,
    authorities.length,
    additionals.length + (query.edns === undefined ? 0 : 1),
  ];
  message.writeUInt16BE(query.id, 0);
  const echoed = query.flags & (FLAG.OPCODE | FLAG.RD | FLAG.CD);
  message.writeUInt16BE(FLAG.QR | FLAG.RA | echoed | flags | (rcode & FLAG.RCODE), 2);
  counts.forEach((count, i) => {
    message.writeUInt16BE(count, 4 + 2 * i);
  });
  return message;
}

/** With a pointer for an owner that was named before; names inside of records stay whole, as RFC 3597 wants it of SRV. */
function encodeRecord(record: DnsRecord, names: Map<string, number>, offset: number): Buffer {
  const known = names.get(record.name);
  if (known === undefined) {
    if (offset < 0x4000) names.set(record.name, offset);
    return encodePacket({ answers: [record] });
  }
  const pointer = Buffer.from([0xc0 | (known >> 8), known & 0xff]);
  return Buffer.concat([pointer, encodePacket({ answers: [{ ...record, name: '.' }] }).subarray(1)]);
}

/** Our own OPT record; the upper bits of a code are in it. */
export function encodeOpt(rcode: number, wantsSignatures: boolean): Buffer {
  const option: OptAnswer = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: MAX_UDP,
    extendedRcode: rcode >> 4,
    ednsVersion: 0,
    flags: wantsSignatures ? 0x8000 : 0,
    flag_do: wantsSignatures,
    options: [],
  };
  return encodePacket({ additionals: [option] });
}

const encodePacket = (packet: Packet): Buffer => encode(packet).subarray(HEADER);

/** Aliases first; of the others a different one each time, so that clients that take the first share them. */
function rotate(answers: readonly DnsRecord[], by: number): readonly DnsRecord[] {
  const aliases = answers.filter(({ type }) => type === 'CNAME');
  const rest = answers.filter(({ type }) => type !== 'CNAME');
  const start = rest.length === 0 ? 0 : by % rest.length;
  return [...aliases, ...rest.slice(start), ...rest.slice(0, start)];
}
