import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server, type Http2Server } from 'node:http2';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import t from 'tap';
import { grpc } from '../../../../src/runtime/handlers/grpc.ts';
import { encodeCheck, MAX_MESSAGE } from '../../../../src/runtime/handlers/grpc-messages.ts';
import { httpGet } from '../../../../src/runtime/handlers/http.ts';
import { requestOf } from '../../../../src/runtime/handlers/http-request.ts';
import { withLimit } from '../../../../src/runtime/handlers/limit.ts';
import type { Outcome } from '../../../../src/runtime/handlers/outcome.ts';
import { tcpSocket } from '../../../../src/runtime/handlers/tcp.ts';

/** Servers of this machine's own network stand for the pod's: only where a socket is made is another. */
const HERE = { namespace: undefined, podIP: '127.0.0.1' };
const wanted = new AbortController().signal;

/** A server while the body runs; who is still connected then is cut off. */
async function serving(server: Server | Http2Server, body: (port: number) => Promise<void>): Promise<void> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await body((server.address() as AddressInfo).port);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

/** What is sent as soon as a line has come, by a server that speaks raw bytes. */
const raw = (answer: (socket: Socket) => void): Server =>
  createServer(socket => void socket.once('data', () => answer(socket)));

const get = (port: number, action: object = {}, seconds = 0.4): Promise<Outcome> =>
  withLimit(seconds, wanted, limit =>
    httpGet(requestOf({ port, ...action }, HERE.podIP, port, 'probe'), HERE, limit),
  );

t.test('httpGet: what a server sees', async t => {
  let seen: { readonly url?: string | undefined; readonly rawHeaders?: readonly string[] } = {};
  const server = createHttpServer((request, response) => {
    seen = { url: request.url, rawHeaders: request.rawHeaders };
    response.end('fine');
  });
  await serving(server, async port => {
    t.same(await get(port, { path: '/a?b', httpHeaders: [{ name: 'X', value: 'ä' }] }), {
      kind: 'success',
      output: 'fine',
    });
    t.equal(seen.url, '/a?b');
    t.same(seen.rawHeaders, [
      'Host',
      `127.0.0.1:${port}`,
      'X',
      Buffer.from('ä').toString('latin1'),
      'User-Agent',
      'kube-probe/1.36',
      'Accept',
      '*/*',
      'Connection',
      'close',
    ]);
    await get(port, { httpHeaders: [{ name: 'Host', value: 'www' }] });
    t.same(seen.rawHeaders?.slice(0, 2), ['Host', 'www']);
    t.same(await get(port, { httpHeaders: [{ name: 'X', value: 'a\r\nY: b' }] }), {
      kind: 'failure',
      output: `Get "http://127.0.0.1:${port}/": net/http: invalid header field value`,
    });
  });
});

t.test('httpGet: status and redirects', async t => {
  const server = createHttpServer((request, response) => {
    const [, status = '200', location = ''] = /^\/(\d+)(.*)$/.exec(request.url ?? '') ?? [];
    const to = location === '/loop' ? request.url : location;
    response.writeHead(Number(status), to ? { location: decodeURIComponent(to ?? '') } : {});
    response.end(status);
  });
  await serving(server, async port => {
    for (const status of [200, 204, 299])
      t.match(await get(port, { path: `/${status}` }), { kind: 'success' });
    for (const status of [300, 304, 302])
      t.match(await get(port, { path: `/${status}` }), { kind: 'warning' });
    for (const status of [400, 404, 500])
      t.same(await get(port, { path: `/${status}` }), {
        kind: 'failure',
        output: `HTTP probe failed with statuscode: ${status}`,
      });
    t.same(await get(port, { path: '/302/200' }), { kind: 'success', output: '200' });
    t.match(await get(port, { path: '/302/500' }), { kind: 'failure', output: /statuscode: 500/ });
    const elsewhere = encodeURIComponent('http://192.0.2.1/');
    t.same(await get(port, { path: `/302${elsewhere}` }), { kind: 'warning', output: '302' });
    t.match(await get(port, { path: '/302/loop' }, 5), {
      kind: 'failure',
      output: /stopped after 10 redirects/,
    });
  });
});

t.test('httpGet: servers that mean no good', async t => {
  const cases: readonly (readonly [string, (socket: Socket) => void, object])[] = [
    ['says nothing', () => {}, { kind: 'failure', output: /Client.Timeout exceeded while awaiting headers/ }],
    ['hangs up', socket => socket.end(), { kind: 'failure', output: /: EOF$/ }],
    ['resets', socket => socket.resetAndDestroy(), { kind: 'failure', output: /connection reset by peer$/ }],
    [
      'speaks something else',
      socket => socket.end('SSH-2.0-x\r\n'),
      { kind: 'failure', output: /malformed HTTP/ },
    ],
    [
      'endless headers',
      socket => {
        socket.write('HTTP/1.1 200 OK\r\n');
        pour(socket, `X-${'a'.repeat(1000)}: ${'b'.repeat(1000)}\r\n`);
      },
      { kind: 'failure', output: /server response headers exceeded 65536 bytes/ },
    ],
    [
      'one endless header',
      socket => {
        socket.write('HTTP/1.1 200 OK\r\nX: ');
        pour(socket, 'b'.repeat(4096));
      },
      { kind: 'failure', output: /server response headers exceeded 65536 bytes/ },
    ],
    [
      'endless 100 Continue',
      socket => pour(socket, 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(100)),
      { kind: 'failure', output: /Client.Timeout exceeded while awaiting headers/ },
    ],
    [
      'an endless body',
      socket => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        pour(socket, 'b'.repeat(4096));
      },
      { kind: 'success', output: 'b'.repeat(10240) },
    ],
    [
      'a chunk of exabytes',
      socket =>
        void socket.write('HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffff\r\nabc'),
      { kind: 'error', state: 'failure', output: /while reading body/ },
    ],
    [
      'a slow body',
      socket => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n');
        const timer = setInterval(() => socket.write('.'), 20);
        socket.on('close', () => clearInterval(timer));
      },
      { kind: 'error', state: 'failure', output: /while reading body/ },
    ],
    [
      'a body that is too short',
      socket => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nabc'),
      { kind: 'error', output: /./ },
    ],
    [
      'an upgrade',
      socket => void socket.write('HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
      { kind: 'failure', output: 'HTTP probe failed with statuscode: 101' },
    ],
  ];
  for (const [name, answer, outcome] of cases)
    await serving(raw(answer), async port => {
      t.match(await get(port), outcome, name);
    });
  await serving(
    raw(socket => socket.end('HTTP/1.0 200 OK\nX: y\n\nfine')),
    async port => void t.same(await get(port), { kind: 'success', output: 'fine' }, 'no CR'),
  );
  await serving(
    raw(socket => socket.end('HTTP/1.1 200 OK\r\n\r\n')),
    async port => {
      t.match(await get(port, { scheme: 'HTTPS' }), {
        kind: 'failure',
        output: `Get "https://127.0.0.1:${port}/": http: server gave HTTP response to HTTPS client`,
      });
    },
  );
});

/** Writes as long as somebody reads. */
function pour(socket: Socket, text: string): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(text));
  };
  socket.on('drain', more);
  more();
}

t.test('tcpSocket, and nobody there', async t => {
  let unused = 0;
  await serving(createServer(), async port => {
    unused = port;
    t.same(await withLimit(1, wanted, limit => tcpSocket('127.0.0.1', port, HERE, limit)), {
      kind: 'success',
      output: '',
    });
  });
  const refused = `dial tcp 127.0.0.1:${unused}: connect: connection refused`;
  t.same(await withLimit(1, wanted, limit => tcpSocket('127.0.0.1', unused, HERE, limit)), {
    kind: 'failure',
    output: refused,
  });
  t.same(await get(unused), { kind: 'failure', output: `Get "http://127.0.0.1:${unused}/": ${refused}` });
  t.match(await withLimit(1, wanted, limit => grpc(unused, '', HERE, limit)), {
    kind: 'failure',
    output: `error: failed to connect service at "127.0.0.1:${unused}": connection error: desc = "transport: Error while dialing: ${refused}"`,
  });
});

/** A server of the health protocol that answers as `answer` says; `seen` gets what was asked. */
function health(
  answer: { readonly frame?: Buffer; readonly headers?: object; readonly trailers?: Record<string, string> },
  seen: { headers?: object; body?: Buffer } = {},
): Http2Server {
  return createHttp2Server().on('stream', (stream, headers) => {
    stream.on('error', () => {});
    const body: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => body.push(chunk));
    stream.on('end', () => {
      seen.headers = headers;
      seen.body = Buffer.concat(body);
      const { trailers } = answer;
      stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}));
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', ...answer.headers },
        { waitForTrailers: trailers !== undefined },
      );
      stream.end(answer.frame);
    });
  });
}

const served = (status: number): Buffer => Buffer.of(0, 0, 0, 0, 2, 8, status);
const check = (port: number, service = '', seconds = 1): Promise<Outcome> =>
  withLimit(seconds, wanted, limit => grpc(port, service, HERE, limit));

t.test('grpc: what a server sees, and answers', async t => {
  const seen: { headers?: object; body?: Buffer } = {};
  await serving(health({ frame: served(1), trailers: { 'grpc-status': '0' } }, seen), async port => {
    t.same(await check(port, 'my.Service'), { kind: 'success', output: 'service healthy' });
  });
  t.match(seen.headers, {
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    ':scheme': 'http',
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': 'kube-probe/1.36',
    'grpc-timeout': '1S',
  });
  t.same(seen.body, encodeCheck('my.Service'));
  const cases: readonly (readonly [Parameters<typeof health>[0], string])[] = [
    [
      { frame: served(2), trailers: { 'grpc-status': '0' } },
      'service unhealthy (responded with "NOT_SERVING")',
    ],
    [
      { headers: { 'grpc-status': '12', 'grpc-message': 'unknown%20service' } },
      'error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown service',
    ],
    [
      { headers: { 'grpc-status': '5', 'grpc-message': 'unknown service' } },
      'error: health rpc probe failed: rpc error: code = NotFound desc = unknown service',
    ],
    [
      { frame: served(1), trailers: { 'grpc-status': '13', 'grpc-message': 'x' } },
      'error: health rpc probe failed: rpc error: code = Internal desc = x',
    ],
    [
      { frame: served(1) },
      'error: health rpc probe failed: rpc error: code = Internal desc = server closed the stream without sending trailers',
    ],
    [
      { trailers: { 'grpc-status': '0' } },
      'error: health rpc probe failed: rpc error: code = Internal desc = cardinality violation: received no response message',
    ],
    [
      { headers: { ':status': 503 } },
      'error: health rpc probe failed: rpc error: code = Unavailable desc = unexpected HTTP status code received from server: 503',
    ],
    [
      { headers: { 'content-type': 'text/html' }, frame: Buffer.from('<html>') },
      'error: health rpc probe failed: rpc error: code = Unknown desc = received unexpected content-type "text/html"',
    ],
  ];
  for (const [answer, output] of cases)
    await serving(health(answer), async port => {
      t.same(await check(port), { kind: 'failure', output });
    });
});

t.test('grpc: servers that mean no good', async t => {
  const timeout = (port: number): object => ({
    kind: 'failure',
    output: `timeout: failed to connect service "127.0.0.1:${port}" within 1s: context deadline exceeded`,
  });
  await serving(
    raw(() => {}),
    async port => void t.match(await check(port), timeout(port), 'no settings'),
  );
  await serving(
    raw(socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
    async port => {
      t.match(await check(port), { kind: 'failure', output: /error reading server preface/ });
    },
  );
  const huge = Buffer.alloc(5);
  huge.writeUInt32BE(MAX_MESSAGE + 1, 1);
  await serving(health({ frame: Buffer.concat([huge, Buffer.alloc(1 << 20)]) }), async port => {
    t.match(await check(port), { output: /ResourceExhausted desc = grpc: received message larger than max/ });
  });
  const silent = createHttp2Server().on('stream', stream => void stream.on('error', () => {}));
  await serving(silent, async port => {
    t.same(await check(port), { kind: 'failure', output: 'timeout: health rpc did not complete within 1s' });
  });
  // One frame that says it is 16 MB long: more than a client takes.
  await serving(
    raw(socket => socket.end(Buffer.from('ffffff040000000000', 'hex'))),
    async port => {
      t.match(await check(port), { kind: 'failure' }, 'a frame of 16 MB');
    },
  );
  const settings = Buffer.from('000000040000000000', 'hex');
  const endless = raw(socket => {
    socket.write(settings);
    pour(socket, settings.toString('latin1').repeat(100));
  });
  await serving(endless, async port => {
    t.match(await check(port), { kind: 'failure' }, 'settings without end');
  });
});
