import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { decode, encode } from 'dns-packet';
import t from 'tap';
import { startDns } from '../../../../src/network/dns/start.ts';
import type { ZoneState } from '../../../../src/network/dns/state.ts';
import { framed, opt, overTcp, overUdp, packetCode, question, summary, unframed } from './client.ts';
import { pod, service, stateOf } from './state.ts';

const ZONE = 'shop.svc.cluster.local';
const LOOPBACK = { address: '127.0.0.1', port: 0 };

/** A server of some state while the body runs. */
async function withServer(state: () => ZoneState, body: (port: number) => Promise<void>): Promise<void> {
  const server = await startDns({ listen: LOOPBACK, state, upstream: [] });
  try {
    await body(server.port);
  } finally {
    await server.close();
  }
}

const HUNDRED = stateOf({
  pods: Array.from({ length: 100 }, (_, i) =>
    pod(`p${i}`, `10.244.1.${i}`, { hostname: `p${i}`, subdomain: 'many' }),
  ),
  services: [service('many', ['None']), service('few', ['None'], { selector: { app: 'few' } })],
});

t.test('a real client asks', async t => {
  await withServer(stateOf, async port => {
    const resolver = new Resolver();
    resolver.setServers([`127.0.0.1:${port}`]);
    t.same(await resolver.resolve4(`front.${ZONE}`, { ttl: true }), [{ address: '10.96.0.20', ttl: 5 }]);
    t.same(await resolver.resolve6(`front.${ZONE}`), ['fd01::20']);
    t.same((await resolver.resolve4(`web.${ZONE}`)).sort(), ['10.244.0.2', '10.244.0.3', '10.244.0.5']);
    t.same(
      (await resolver.resolveSrv(`_http._tcp.web.${ZONE}`)).map(({ name, port }) => `${name}:${port}`).sort(),
      [`web-0.web.${ZONE}:8080`, `web-1.web.${ZONE}:8080`],
    );
    t.same(await resolver.reverse('10.96.0.20'), [`front.${ZONE}`]);
    t.same(await resolver.reverse('fd01::20'), [`front.${ZONE}`]);
    t.same(await resolver.resolveTxt('dns-version.cluster.local'), [['1.1.0']]);
    t.same(await resolver.resolveCname(`alias.${ZONE}`), [`front.${ZONE}`]);
    t.same(await resolver.resolve4(`alias.${ZONE}`), ['10.96.0.20'], 'through the alias');
    t.same(await resolver.resolveNs('cluster.local'), ['ns.dns.cluster.local']);
    t.match(await resolver.resolveSoa('cluster.local'), { nsname: 'ns.dns.cluster.local', minttl: 5 });
    await t.rejects(resolver.resolve4(`gone.${ZONE}`), { code: 'ENOTFOUND' });
    await t.rejects(resolver.resolveTxt(`front.${ZONE}`), { code: 'ENODATA' });
    await t.rejects(resolver.resolve4('example.org'), { code: 'EREFUSED' }, 'nobody else to ask');
  });
});

t.test('a reply holds the question as it was asked, its id, and the flags that belong there', async t => {
  await withServer(stateOf, async port => {
    const name = `FrOnT.${ZONE}`;
    const bytes = await overUdp(port, question(name, 'A'));
    const reply = decode(bytes ?? Buffer.alloc(0));
    t.equal(reply.id, 4242);
    t.same(reply.questions, [{ name, type: 'A', class: 'IN' }]);
    t.match(reply, {
      flag_qr: true,
      flag_aa: true,
      flag_rd: true,
      flag_ra: true,
      flag_tc: false,
      flag_ad: false,
    });
    t.match(reply.answers, [{ name, type: 'A', data: '10.96.0.20', ttl: 5 }], 'in the letters of the client');
    t.same(reply.additionals, [], 'no OPT for a client that has none');
    const withOpt = decode(
      (await overUdp(port, question(name, 'A', { additionals: [opt(4096)] }))) ?? Buffer.alloc(0),
    );
    t.match(withOpt.additionals, [{ type: 'OPT', udpPayloadSize: 1232, extendedRcode: 0, ednsVersion: 0 }]);
    const gone = decode((await overUdp(port, question(`gone.${ZONE}`, 'A'))) ?? Buffer.alloc(0));
    t.match(gone.authorities, [{ type: 'SOA', name: 'cluster.local', ttl: 5, data: { minimum: 5 } }]);
    const srv = decode((await overUdp(port, question(`_http._tcp.web.${ZONE}`, 'SRV'))) ?? Buffer.alloc(0));
    t.equal(srv.additionals?.length, 3, 'the addresses of what the SRV records name');
  });
});

t.test('what is too long for a client is cut, and whole by TCP', async t => {
  await withServer(
    () => HUNDRED,
    async port => {
      const ask = async (type: string, size?: number): Promise<Buffer> =>
        (await overUdp(
          port,
          question(`many.${ZONE}`, type, size === undefined ? {} : { additionals: [opt(size)] }),
        )) ?? Buffer.alloc(0);
      t.equal(summary(await ask('A')), 'NOERROR TC');
      t.equal(summary(await ask('A', 1232)), 'NOERROR TC');
      for (const size of [0, 100, 511, 512, 513, 1231, 1232, 4096, 65535]) {
        const reply = await ask('A', size);
        t.ok(reply.length <= Math.min(Math.max(size, 512), 1232), `${size}: ${reply.length}`);
        t.match(decode(reply).additionals, [{ type: 'OPT' }], 'EDNS stays');
      }
      const [whole] = await overTcp(port, framed(question(`many.${ZONE}`, 'A')));
      t.equal(decode(whole ?? Buffer.alloc(0)).answers?.length, 100);
      const [servers] = await overTcp(port, framed(question(`_http._tcp.many.${ZONE}`, 'SRV')));
      const packet = decode(servers ?? Buffer.alloc(0));
      t.equal(packet.answers?.length, 100);
      t.equal(packet.additionals?.length, 100);
      const resolver = new Resolver();
      resolver.setServers([`127.0.0.1:${port}`]);
      t.equal((await resolver.resolve4(`many.${ZONE}`)).length, 100, 'a real client goes over to TCP');
    },
  );
});

t.test('additional records are left out before anything else', async t => {
  const pods = HUNDRED.pods.slice(0, 6);
  await withServer(
    () => ({ ...HUNDRED, pods }),
    async port => {
      const reply = await overUdp(port, question(`_http._tcp.many.${ZONE}`, 'SRV'));
      const packet = decode(reply ?? Buffer.alloc(0));
      t.equal(packet.answers?.length, 6);
      t.same([packet.additionals, packet.flag_tc], [[], false]);
      t.ok((reply?.length ?? 0) <= 512);
    },
  );
});

t.test('addresses take turns in being the first', async t => {
  await withServer(stateOf, async port => {
    const firsts = new Set<string>();
    for (let id = 0; id < 6; id++) {
      const reply = decode((await overUdp(port, question(`web.${ZONE}`, 'A', { id }))) ?? Buffer.alloc(0));
      const [first] = reply.answers ?? [];
      if (first?.type === 'A') firsts.add(first.data);
    }
    t.same([...firsts].sort(), ['10.244.0.2', '10.244.0.3', '10.244.0.5']);
  });
});

t.test('what is no plain question', async t => {
  await withServer(stateOf, async port => {
    const plain = question(`front.${ZONE}`, 'A');
    const patched = (...bytes: readonly (readonly [at: number, value: number])[]): Buffer => {
      const copy = Buffer.from(plain);
      for (const [at, value] of bytes) copy[at] = value;
      return copy;
    };
    const two = encode({
      type: 'query',
      id: 4242,
      questions: [
        { name: 'a', type: 'A' },
        { name: 'b', type: 'A' },
      ],
    });
    for (const [what, bytes, reply] of [
      ['two questions', two, 'FORMERR'],
      ['no question', encode({ type: 'query', id: 4242 }), 'FORMERR'],
      ['an update', patched([2, 0x28]), 'NOTIMP'],
      ['a status', patched([2, 0x10]), 'NOTIMP'],
      ['65535 answers', patched([6, 0xff], [7, 0xff]), 'FORMERR'],
      ['65535 additional records', patched([10, 0xff], [11, 0xff]), 'FORMERR'],
      ['one additional record that is not there', patched([11, 1]), 'FORMERR'],
      ['a pointer for a name', patched([12, 0xc0], [13, 0x0c]), 'FORMERR'],
      ['a name that does not end', plain.subarray(0, 20), 'FORMERR'],
      ['no type', plain.subarray(0, plain.length - 4), 'FORMERR'],
      ['half a class', plain.subarray(0, plain.length - 1), 'FORMERR'],
      ['only a header', plain.subarray(0, 12), 'FORMERR'],
      ['two OPT records', question('a', 'A', { additionals: [opt(512), opt(512)] }), 'FORMERR'],
      ['class CH', patched([plain.length - 1, 3]), 'REFUSED'],
      ['class ANY', patched([plain.length - 1, 255]), 'REFUSED'],
      ['a transfer', question('cluster.local', 'AXFR'), 'REFUSED'],
      ['an unknown type', question(`front.${ZONE}`, 'UNKNOWN_65280'), 'NOERROR'],
      ['a reply', patched([2, 0x81]), 'no reply'],
      ['eleven bytes', plain.subarray(0, 11), 'no reply'],
      ['nothing', Buffer.alloc(0), 'no reply'],
    ] as const)
      t.equal(summary(await overUdp(port, bytes, 200)), reply, what);
    const bad = decode(
      (await overUdp(
        port,
        question(`front.${ZONE}`, 'A', { additionals: [opt(512, { ednsVersion: 1 })] }),
      )) ?? Buffer.alloc(0),
    );
    t.match(bad.additionals, [{ type: 'OPT', extendedRcode: 1, ednsVersion: 0 }], 'BADVERS');
    t.equal(packetCode(bad), 0);
    t.equal(summary(await overUdp(port, plain)), 'NOERROR 10.96.0.20', 'and it goes on');
  });
});

t.test('a dot within a label is no dot between two', async t => {
  await withServer(stateOf, async port => {
    const name = Buffer.concat([
      Buffer.from([`front.shop`.length]),
      Buffer.from('front.shop'),
      ...['svc', 'cluster', 'local'].map(label =>
        Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]),
      ),
      Buffer.from([0, 0, 1, 0, 1]),
    ]);
    const bytes = Buffer.concat([question('a', 'A').subarray(0, 12), name]);
    const reply = (await overUdp(port, bytes)) ?? Buffer.alloc(0);
    t.equal(packetCode(decode(reply)), 3, 'NXDOMAIN');
    t.same(reply.subarray(12, 12 + name.length), name, 'the question comes back byte for byte');
  });
});

t.test('TCP: many questions on one connection, in pieces, and nonsense', async t => {
  await withServer(stateOf, async port => {
    const one = framed(question(`front.${ZONE}`, 'A'));
    const all = Buffer.concat(Array.from({ length: 100 }, () => one));
    t.same((await overTcp(port, all)).map(summary), Array(100).fill('NOERROR 10.96.0.20'));
    t.same((await overTcp(port, Buffer.concat([one, one.subarray(0, 5)]))).map(summary), [
      'NOERROR 10.96.0.20',
    ]);
    t.same(await overTcp(port, Buffer.from([0, 0])), [], 'an empty message ends it');
    t.same(await overTcp(port, Buffer.from('GET / HTTP/1.1\r\n\r\n')), []);

    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const chunks: Buffer[] = [];
    socket.on('data', chunk => chunks.push(chunk));
    for (const byte of one) {
      socket.write(Buffer.from([byte]));
      await new Promise(resolve => setImmediate(resolve));
    }
    while (unframed(Buffer.concat(chunks)).length === 0) await new Promise(resolve => setTimeout(resolve, 5));
    t.same(unframed(Buffer.concat(chunks)).map(summary), ['NOERROR 10.96.0.20'], 'byte by byte');
    socket.destroy();
  });
});

t.test('TCP: a client with thousands of questions does not keep the others waiting', async t => {
  await withServer(stateOf, async port => {
    const count = 4000;
    const questions = Array.from({ length: count }, () => framed(question(`web.${ZONE}`, 'ANY')));
    const greedy = overTcp(port, Buffer.concat(questions));
    let isOver = false;
    void greedy.then(() => {
      isOver = true;
    });
    let others = 0;
    for (; !isOver; others++) await overUdp(port, question(`front.${ZONE}`, 'A'));
    t.equal((await greedy).length, count);
    t.ok(others > 30, `${others} others got their answer meanwhile`);
  });
});

t.test(
  'TCP: clients beyond the limit are turned away, and others are let in when some have gone',
  async t => {
    await withServer(stateOf, async port => {
      const sockets = Array.from({ length: 80 }, () => connect(port, '127.0.0.1'));
      const closed = sockets.map(socket => {
        socket.on('error', () => {});
        return once(socket, 'close');
      });
      let turnedAway = 0;
      for (const each of closed) void each.then(() => turnedAway++);
      while (turnedAway < 16) await new Promise(resolve => setTimeout(resolve, 5));
      t.equal(turnedAway, 16);
      t.equal(
        summary(await overUdp(port, question(`front.${ZONE}`, 'A'))),
        'NOERROR 10.96.0.20',
        'UDP does not mind',
      );
      for (const socket of sockets) socket.destroy();
      await Promise.all(closed);
      await new Promise(resolve => setTimeout(resolve, 20));
      t.same((await overTcp(port, framed(question(`front.${ZONE}`, 'A')))).map(summary), [
        'NOERROR 10.96.0.20',
      ]);
    });
  },
);

t.test(
  'the state of the moment counts; one that cannot be had is a failure of that question only',
  async t => {
    let state: () => ZoneState = stateOf;
    await withServer(
      () => state(),
      async port => {
        const ask = async (): Promise<string> => summary(await overUdp(port, question(`front.${ZONE}`, 'A')));
        t.equal(await ask(), 'NOERROR 10.96.0.20');
        state = () => stateOf({ services: [service('front', ['10.96.0.99'])] });
        t.equal(await ask(), 'NOERROR 10.96.0.99');
        state = () => {
          throw new Error('not to be had');
        };
        t.equal(await ask(), 'SERVFAIL');
        state = stateOf;
        t.equal(await ask(), 'NOERROR 10.96.0.20');
      },
    );
  },
);

t.test('one port for UDP and TCP; a port in use is an error, and leaves nothing open', async t => {
  const first = await startDns({ listen: LOOPBACK, state: stateOf, upstream: [] });
  await t.rejects(startDns({ listen: { ...LOOPBACK, port: first.port }, state: stateOf, upstream: [] }), {
    code: 'EADDRINUSE',
  });
  await first.close();
  const tcp = createServer().listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const address = tcp.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  await t.rejects(startDns({ listen: { ...LOOPBACK, port }, state: stateOf, upstream: [] }), {
    code: 'EADDRINUSE',
  });
  tcp.close();
  await once(tcp, 'close');
  const again = await startDns({ listen: { ...LOOPBACK, port }, state: stateOf, upstream: [] });
  t.equal(again.port, port, 'UDP was closed again');
  await again.close();
  t.equal(await overUdp(port, question('a', 'A'), 100), undefined);
});
