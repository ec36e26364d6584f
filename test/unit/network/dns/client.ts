import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import {
  type Answer,
  type DecodedPacket,
  decode,
  encode,
  type OptAnswer,
  type Packet,
  type RecordType,
} from 'dns-packet';
import type { UpstreamServer } from '../../../../src/network/dns/upstream.ts';

const RECURSION_DESIRED = 0x100;

/** The OPT record of a client that takes so many bytes. */
export const opt = (udpPayloadSize: number, more: Partial<OptAnswer> = {}): Answer => ({
  type: 'OPT',
  name: '.',
  udpPayloadSize,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
  ...more,
});

export const question = (name: string, type: string, more: Packet = {}): Buffer =>
  encode({
    type: 'query',
    id: 4242,
    flags: RECURSION_DESIRED,
    questions: [{ name, type: type as RecordType }],
    ...more,
  });

/** Sends one datagram, and waits a while for one back. */
export async function overUdp(port: number, bytes: Buffer, patience = 5000): Promise<Buffer | undefined> {
  const socket = createSocket('udp4');
  const received = new Promise<Buffer | undefined>(resolve => {
    const timer = setTimeout(() => resolve(undefined), patience);
    socket.once('message', message => {
      clearTimeout(timer);
      resolve(message);
    });
  });
  socket.send(bytes, port, '127.0.0.1');
  const reply = await received;
  socket.close();
  return reply;
}

export const framed = (bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);

/** Sends bytes as they are, ends its side, and gives all messages that come until the other side ends. */
export async function overTcp(port: number, bytes: Buffer): Promise<readonly Buffer[]> {
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', chunk => chunks.push(chunk));
  socket.on('error', () => {});
  socket.end(bytes);
  await once(socket, 'close');
  return unframed(Buffer.concat(chunks));
}

export function unframed(bytes: Buffer): readonly Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at + 2 <= bytes.length; at += 2 + bytes.readUInt16BE(at))
    messages.push(bytes.subarray(at + 2, at + 2 + bytes.readUInt16BE(at)));
  return messages;
}

export const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'] as const;

/** What a reply says in short: its code, TC, and the data of its answers. */
export function summary(reply: Buffer | undefined): string {
  if (reply === undefined) return 'no reply';
  const packet = decode(reply);
  const data = (packet.answers ?? []).map(record =>
    'data' in record
      ? typeof record.data === 'object' && 'target' in record.data
        ? record.data.target
        : String(record.data)
      : '',
  );
  return [RCODES[packetCode(packet)], ...(packet.flag_tc ? ['TC'] : []), ...data.sort()].join(' ');
}

export const packetCode = (packet: DecodedPacket): number => (packet.flags ?? 0) & 0xf;

/** A server that does with each question what a test wants. */
export interface FakeServer extends UpstreamServer {
  /** Questions that came, as `udp NAME TYPE`. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

export type FakeReply = Buffer | readonly Buffer[] | undefined;

/** `answer` makes what is sent back; several messages are sent one after the other. */
export async function fakeServer(
  answer: (query: DecodedPacket, protocol: 'udp' | 'tcp') => FakeReply | Promise<FakeReply>,
): Promise<FakeServer> {
  const asked: string[] = [];
  const replies = async (bytes: Buffer, protocol: 'udp' | 'tcp'): Promise<readonly Buffer[]> => {
    const query = decode(bytes);
    asked.push(`${protocol} ${query.questions?.[0]?.name} ${query.questions?.[0]?.type}`);
    const reply = await answer(query, protocol);
    return reply === undefined ? [] : [reply].flat();
  };
  const sockets = new Set<Socket>();
  const tcp = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', async bytes => {
      for (const message of unframed(bytes))
        for (const reply of await replies(message, 'tcp')) if (!isClosed) socket.write(framed(reply));
    });
  });
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const address = tcp.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const udp: UdpSocket = createSocket('udp4');
  udp.on('message', async (bytes, { address, port }) => {
    for (const reply of await replies(bytes, 'udp')) if (!isClosed) udp.send(reply, port, address, () => {});
  });
  udp.bind(port, '127.0.0.1');
  await once(udp, 'listening');
  let isClosed = false;
  const close = async (): Promise<void> => {
    isClosed = true;
    udp.close();
    for (const socket of sockets) socket.destroy();
    tcp.close();
    await once(tcp, 'close');
  };
  return { address: '127.0.0.1', port, asked, close };
}

/** A reply to a query with one address. */
export const addressReply = (query: DecodedPacket, data: string, more: Packet = {}): Buffer =>
  encode({
    type: 'response',
    id: query.id,
    flags: 0x180,
    questions: query.questions,
    answers: [{ type: 'A', name: query.questions?.[0]?.name ?? '', ttl: 30, data }],
    ...more,
  });
