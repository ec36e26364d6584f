import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { agentSocket } from '../../src/agent/start.ts';
import { agentFor, scripts, type TestAgent, typeOf } from './agent.ts';
import { needsRoot } from './harness.ts';

type Test = typeof import('tap').default;
type Checks = Pick<Test, 'comment' | 'match' | 'ok' | 'teardown'>;
type Open = () => Socket;

const PODS = '/api/v1/namespaces/default/pods';
const MAPS = '/api/v1/namespaces/default/configmaps';
/** Of SPDY: a frame has 12 bytes. */
const PINGS = Buffer.alloc(3_000_000, Buffer.from([0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1]));
/** Files that the agent may have open beside those that it began with: somebody looks after its pods meanwhile. */
const OTHERS = 4;

/** An agent that listens with TLS, too, and clients that do not read what they get. */
class Server {
  readonly agent: TestAgent;
  /** Which test it is that asks. */
  t: Checks;
  readonly #port: number;
  readonly #authorization: string;
  readonly #sockets = new Set<Socket>();

  constructor(agent: TestAgent, t: Checks, { port, token }: { port: number; token: string }) {
    this.agent = agent;
    this.t = t;
    this.#port = port;
    this.#authorization = `Authorization: Bearer ${token}\r\n`;
  }

  /** MiB that the agent has. */
  get memory(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.agent.pid}/status`, 'utf8'))?.[1]) / 1024;
  }

  get files(): number {
    return readdirSync(`/proc/${this.agent.pid}/fd`).length;
  }

  readonly unix: Open = () => this.#mine(connect(agentSocket(this.agent.roots)));
  readonly tcp: Open = () => this.#mine(connect(this.#port, '127.0.0.1'));
  readonly tls: Open = () =>
    this.#mine(connectTls({ port: this.#port, host: '127.0.0.1', rejectUnauthorized: false }));

  /** The text of a request; `more`: headers. */
  request(method: string, path: string, more: readonly string[] = [], isKnown = true): string {
    const headers = ['Host: x', ...more].map(line => `${line}\r\n`).join('');
    return `${method} ${path} HTTP/1.1\r\n${headers}${isKnown ? this.#authorization : ''}\r\n`;
  }

  webSocket(path: string, isKnown = true): string {
    return this.request(
      'GET',
      path,
      [
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        `Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}`,
        'Sec-WebSocket-Protocol: v5.channel.k8s.io',
      ],
      isKnown,
    );
  }

  /** So many clients that say this, and read nothing: they see neither answers nor that the agent closes. */
  async clients(count: number, open: Open, text = ''): Promise<readonly Socket[]> {
    const all: Socket[] = [];
    while (all.length < count) {
      const some = Array.from({ length: Math.min(50, count - all.length) }, open);
      await Promise.all(some.map(socket => once(socket, open === this.tls ? 'secureConnect' : 'connect')));
      for (const socket of some) if (text !== '') socket.write(text);
      all.push(...some);
    }
    return all;
  }

  /** Whoever has nothing to do with them gets his answer, on both listeners. */
  async answers(what: string): Promise<void> {
    for (const open of [this.unix, this.tls]) {
      const socket = open();
      socket.write(this.request('GET', PODS, ['Connection: close']));
      let text = '';
      for await (const chunk of socket) text += chunk;
      this.t.match(text, /^HTTP\/1\.1 200 OK\r\n.*"kind":"PodList"/s, what);
    }
  }

  async hasAtLeast(files: number, what: string): Promise<void> {
    for (const end = Date.now() + 60_000; this.files < files && Date.now() < end; await delay(20));
    this.t.ok(this.files >= files, `${what}: ${this.files} of ${files} files`);
  }

  /** Connections have been closed, and what belonged to them. */
  async hasNoMoreThan(files: number, what: string): Promise<void> {
    for (const end = Date.now() + 60_000; this.files > files + OTHERS && Date.now() < end; await delay(50));
    this.t.ok(this.files <= files + OTHERS, `${what}: ${this.files} files, ${files} before`);
  }

  /** The agent has not become larger than that; it gives back late what it does not need, so this is about all until now. */
  isSmall(most: number, what: string): void {
    const { memory } = this;
    this.t.comment(`${what}: ${Math.round(memory)} MiB, ${this.files} files`);
    this.t.ok(memory < most, `${what}: ${Math.round(memory)} of ${most} MiB`);
  }

  leave(sockets: Iterable<Socket> = this.#sockets): void {
    for (const socket of sockets) socket.destroy();
  }

  #mine<T extends Socket>(socket: T): T {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    return socket;
  }
}

async function serverFor(t: Checks): Promise<Server> {
  const agent = await agentFor(t);
  const { clusters, users } = await agent.client.json<{
    readonly clusters: readonly { readonly cluster: { readonly server: string } }[];
    readonly users: readonly { readonly user: { readonly token: string } }[];
  }>('POST', '/podspace/kubeconfig', { body: { listen: '127.0.0.1:0' } });
  const port = Number(new URL(clusters[0]?.cluster.server ?? '').port);
  const server = new Server(agent, t, { port, token: users[0]?.user.token ?? '' });
  t.teardown(() => server.leave());
  await server.answers('before');
  return server;
}

/** An agent with clients that say nothing, for as long as this takes; and how many files it had before. */
let silence: { readonly server: Server; readonly files: number } | undefined;

t.test('clients that say nothing, or half of what they have to say', { skip: needsRoot }, async test => {
  const server = await serverFor(t);
  server.t = test;
  const { files } = server;
  const silent = await server.clients(300, server.tcp);
  await server.clients(200, server.tls);
  await server.clients(300, server.unix, `GET ${PODS} HTTP/1.1\r\nHo`);
  await server.clients(100, server.tls, server.webSocket(`${PODS}/main/exec`).slice(0, -2));
  test.notOk(silent.some(({ destroyed }) => destroyed));
  await server.answers('900 clients that say nothing');
  server.isSmall(150, '900 clients that say nothing');
  const size = (length: number) => ['Content-Type: application/json', `Content-Length: ${length}`];
  const post = server.request('POST', MAPS, size(100_000));
  const slow = await server.clients(100, server.tls, `${post}{`);
  const stopped = await server.clients(100, server.unix, `${post}{"metadata":{"name":"a`);
  for (let i = 0; i < 20; i++) {
    for (const socket of slow) socket.write(' ');
    await delay(20);
  }
  await server.answers('bodies that come slowly');
  server.isSmall(150, '200 bodies that come slowly');
  server.leave([...slow, ...stopped]);
  // 32 MiB of one user may be on their way; the others are refused.
  const large = await server.clients(60, server.tls, `${server.request('POST', MAPS, size(3_000_000))}{`);
  for (const socket of large) socket.write(Buffer.alloc(1_000_000, ' '));
  await server.answers('large bodies');
  server.isSmall(250, '60 MB of bodies that have no end');
  server.leave(large);
  test.notMatch(server.agent.said, /a request failed/, 'that is no fault of the agent');
  silence = { server, files };
});

t.test('upgrades that are refused, and clients that go without a word', { skip: needsRoot }, async t => {
  const server = await serverFor(t);
  const { agent } = server;
  await agent.create('main', scripts({ main: 'sleep 1000' }));
  await agent.until('main', ({ phase }) => phase === 'Running', 60);
  const { files } = server;
  for (const open of [server.tls, server.unix]) {
    const path = open === server.tls ? `${PODS}/main/exec?command=true&stdout=1` : '/nowhere';
    const refused = await server.clients(100, open, `${server.webSocket(path, false)}and more`);
    await server.hasNoMoreThan(files, 'whoever is refused is not kept, although he stays');
    server.leave(refused);
    const spdy = server.request('POST', `${PODS}/main/portforward`, [
      'Connection: Upgrade',
      'Upgrade: SPDY/3.1',
      'X-Stream-Protocol-Version: portforward.k8s.io',
    ]);
    const forwards = await server.clients(50, open, spdy);
    await Promise.all(forwards.map(socket => once(socket, 'data')));
    await server.answers('50 port-forwards that do nothing');
    await server.hasAtLeast(files + 50 - OTHERS, 'port-forwards');
    // Whoever has pings answered has to read that.
    for (const socket of forwards.slice(0, 5)) socket.pause().write(PINGS);
    for (let i = 0; i < 5; i++) {
      await delay(200);
      await server.answers('pings without end');
    }
    server.isSmall(180, '15 MB of pings');
    server.leave(forwards);
    await server.hasNoMoreThan(files, 'port-forwards whose clients have gone');
  }
  await agent.clear();
  t.strictSame(await agent.left(), []);
});

t.test('answers and watches that nobody reads', { skip: needsRoot }, async t => {
  const server = await serverFor(t);
  const { agent, files } = server;
  const change = (length: number, i: number) =>
    agent.client.replace(typeOf('ConfigMap'), 'default', 'changing', {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'changing' },
      data: { value: `${i}`.padEnd(length, 'x') },
    });
  await agent.create('changing', {}, 'ConfigMap');
  const watches = await server.clients(60, server.unix, server.request('GET', `${MAPS}?watch=1`));
  await server.hasAtLeast(files + 60 - OTHERS, 'watches');
  for (let i = 0; i < 120; i++) await change(50_000, i);
  await server.answers('watches that nobody reads');
  server.isSmall(300, '60 watches that leave 360 MB unread');
  for (let i = 0; server.files > files + OTHERS && i < 200; i++) await change(50_000, i);
  await server.hasNoMoreThan(files, 'watches that are not read are ended');
  server.leave(watches);
  for (let i = 0; i < 10; i++)
    await agent.create(`large-${i}`, { data: { value: 'x'.repeat(1_000_000) } }, 'ConfigMap');
  const alice = ['Impersonate-User: alice', 'Impersonate-Group: system:masters'];
  const list = server.request('GET', MAPS, alice);
  const lists = [
    ...(await server.clients(80, server.unix, list)),
    // One that asks many times.
    ...(await server.clients(1, server.unix, list.repeat(50))),
  ];
  // There is no more for who leaves so much, and for everybody else there is.
  const [one] = await server.clients(1, server.unix);
  let answer = '';
  one?.on('data', chunk => {
    answer += chunk;
  });
  for (let i = 0; !answer.includes('HTTP/1.1 429 ') && i < 600; i++, await delay(100))
    one?.write(server.request('GET', PODS, alice));
  t.match(answer, /HTTP\/1\.1 429 Too Many Requests\r\n/);
  await server.answers('lists that nobody reads');
  server.isSmall(350, '130 lists of 10 MB that nobody reads');
  server.leave([...lists, ...(one === undefined ? [] : [one])]);
  await server.hasNoMoreThan(files, 'lists whose clients have gone');
  await server.answers('after');
});

t.test('output that nobody reads', { skip: needsRoot }, async t => {
  const server = await serverFor(t);
  const { agent } = server;
  const endless = `exec yes ${'x'.repeat(4000)}`;
  await agent.create('main', scripts({ main: endless }));
  await agent.until('main', ({ phase }) => phase === 'Running', 60);
  const { files } = server;
  const command = ['sh', '-c', endless].map(word => `&command=${encodeURIComponent(word)}`).join('');
  const logs = server.request('GET', `${PODS}/main/log?follow=1`);
  const waiting = [
    ...(await server.clients(8, server.unix, logs)),
    ...(await server.clients(4, server.tls, logs)),
    ...(await server.clients(8, server.unix, server.webSocket(`${PODS}/main/exec?stdout=1${command}`))),
    ...(await server.clients(4, server.tls, server.webSocket(`${PODS}/main/exec?stdout=1${command}`))),
  ];
  for (let i = 0; i < 5; i++) {
    await delay(200);
    await server.answers('logs and output of commands that nobody reads');
  }
  server.isSmall(180, '12 logs and 12 commands');
  await server.hasAtLeast(files + 24, 'they wait');
  server.leave(waiting);
  await server.hasNoMoreThan(files, 'logs and commands whose clients have gone');
  // The container does not wait for who is attached: he is let go.
  const attached = await server.clients(6, server.unix, server.webSocket(`${PODS}/main/attach?stdout=1`));
  for (let i = 0; i < 3; i++) {
    await delay(200);
    await server.answers('attached clients that do not read');
  }
  await server.hasNoMoreThan(files, 'whoever is attached and does not read is let go');
  server.isSmall(300, '6 attached clients');
  server.leave(attached);
  // One that reads, but slowly, has all of it: what waits for him does not become more.
  const [slow] = await server.clients(1, server.unix, logs);
  for (let i = 0; i < 20 && slow !== undefined; i++) {
    for (let size = 0; size < 500_000; ) size += ((await once(slow, 'data')) as [Buffer])[0].length;
    slow.pause();
    await delay(20);
    slow.resume();
  }
  t.notMatch(agent.said, /MaxListenersExceededWarning/);
  server.leave();
  await agent.clear();
  t.strictSame(await agent.left(), []);
});

t.test('who says nothing is not kept', { skip: needsRoot }, async t => {
  // None of them has gone by himself: they do not see that they are ended.
  if (silence === undefined) throw new Error('nobody has said nothing');
  const { server, files } = silence;
  server.t = t;
  await server.hasNoMoreThan(files, 'connections without a request');
  await server.answers('after');
});
