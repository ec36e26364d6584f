import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { WebSocket } from 'ws';
import type { AttachSession, AttachStreams } from '../../../../src/agent/backend.ts';
import { agentSocket } from '../../../../src/agent/start.ts';
import { PODS, pod, startApi, until } from './api-client.ts';

type Test = typeof import('tap').default;

/** A pod whose container says back what it is told, and how to attach to it. */
async function attachable(t: Pick<Test, 'teardown'>) {
  const did: string[] = [];
  let streams: AttachStreams | undefined;
  const session: AttachSession = {
    hasStdin: true,
    isTerminal: true,
    write: async chunk => void streams?.onOutput('stdout', Buffer.from(`<${Buffer.from(chunk)}>`)),
    end: () => void did.push('end'),
    resize: ({ columns, rows }) => void did.push(`${columns}x${rows}`),
    close: () => void did.push('close'),
  };
  const api = await startApi(t, async (_uid, container, given) => {
    did.push(`attach ${container}`);
    streams = given;
    return session;
  });
  await api.ask('POST', PODS, {
    body: pod('p', { containers: [{ name: 'main', image: 'x', stdin: true, tty: true }] }),
  });
  const run = (): void =>
    api.registry.setPodStatus(api.registry.get('Pod', 'default', 'p')?.metadata.uid ?? '', {
      phase: 'Running',
      containerStatuses: [
        { name: 'main', image: 'x', imageID: '', ready: true, restartCount: 0, state: { running: {} } },
      ],
    });
  const path = `${PODS}/p/attach?stdin=1&stdout=1&tty=1`;
  const open = () => {
    const socket = new WebSocket(`ws+unix://${agentSocket(api.roots)}:${path}`, [
      'v5.channel.k8s.io',
      'v4.channel.k8s.io',
    ]);
    const got: string[] = [];
    socket.on('message', data => got.push((data as Buffer).toString('latin1')));
    socket.on('error', () => {});
    return { socket, got };
  };
  return { ...api, did, run, open, path, end: (code?: number) => streams?.onEnd(code) };
}

t.test('attach: input, output, sizes, and the end', async t => {
  const { run, open, did, end, ask } = await attachable(t);
  t.match((await ask('GET', `${PODS}/p/attach?stdout=1`)).body, { code: 400 });
  const early = open();
  const [, response] = await once(early.socket, 'unexpected-response');
  t.equal(response.statusCode, 400, 'it does not run yet');
  run();
  const { socket, got } = open();
  await once(socket, 'open');
  t.equal(socket.protocol, 'v5.channel.k8s.io');
  socket.send(Buffer.from('\0hello'));
  t.ok(await until(() => got.length === 1));
  t.strictSame(got, ['\x01<hello>']);
  for (const size of ['{"Width":80,"Height":24}', '{"Width":-1,"Height":24}', '{"Width":', '"x"', 'null'])
    socket.send(Buffer.from(`\x04${size}`));
  socket.send(Buffer.from([255, 0]));
  t.ok(await until(() => did.includes('end')));
  t.strictSame(did, ['attach main', '80x24', 'end'], 'sizes that are none are passed over');
  end(0);
  const [code] = await once(socket, 'close');
  t.equal(code, 1000);
  t.strictSame(got.at(-1), '\x03{"metadata":{},"status":"Success"}');
});

t.test('a client that is let go hears why', async t => {
  const { run, open, end } = await attachable(t);
  run();
  const { socket, got } = open();
  await once(socket, 'open');
  socket.send(Buffer.from('\0hello'));
  t.ok(await until(() => got.length === 1));
  end();
  await once(socket, 'close');
  t.match(got.at(-1), '"status":"Failure"');
  t.match(got.at(-1), '"message":"the container prints faster than this is read, or ');
});

t.test('a client that goes lets the container go on', async t => {
  const { run, open, did } = await attachable(t);
  run();
  const { socket } = open();
  await once(socket, 'open');
  socket.terminate();
  t.ok(await until(() => did.includes('close')));
});

t.test('frames and messages that are none end their connection alone', async t => {
  const { run, open, did, roots, path, ask, logged } = await attachable(t);
  run();
  const wrong: Readonly<Record<string, (socket: WebSocket) => void>> = {
    text: socket => socket.send('text'),
    'nothing at all': socket => socket.send(Buffer.alloc(0)),
    'too much': socket => socket.send(Buffer.alloc(2 * 1024 * 1024)),
  };
  for (const [what, send] of Object.entries(wrong)) {
    const { socket } = open();
    await once(socket, 'open');
    send(socket);
    await once(socket, 'close');
    t.pass(what);
  }
  const frames = {
    'reserved bits': Buffer.from([0xf2, 0x80, 0, 0, 0, 0]),
    'an unknown opcode': Buffer.from([0x8f, 0x80, 0, 0, 0, 0]),
    'no mask': Buffer.from([0x82, 0x01, 0x00]),
    'a length beyond all': Buffer.from([0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    'a long ping': Buffer.from([0x89, 0xfe, 0x10, 0x00, 0, 0, 0, 0]),
  };
  for (const [what, frame] of Object.entries(frames)) {
    const socket = connect(agentSocket(roots));
    socket.on('error', () => {});
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n`,
    );
    const [head] = await once(socket, 'data');
    t.match(head.toString(), /^HTTP\/1\.1 101/);
    socket.resume();
    socket.write(frame);
    await new Promise(resolve => socket.on('close', resolve));
    t.pass(what);
  }
  t.ok(await until(() => did.filter(each => each === 'close').length === 8), 'nobody stays attached');
  t.equal((await ask('GET', '/livez')).code, 200);
  t.same(
    logged.filter(line => line.startsWith('a request failed')),
    [],
  );
});
