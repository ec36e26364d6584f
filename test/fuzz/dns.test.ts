import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { decode } from 'dns-packet';
import fc from 'fast-check';
import t from 'tap';
import { answersOf } from '../../src/network/dns/forwarded.ts';
import { parseQuery, rcodeOf } from '../../src/network/dns/message.ts';
import { startDns } from '../../src/network/dns/start.ts';
import {
  addressReply,
  fakeServer,
  framed,
  opt,
  overTcp,
  overUdp,
  question,
  RCODES,
  summary,
} from '../unit/network/dns/client.ts';
import { stateOf } from '../unit/network/dns/state.ts';

const NAMES = [
  'front.shop.svc.cluster.local',
  '_http._tcp.web.shop.svc.cluster.local',
  'out.shop.svc.cluster.local',
  '20.0.96.10.in-addr.arpa',
  '1-2-3-4.shop.pod.cluster.local',
  'example.org',
  '',
];
const TYPES = ['A', 'AAAA', 'SRV', 'PTR', 'ANY', 'SOA', 'TXT', 'AXFR', 'OPT', 'UNKNOWN_65280'];

const valid = fc
  .tuple(fc.constantFrom(...NAMES), fc.constantFrom(...TYPES), fc.option(fc.integer({ min: 0, max: 65_535 })))
  .map(([name, type, size]) => question(name, type, size === null ? {} : { additionals: [opt(size)] }));

type Change = readonly [at: number, value: number];
const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));

/** A message with some bytes changed, and cut or prolonged. */
function mutate(bytes: Buffer, changes: readonly Change[], length: number, tail: Uint8Array): Buffer {
  const copy = Buffer.concat([bytes.subarray(0, Math.max(0, bytes.length - length)), tail]);
  if (copy.length > 0) for (const [at, value] of changes) copy[at % copy.length] = value;
  return copy;
}

const mutated = fc
  .tuple(valid, fc.array(change, { maxLength: 6 }), fc.nat(8), fc.uint8Array({ maxLength: 40 }))
  .map(([bytes, changes, length, tail]) => mutate(bytes, changes, length, tail));

const noise = fc.oneof(
  fc.uint8Array({ maxLength: 600 }).map(bytes => Buffer.from(bytes)),
  // A header of a plain question, and then anything.
  fc
    .tuple(fc.uint8Array({ minLength: 2, maxLength: 2 }), fc.uint8Array({ maxLength: 300 }))
    .map(([id, rest]) => Buffer.concat([id, Buffer.from([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]), rest])),
  valid,
  mutated,
  mutated,
);

const GOOD = question('front.shop.svc.cluster.local', 'A', { id: 0xbeef });

t.test('whatever comes, it is read or refused, and the server goes on', async t => {
  const other = await fakeServer(query => addressReply(query, '192.0.2.80'));
  const server = await startDns({
    listen: { address: '127.0.0.1', port: 0 },
    state: stateOf,
    upstream: [other],
    limits: { timeout: 50, total: 100 },
  });
  const messages = fc.sample(noise, 6000);
  for (const bytes of messages) {
    const parsed = parseQuery(bytes);
    const isReply = bytes.length >= 12 && (bytes.readUInt16BE(2) & 0x8000) !== 0;
    if ((parsed === undefined) !== (bytes.length < 12 || isReply)) t.fail(bytes.toString('hex'));
  }

  const socket = createSocket('udp4');
  const replies: Buffer[] = [];
  socket.on('message', reply => replies.push(reply));
  for (const [i, bytes] of messages.entries()) {
    await new Promise(resolve => socket.send(bytes, server.port, '127.0.0.1', resolve));
    if (i % 50 === 0) await new Promise(resolve => setTimeout(resolve, 2));
  }
  await new Promise(resolve => setTimeout(resolve, 200));
  t.ok(replies.length > messages.length / 4, `${replies.length} replies to ${messages.length} messages`);
  for (const reply of replies) {
    const packet = decode(reply);
    if (!packet.flag_qr || reply.length > 1232) t.fail(reply.toString('hex'));
  }
  socket.close();
  t.equal(summary(await overUdp(server.port, GOOD)), 'NOERROR 10.96.0.20');

  for (let from = 0; from < messages.length; from += 100) {
    const some = messages.slice(from, from + 100);
    const stream = Buffer.concat(from % 300 === 0 ? some : some.map(framed));
    await overTcp(server.port, stream);
  }
  t.same((await overTcp(server.port, framed(GOOD))).map(summary), ['NOERROR 10.96.0.20']);
  await server.close();
  await other.close();
});

function isFramed(reply: Buffer): boolean {
  try {
    return answersOf(reply).length === reply.readUInt16BE(6);
  } catch {
    return false;
  }
}

t.test('whatever another server says, the client gets a reply that can be read', async t => {
  const pick = fc.sample(
    fc.tuple(fc.array(change, { maxLength: 4 }), fc.nat(6), fc.uint8Array({ maxLength: 30 })),
    400,
  );
  let i = 0;
  const other = await fakeServer(query => {
    const reply = addressReply(query, '192.0.2.80', {
      answers: [
        { type: 'CNAME', name: 'example.org', ttl: 1, data: 'edge.example.org' },
        { type: 'A', name: 'edge.example.org', ttl: 1, data: '192.0.2.80' },
        { type: 'TXT', name: 'edge.example.org', ttl: 1, data: 'text' },
      ],
    });
    const [changes = [], length = 0, tail = new Uint8Array()] = pick[i++ % pick.length] ?? [];
    // The id stays: what has another one is not even looked at.
    return Buffer.concat([reply.subarray(0, 2), mutate(reply.subarray(2), changes, length, tail)]);
  });
  const server = await startDns({
    listen: { address: '127.0.0.1', port: 0 },
    state: stateOf,
    upstream: [other],
    limits: { timeout: 20, total: 40 },
  });
  const said = new Map<string, number>();
  for (let count = 0; count < 300; count++) {
    const reply = await overUdp(server.port, question('out.shop.svc.cluster.local', 'A'));
    // What is inside of a record of theirs is theirs; where it begins and ends is ours.
    if (reply !== undefined && !isFramed(reply)) t.fail(reply.toString('hex'));
    const text = reply === undefined ? 'no reply' : (RCODES[rcodeOf(reply)] ?? 'another code');
    said.set(text, (said.get(text) ?? 0) + 1);
  }
  t.notOk(said.has('no reply'));
  t.ok((said.get('NOERROR') ?? 0) > 20 && (said.get('SERVFAIL') ?? 0) > 20, JSON.stringify([...said]));
  t.equal(summary(await overUdp(server.port, GOOD)), 'NOERROR 10.96.0.20');
  await server.close();
  await other.close();
});

t.test('a flood neither fills the memory nor keeps others out', async t => {
  const other = await fakeServer(() => undefined);
  const server = await startDns({
    listen: { address: '127.0.0.1', port: 0 },
    state: stateOf,
    upstream: [other],
    limits: { timeout: 300, total: 300 },
  });
  const before = process.memoryUsage().rss;
  // A client that asks and asks by TCP, and reads nothing.
  const deaf = connect(server.port, '127.0.0.1');
  deaf.pause();
  deaf.on('error', () => {});
  const asking = framed(question('_http._tcp.web.shop.svc.cluster.local', 'SRV'));
  for (let i = 0; i < 200; i++) deaf.write(Buffer.concat(Array.from({ length: 500 }, () => asking)));
  // Many that each send half a message.
  const halves = Array.from({ length: 60 }, () => connect(server.port, '127.0.0.1'));
  for (const socket of halves)
    socket.on('error', () => {}).write(Buffer.concat([Buffer.from([0xff, 0xff]), Buffer.alloc(60_000)]));
  const sockets = [deaf, ...halves];
  const closed = sockets.map(socket => once(socket, 'close'));
  const flood = createSocket('udp4');
  for (let i = 0; i < 5000; i++) {
    const bytes = question(`n${i}.example`, 'A', { id: i & 0xffff });
    await new Promise(resolve => flood.send(bytes, server.port, '127.0.0.1', resolve));
  }
  // The kernel has thrown most of it away, and may do so with this: as any client, we ask again.
  let reply: Buffer | undefined;
  for (let i = 0; i < 5 && reply === undefined; i++) reply = await overUdp(server.port, GOOD, 500);
  t.equal(summary(reply), 'NOERROR 10.96.0.20');
  const grown = (process.memoryUsage().rss - before) / 2 ** 20;
  t.ok(grown < 150, `${Math.round(grown)} MiB`);
  flood.close();
  await server.close();
  for (const socket of sockets) socket.destroy();
  await Promise.all(closed);
  await other.close();
});
