import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type DecodedPacket, decode, encode, type Packet } from 'dns-packet';
import t from 'tap';
import { startDns, upstreamServers } from '../../../../src/network/dns/start.ts';
import {
  DEFAULT_LIMITS,
  Upstream,
  type UpstreamLimits,
  type UpstreamServer,
} from '../../../../src/network/dns/upstream.ts';
import {
  addressReply,
  type FakeServer,
  fakeServer,
  framed,
  opt,
  overTcp,
  overUdp,
  question,
  summary,
} from './client.ts';
import { stateOf } from './state.ts';

const LIMITS = { timeout: 200, total: 1000 };
const SERVFAIL = 2;

/** Starts the server before some others, and ends them all afterwards. */
async function withUpstream(
  upstream: readonly (UpstreamServer | FakeServer)[],
  body: (port: number) => Promise<unknown>,
  limits: Partial<UpstreamLimits> = LIMITS,
): Promise<void> {
  const server = await startDns({
    listen: { address: '127.0.0.1', port: 0 },
    state: stateOf,
    upstream,
    limits,
  });
  try {
    await body(server.port);
  } finally {
    await server.close();
    for (const each of upstream) if ('close' in each) await each.close();
  }
}

/** A reply to a query with a code and no records. */
const codeReply = (query: DecodedPacket, code: number, more: Packet = {}): Buffer =>
  encode({ type: 'response', id: query.id, flags: 0x180 | code, questions: query.questions, ...more });

const answers = (data: string): Promise<FakeServer> => fakeServer(query => addressReply(query, data));
const silent = (): Promise<FakeServer> => fakeServer(() => undefined);

/** A port of loopback where nobody listens. */
async function nobody(): Promise<UpstreamServer> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return { address: '127.0.0.1', port };
}

const ask = async (port: number, name = 'example.org', more: Packet = {}): Promise<string> =>
  summary(await overUdp(port, question(name, 'A', more)));

t.test('other names are sent on; the cluster’s never are', async t => {
  const other = await answers('192.0.2.80');
  await withUpstream([other], async port => {
    t.equal(await ask(port), 'NOERROR 192.0.2.80');
    t.equal(await ask(port, 'web'), 'NOERROR 192.0.2.80');
    t.equal(
      await ask(port, '9.9.244.10.in-addr.arpa'),
      'NOERROR 192.0.2.80',
      'a reverse name that is not ours',
    );
    t.same((await overTcp(port, framed(question('example.net', 'A')))).map(summary), ['NOERROR 192.0.2.80']);
    for (const name of [
      'gone.shop.svc.cluster.local',
      'cluster.local',
      'example.org.cluster.local',
      'front.shop.svc.cluster.local',
    ])
      await ask(port, name);
    t.same(other.asked, [
      'udp example.org A',
      'udp web A',
      'udp 9.9.244.10.in-addr.arpa A',
      'udp example.net A',
    ]);
  });
});

t.test('a reply goes back with the id and the letters of whoever asked, and with what it held', async t => {
  const other = await fakeServer(query =>
    addressReply({ ...query, questions: [{ name: 'example.org', type: 'A' }] }, '192.0.2.80', {
      flags: 0x1a0,
      authorities: [{ type: 'NS', name: 'org', ttl: 1, data: 'ns.example.org' }],
    }),
  );
  await withUpstream([other], async port => {
    const reply = decode((await overUdp(port, question('EXAMPLE.org', 'A', { id: 7 }))) ?? Buffer.alloc(0));
    t.equal(reply.id, 7);
    t.same(reply.questions, [{ name: 'EXAMPLE.org', type: 'A', class: 'IN' }]);
    t.match(reply, { flag_ad: true, flag_aa: false, authorities: [{ data: 'ns.example.org' }] });
  });
});

t.test(
  'what is sent on is the question, with ids and ports of its own, and no option of the client’s',
  async t => {
    const seen: DecodedPacket[] = [];
    const other = await fakeServer(query => {
      seen.push(query);
      return addressReply(query, '192.0.2.80');
    });
    await withUpstream([other], async port => {
      const padding = { code: 12 as const, length: 8 };
      for (let i = 0; i < 20; i++) await ask(port, `n${i}.example`, { id: 1 });
      await ask(port, 'with.example', { additionals: [opt(4096, { options: [padding] })] });
      t.ok(new Set(seen.map(({ id }) => id)).size > 10, 'not the client’s ids, and not the same');
      t.ok(seen.every(({ flag_rd }) => flag_rd));
      t.same(seen[0]?.additionals, [], 'no OPT without EDNS');
      t.match(seen.at(-1)?.additionals, [{ type: 'OPT', udpPayloadSize: 1232, options: [] }]);
    });
  },
);

t.test('who does not answer is passed over, and whoever answers first counts', async t => {
  for (const [what, servers, reply] of [
    ['silence, then an answer', [silent, () => answers('192.0.2.2')], 'NOERROR 192.0.2.2'],
    ['nobody there, then an answer', [nobody, () => answers('192.0.2.2')], 'NOERROR 192.0.2.2'],
    ['only silence', [silent], 'SERVFAIL'],
    ['nobody anywhere', [nobody, nobody], 'SERVFAIL'],
    [
      'a failure, then an answer',
      [() => fakeServer(query => codeReply(query, SERVFAIL)), () => answers('192.0.2.2')],
      'NOERROR 192.0.2.2',
    ],
    [
      'refused, then an answer',
      [() => fakeServer(query => codeReply(query, 5)), () => answers('192.0.2.2')],
      'NOERROR 192.0.2.2',
    ],
    ['refused by all', [() => fakeServer(query => codeReply(query, 5))], 'REFUSED'],
    [
      'a failure without the question',
      [() => fakeServer(({ id }) => encode({ type: 'response', id, flags: 1 }))],
      'FORMERR',
    ],
    [
      'no such name is an answer',
      [() => fakeServer(query => codeReply(query, 3)), () => answers('192.0.2.2')],
      'NXDOMAIN',
    ],
    [
      'so is no such record',
      [() => fakeServer(query => codeReply(query, 0)), () => answers('192.0.2.2')],
      'NOERROR',
    ],
  ] as const) {
    const upstream = await Promise.all(servers.map(make => make()));
    await withUpstream(upstream, async port => t.equal(await ask(port), reply, what));
  }
  await withUpstream([], async port => t.equal(await ask(port), 'REFUSED', 'nobody to ask'));
});

t.test('a lost packet: the only server is asked again', async t => {
  let count = 0;
  const other = await fakeServer(query => (++count === 1 ? undefined : addressReply(query, '192.0.2.80')));
  await withUpstream([other], async port => t.equal(await ask(port), 'NOERROR 192.0.2.80'));
});

t.test('the time in all is limited, whatever the servers do', async t => {
  const upstream = await Promise.all(Array.from({ length: 8 }, silent));
  await withUpstream(
    upstream,
    async port => {
      const start = performance.now();
      t.equal(await ask(port), 'SERVFAIL');
      const took = performance.now() - start;
      t.ok(took > 450 && took < 900, `${took} ms`);
    },
    { timeout: 200, total: 500 },
  );
});

t.test('what only looks like the reply is not taken for it', async t => {
  const forged = (query: DecodedPacket): readonly Buffer[] => {
    const good = addressReply(query, '203.0.113.1');
    const id = (query.id ?? 0) ^ 1;
    const wrongName = addressReply(
      { ...query, questions: [{ name: 'example.com', type: 'A' }] },
      '203.0.113.2',
    );
    const wrongType = addressReply(
      { ...query, questions: [{ name: 'example.org', type: 'AAAA' }] },
      '203.0.113.3',
    );
    return [
      addressReply({ ...query, id }, '203.0.113.4'),
      wrongName,
      wrongType,
      addressReply(query, '203.0.113.5', { type: 'query' }),
      addressReply(query, '203.0.113.6', { questions: [] }),
      good.subarray(0, 11),
      Buffer.alloc(0),
    ];
  };
  const other = await fakeServer(query => [...forged(query), addressReply(query, '192.0.2.80')]);
  await withUpstream([other], async port => t.equal(await ask(port), 'NOERROR 192.0.2.80'));
  const liar = await fakeServer(forged);
  await withUpstream([liar], async port => t.equal(await ask(port), 'SERVFAIL', 'and nothing else comes'));
});

t.test('a datagram from somebody else is not a reply', async t => {
  const stranger = createSocket('udp4');
  const other = await fakeServer(async query => {
    await new Promise(resolve =>
      stranger.send(addressReply(query, '203.0.113.1'), lastPort, '127.0.0.1', resolve),
    );
    return addressReply(query, '192.0.2.80');
  });
  // Only the kernel knows where the question came from: look at it in a server of our own.
  let lastPort = 0;
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.on('message', async (bytes, { port }) => {
    lastPort = port;
    const relayed = await overUdp(other.port, bytes);
    if (relayed !== undefined) socket.send(relayed, port, '127.0.0.1');
  });
  await withUpstream([{ address: '127.0.0.1', port: socket.address().port }], async port =>
    t.equal(await ask(port), 'NOERROR 192.0.2.80'),
  );
  socket.close();
  stranger.close();
  await other.close();
});

const many = (query: DecodedPacket, count: number): Buffer =>
  addressReply(query, '', {
    answers: Array.from({ length: count }, (_, i) => ({
      type: 'A' as const,
      name: query.questions?.[0]?.name ?? '',
      ttl: 30,
      data: `192.0.2.${i}`,
    })),
  });
const truncating = (count: number): Promise<FakeServer> =>
  fakeServer((query, protocol) =>
    protocol === 'udp' ? codeReply(query, 0, { flags: 0x380 }) : many(query, count),
  );

t.test('a truncated reply is asked for again by TCP, and cut to what the client takes', async t => {
  const count = async (port: number, more: Packet = {}): Promise<number | string> => {
    const bytes = (await overUdp(port, question('example.org', 'A', more))) ?? Buffer.alloc(0);
    const { answers = [], flag_tc } = decode(bytes);
    return flag_tc ? 'TC' : answers.length;
  };
  const other = await truncating(30);
  await withUpstream([other], async port => {
    t.equal(await count(port), 'TC');
    t.equal(await count(port, { additionals: [opt(1232)] }), 30);
    const [whole = Buffer.alloc(0)] = await overTcp(port, framed(question('example.org', 'A')));
    t.equal(decode(whole).answers?.length, 30);
    t.same(new Set(other.asked), new Set(['udp example.org A', 'tcp example.org A']));
  });
  await withUpstream([await truncating(2000)], async port => {
    const [whole = Buffer.alloc(0)] = await overTcp(port, framed(question('example.org', 'A')));
    t.equal(decode(whole).answers?.length, 2000, `${whole.length} bytes`);
  });
  const onlyUdp = await fakeServer((query, protocol) =>
    protocol === 'udp' ? codeReply(query, 0, { flags: 0x380 }) : undefined,
  );
  await withUpstream([onlyUdp, await answers('192.0.2.2')], async port =>
    t.equal(await ask(port), 'NOERROR 192.0.2.2', 'no answer by TCP: the next one'),
  );
  const alwaysCut = await fakeServer(query => codeReply(query, 0, { flags: 0x380 }));
  await withUpstream([alwaysCut], async port => t.equal(await ask(port), 'SERVFAIL', 'cut by TCP too'));
});

t.test('an external name: its alias, and what others say of where it leads', async t => {
  const other = await fakeServer(query => {
    const [{ name = '', type = 'A' } = {}] = query.questions ?? [];
    if (type !== 'A') return codeReply(query, 0);
    return addressReply(query, '', {
      answers: [
        { type: 'CNAME', name, ttl: 30, data: 'edge.example.org' },
        { type: 'A', name: 'edge.example.org', ttl: 30, data: '192.0.2.80' },
      ],
    });
  });
  const out = 'out.shop.svc.cluster.local';
  await withUpstream([other], async port => {
    const reply = decode((await overUdp(port, question(out, 'A'))) ?? Buffer.alloc(0));
    t.match(reply.answers, [
      { type: 'CNAME', name: out, data: 'example.org', ttl: 5 },
      { type: 'CNAME', name: 'example.org', data: 'edge.example.org', ttl: 30 },
      { type: 'A', name: 'edge.example.org', data: '192.0.2.80' },
    ]);
    t.equal(summary(await overUdp(port, question(out, 'AAAA'))), 'NOERROR example.org');
    t.equal(summary(await overUdp(port, question(out, 'CNAME'))), 'NOERROR example.org');
    t.same(other.asked, ['udp example.org A', 'udp example.org AAAA']);
  });
  for (const [make, reply] of [
    [() => fakeServer(query => codeReply(query, 3)), 'NXDOMAIN example.org'],
    [silent, 'SERVFAIL'],
    // 65535 records in no byte, and a record that ends too early
    [() => fakeServer(query => patch(codeReply(query, 0), 6, 0xffff)), 'SERVFAIL'],
    [() => fakeServer(query => addressReply(query, '192.0.2.1').subarray(0, -2)), 'SERVFAIL'],
  ] as const)
    await withUpstream([await make()], async port => t.equal(await ask(port, out), reply));
  await withUpstream([], async port => t.equal(await ask(port, out), 'REFUSED'));
});

/** A question's name and type, as bytes. */
const asked = (bytes: Buffer): Buffer => bytes.subarray(12, bytes.indexOf(0, 12) + 5);
const u16 = (...values: readonly number[]): Buffer =>
  Buffer.from(values.flatMap(value => [value >> 8, value & 0xff]));

t.test('an external name: records go on byte for byte, without the pointers', async t => {
  const odd = Buffer.concat([Buffer.from([3, 0xff, 0x2e, 0x00]), Buffer.from([1, 0x41])]);
  const fixed = (type: number, size: number): Buffer => Buffer.concat([u16(type, 1, 0, 30), u16(size)]);
  const reply = (query: DecodedPacket, ...records: readonly Buffer[]): Buffer => {
    const head = codeReply(query, 0);
    head.writeUInt16BE(records.length, 6);
    return Buffer.concat([head, ...records]);
  };
  const pointer = Buffer.from([0xc0, 12]);
  for (const [what, type, records, expected] of [
    [
      'labels that are no text, and a pointer in each',
      'CNAME+A',
      [
        Buffer.concat([pointer, fixed(5, odd.length + 2), odd, pointer]),
        Buffer.concat([odd, pointer, fixed(1, 4), Buffer.from([192, 0, 2, 80])]),
      ],
      (name: Buffer) => [
        Buffer.concat([name, fixed(5, odd.length + name.length), odd, name]),
        Buffer.concat([odd, name, fixed(1, 4), Buffer.from([192, 0, 2, 80])]),
      ],
    ],
    [
      'an MX and an SOA',
      'MX',
      [
        Buffer.concat([pointer, fixed(15, 4), u16(10), pointer]),
        Buffer.concat([pointer, fixed(6, 24), pointer, pointer, Buffer.alloc(20, 7)]),
      ],
      (name: Buffer) => [
        Buffer.concat([name, fixed(15, 2 + name.length), u16(10), name]),
        Buffer.concat([name, fixed(6, 20 + 2 * name.length), name, name, Buffer.alloc(20, 7)]),
      ],
    ],
    [
      'a type that nobody knows, with bytes like pointers',
      'unknown',
      [Buffer.concat([pointer, fixed(65280, 4), pointer, pointer])],
      (name: Buffer) => [Buffer.concat([name, fixed(65280, 4), pointer, pointer])],
    ],
  ] as const) {
    const other = await fakeServer(query => reply(query, ...records));
    await withUpstream([other], async port => {
      const bytes = (await overUdp(port, question('out.shop.svc.cluster.local', 'A'))) ?? Buffer.alloc(0);
      const name = asked(question('example.org', 'A')).subarray(0, -4);
      t.equal(bytes.readUInt16BE(6), 1 + records.length, what);
      const whole = Buffer.concat(expected(name));
      t.same(bytes.subarray(-whole.length), whole, `${what} (${type})`);
    });
  }
  for (const [what, ...records] of [
    ['a pointer to itself', Buffer.concat([Buffer.from([0xc0, 29]), fixed(1, 4), Buffer.alloc(4)])],
    ['a pointer ahead', Buffer.concat([Buffer.from([0xc0, 40]), fixed(1, 4), Buffer.alloc(40)])],
    ['a name that does not end', Buffer.concat([Buffer.from([63]), Buffer.alloc(40, 1)])],
    ['a label of a reserved kind', Buffer.concat([Buffer.from([0x80, 0]), fixed(1, 4), Buffer.alloc(4)])],
    ['a name longer than its record', Buffer.concat([pointer, fixed(5, 1), pointer])],
    ['a record longer than the message', Buffer.concat([pointer, fixed(1, 5), Buffer.alloc(4)])],
    [
      'a name of 256 bytes',
      Buffer.concat([
        ...Array(4).fill(Buffer.from([63, ...Array(63).fill(97)])),
        Buffer.from([0]),
        fixed(1, 4),
        Buffer.alloc(4),
      ]),
    ],
  ] as const) {
    const other = await fakeServer(query => reply(query, ...records));
    await withUpstream([other], async port =>
      t.equal(await ask(port, 'out.shop.svc.cluster.local'), 'SERVFAIL', what),
    );
  }
});

const patch = (bytes: Buffer, at: number, value: number): Buffer => {
  bytes.writeUInt16BE(value, at);
  return bytes;
};

t.test('a question that is on its way already is not sent again', async t => {
  let release = (): void => {};
  const gate = new Promise<void>(resolve => {
    release = resolve;
  });
  const other = await fakeServer(async query => {
    await gate;
    return addressReply(query, '192.0.2.80');
  });
  await withUpstream(
    [other],
    async port => {
      const asking = Array.from({ length: 50 }, (_, i) =>
        ask(port, i % 2 === 0 ? 'example.org' : 'EXAMPLE.org', { id: i }),
      );
      while (other.asked.length === 0) await new Promise(resolve => setTimeout(resolve, 5));
      await new Promise(resolve => setTimeout(resolve, 50));
      release();
      t.same(new Set(await Promise.all(asking)), new Set(['NOERROR 192.0.2.80']));
      t.equal(other.asked.length, 1);
      await ask(port);
      t.equal(other.asked.length, 2, 'nothing is remembered');
    },
    { timeout: 3000, total: 3000 },
  );
});

t.test('type and class are not letters: HTTPS (65) is not the type 97', async t => {
  const other = await fakeServer(async query => {
    await new Promise(resolve => setTimeout(resolve, 30));
    return codeReply(query, 0);
  });
  await withUpstream([other], async port => {
    const typed = (type: number): Buffer => {
      const bytes = question('example.org', 'A');
      bytes.writeUInt16BE(type, bytes.length - 4);
      return bytes;
    };
    await Promise.all([overUdp(port, typed(65)), overUdp(port, typed(97))]);
    t.equal(other.asked.length, 2);
  });
});

t.test('a loop through another server ends with its time-out, after one packet', async t => {
  let back = 0;
  const mirror = await fakeServer(async query => {
    const { id, ...same } = query;
    const reply = await overUdp(back, encode({ ...same, id: 99, flags: 0x100 }), 1500);
    return reply === undefined ? undefined : patch(reply, 0, id ?? 0);
  });
  await withUpstream([mirror], async port => {
    back = port;
    t.equal(await ask(port), 'SERVFAIL');
    // Each of the two rounds asks once.
    t.equal(mirror.asked.length, 2);
  });
});

t.test('a server that cannot be reached at all', async t => {
  const server = await startDns({
    listen: { address: '127.0.0.1', port: 0 },
    state: stateOf,
    upstream: [{ address: '255.255.255.255', port: 53 }],
  });
  t.equal(await ask(server.port), 'SERVFAIL');
  await server.close();
});

t.test('its own addresses are no servers to ask', async t => {
  const first = await startDns({ listen: { address: '127.0.0.1', port: 0 }, state: stateOf, upstream: [] });
  const { port } = first;
  await first.close();
  const server = await startDns({
    listen: { address: '127.0.0.1', port },
    state: stateOf,
    upstream: [
      { address: '127.0.0.1', port },
      { address: '10.96.0.10', port: 53 },
    ],
  });
  t.equal(await ask(port), 'REFUSED');
  await server.close();
});

t.test(
  'only so many questions wait; one more fails at once, and the cluster’s names are answered all the same',
  async t => {
    const other = await silent();
    await withUpstream(
      [other],
      async port => {
        const start = performance.now();
        const waiting = Array.from({ length: 8 }, (_, i) => ask(port, `n${i}.example`));
        while (other.asked.length < 8) await new Promise(resolve => setTimeout(resolve, 5));
        t.equal(await ask(port, 'one.more'), 'SERVFAIL');
        t.equal(await ask(port, 'front.shop.svc.cluster.local'), 'NOERROR 10.96.0.20');
        t.ok(performance.now() - start < 300);
        t.same(await Promise.all(waiting), Array(8).fill('SERVFAIL'));
        t.notOk(other.asked.some(line => line.includes('one.more')));
      },
      { timeout: 400, total: 700, inFlight: 8 },
    );
  },
);

t.test('closing does not wait for anybody', async t => {
  const other = await silent();
  const server = await startDns({
    listen: { address: '127.0.0.1', port: 0 },
    state: stateOf,
    upstream: [other],
  });
  const unanswered = overUdp(server.port, question('example.org', 'A'), 300);
  const tcp = overTcp(server.port, framed(question('example.net', 'A')));
  while (other.asked.length < 2) await new Promise(resolve => setTimeout(resolve, 5));
  const start = performance.now();
  await server.close();
  t.ok(performance.now() - start < 100);
  t.equal(await unanswered, undefined);
  t.same(await tcp, []);
  await other.close();
});

t.test('servers of the node’s resolv.conf', t => {
  t.same(
    upstreamServers(
      'nameserver 192.0.2.53\nnameserver ::1\nnameserver fe80::1%eth0\nnameserver example.org\nnameserver 1.2.3\n',
    ),
    ['192.0.2.53', '::1', 'fe80::1%eth0'].map(address => ({ address, port: 53 })),
  );
  t.end();
});

t.test('a question that begins as the server ends does not keep it', async t => {
  const silent = await fakeServer(() => undefined);
  const query = { question: question('a.example', 'A').subarray(12), flags: 0, edns: undefined };
  for (let turns = 0; turns < 20; turns++) {
    const upstream = new Upstream([silent], { ...DEFAULT_LIMITS, timeout: 60_000, total: 60_000 });
    const asked = upstream.lookup(query);
    for (let i = 0; i < turns; i++) await null;
    upstream.close();
    const late = new Promise(done => setTimeout(() => done('late'), 5000).unref());
    t.equal(await Promise.race([asked, late]), undefined, `after ${turns} turns`);
  }
  await silent.close();
});
