import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import t from 'tap';
import { socketInNamespace } from '../../src/native/socket-in-namespace.ts';
import { hasIPv6, needsIPv6, needsRoot, podspace, probePod, start } from './harness.ts';

type Started = ReturnType<typeof start>;

/** What the pods of these tests do: echo, a digest of what came, an endless answer, and a page by IPv6 only. */
const SERVE = [
  'mkdir /tmp/www; echo page >/tmp/www/index.html',
  'httpd -p [::1]:8006 -h /tmp/www',
  'nc -ll -p 9000 -e cat & nc -ll -p 9001 -e sha256sum & nc -ll -p 9002 -e yes & nc -ll -p 9003 -e true &',
  'echo ready; wait',
].join('\n');

const servers = {
  image: 'localhost/busybox',
  command: ['sh', '-c', SERVE],
  ports: [
    { name: 'echo', containerPort: 9000 },
    { name: 'dns', containerPort: 53, protocol: 'UDP' },
    { name: 'both', containerPort: 54, protocol: 'UDP' },
    { containerPort: 54 },
  ],
};

/** Runs a pod, and port-forward to it, while the body runs; gives the local ports in the order of `ports`. */
async function forwarding(
  spec: object,
  ports: readonly string[],
  body: (local: readonly number[], forward: Started, pod: Started) => Promise<void>,
  ...options: readonly string[]
): Promise<void> {
  const manifest = probePod({ terminationGracePeriodSeconds: 2, ...spec }, servers);
  const pod = start(['run', '--network', 'none', '-'], JSON.stringify(manifest));
  try {
    await pod.waitFor('ready');
    const forward = start([
      'port-forward',
      manifest.metadata.name,
      ...ports,
      '--address',
      '127.0.0.1',
      ...options,
    ]);
    try {
      const said = (): number =>
        forward.output().match(/^(Forwarding from|Unable to listen) .*$/gm)?.length ?? 0;
      for (let i = 0; i < 500 && said() < ports.length; i++) await wait(10);
      const lines = [...forward.output().matchAll(/^Forwarding from 127\.0\.0\.1:(\d+) -> \d+$/gm)];
      await body(
        lines.map(([, port]) => Number(port)),
        forward,
        pod,
      );
    } finally {
      forward.child.kill('SIGINT');
      await forward.ended;
    }
  } finally {
    pod.child.kill('SIGKILL');
    await pod.ended;
    podspace(['gc']);
  }
}

/** Everything that comes until the other side ends, after all of `bytes` was sent and our side has ended. */
async function exchange(port: number, bytes: Buffer | string): Promise<Buffer> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('data', chunk => chunks.push(chunk));
  socket.end(bytes);
  await once(socket, 'close');
  return Buffer.concat(chunks);
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const wait = (milliseconds: number): Promise<void> =>
  new Promise(resolve => setTimeout(resolve, milliseconds));

for (const spec of [{}, { shareProcessNamespace: true }, { hostUsers: false }]) {
  t.test(`bytes in both directions: ${JSON.stringify(spec)}`, { skip: needsRoot }, async t => {
    await forwarding(spec, [':9000', ':9001', ':9003'], async ([echo = 0, sum = 0, end = 0], forward) => {
      t.equal(String(await exchange(echo, 'hello')), 'hello');
      t.equal(
        String(await exchange(sum, 'abc')),
        `${digest(Buffer.from('abc'))}  -\n`,
        'it saw the end of our side',
      );
      t.equal(String(await exchange(end, '')), '', 'and we of theirs');
      const large = randomBytes(32 << 20);
      t.equal(digest(await exchange(echo, large)), digest(large), '32 MiB there and back');
      t.equal(String(await exchange(sum, large)), `${digest(large)}  -\n`);
      t.equal(forward.output().match(/^Handling connection for \d+$/gm)?.length, 5);
    });
  });
}

t.test('what listens on ::1 only is found there', { skip: needsIPv6 }, async t => {
  await forwarding({}, [':8006'], async ([page = 0]) => {
    t.match(String(await exchange(page, 'GET / HTTP/1.0\r\n\r\n')), /\r\n\r\npage\n$/);
  });
});

t.test('a pod of the host’s network', { skip: needsRoot }, async t => {
  const server = createServer(socket => socket.end('of the host')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const pod = probePod({ hostNetwork: true }, { args: ['signals'] });
  const running = start(['run', '--network', 'none', '-'], JSON.stringify(pod));
  await running.waitFor('ready');
  const forward = start(['port-forward', pod.metadata.name, `:${port}`]);
  await forward.waitFor(`-> ${port}`);
  const local = Number(/127\.0\.0\.1:(\d+) ->/.exec(forward.output())?.[1]);
  t.equal(String(await exchange(local, '')), 'of the host');
  server.close();
  await once(server, 'close');
  await exchange(local, '');
  await forward.waitFor('network namespace "host"');
  forward.child.kill('SIGINT');
  t.equal(await forward.ended, 0);
  running.child.kill('SIGTERM');
  await running.ended;
});

/** An echo that takes any number of connections at once; busybox' servers hardly let two wait. */
const ECHO = `require('node:net')
  .createServer({ allowHalfOpen: true }, socket => socket.on('error', () => {}).pipe(socket))
  .listen({ host: '127.0.0.1', port: 9010, backlog: 512 }, () => console.log('listening'));`;

t.test('a hundred connections at once, and none is left', { skip: needsRoot }, async t => {
  await forwarding({}, [':9010'], async ([echo = 0], forward) => {
    const [{ uid }] = JSON.parse(podspace(['ps', '-o', 'json']).stdout).filter(({ name }: { name: string }) =>
      forward.child.spawnargs.includes(name),
    );
    const namespace = `--net=/run/podspace/pods/${uid}/ns/network`;
    const server = spawn('nsenter', [namespace, process.execPath, '-e', ECHO]);
    await once(server.stdout, 'data');
    for (let round = 0; round < 3; round++) {
      const all = await Promise.all(
        Array.from({ length: 100 }, async (_, i) => {
          const bytes = randomBytes(100_000 + i);
          return digest(await exchange(echo, bytes)) === digest(bytes);
        }),
      );
      t.same(new Set(all), new Set([true]));
    }
    const open = (): number => readdirSync(`/proc/${forward.child.pid}/fd`).length;
    for (let i = 0; i < 100 && open() > 40; i++) await wait(20);
    t.ok(open() <= 40, `${open()} descriptors`);
    server.kill('SIGKILL');
    await once(server, 'close');
  });
});

t.test('what nobody takes is refused, and the command goes on', { skip: needsRoot }, async t => {
  await forwarding({}, [':9999', ':9000'], async ([nobody = 0, echo = 0], forward) => {
    t.equal(String(await exchange(nobody, '')), '', 'it is ended');
    t.equal(await exchange(nobody, 'x').catch(error => error.code), 'ECONNRESET', 'what was sent is lost');
    await forward.waitFor('connection refused');
    const uid = '[-0-9a-f]+';
    t.match(
      forward.output(),
      new RegExp(
        `^error: an error occurred forwarding ${nobody} -> 9999: error forwarding port 9999 to pod ${uid}, uid : failed to execute portforward in network namespace "/run/podspace/pods/${uid}/ns/network": IPv4: dial tcp4 127\\.0\\.0\\.1:9999: connect: connection refused IPv6: dial tcp6 \\[::1\\]:9999: connect: connection refused$`,
        'm',
      ),
    );
    t.equal(String(await exchange(echo, 'hello')), 'hello');
  });
});

/** Kilobytes of memory that a process has. */
const memoryOf = (pid = 0): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

t.test(
  'who does not read makes the pod wait; who goes away ends it there too',
  { skip: needsRoot },
  async t => {
    await forwarding({}, [':9002', ':9000'], async ([yes = 0, echo = 0], forward) => {
      const sockets = (): number =>
        readdirSync(`/proc/${forward.child.pid}/fd`).filter(fd => isSocket(forward.child.pid, fd)).length;
      const idle = sockets();
      const deaf = connect(yes, '127.0.0.1').pause();
      await once(deaf, 'connect');
      const before = memoryOf(forward.child.pid);
      await wait(700);
      const grown = memoryOf(forward.child.pid) - before;
      t.ok(grown < 40_000, `${grown} kB`);
      deaf.resetAndDestroy();
      const gone = connect(yes, '127.0.0.1');
      await once(gone, 'data');
      gone.destroy();
      t.equal(String(await exchange(echo, 'hello')), 'hello');
      for (let i = 0; i < 100 && sockets() > idle; i++) await wait(20);
      t.equal(sockets(), idle, 'every socket is closed');
    });
  },
);

const isSocket = (pid: number | undefined, fd: string): boolean => {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:');
  } catch {
    return false;
  }
};

t.test('the pod ends meanwhile', { skip: needsRoot }, async t => {
  for (const [signal, what] of [
    ['SIGTERM', 'in order'],
    ['SIGKILL', 'with its command'],
  ] as const)
    await forwarding({}, [':9000'], async ([echo = 0], forward, pod) => {
      const socket: Socket = connect(echo, '127.0.0.1');
      socket.on('error', () => {});
      socket.write('hello');
      await once(socket, 'data');
      const closed = once(socket, 'close');
      pod.child.kill(signal);
      await closed;
      t.equal(await forward.ended, 1, what);
      t.match(forward.output(), /^error: lost connection to pod$/m);
      const refused = await exchange(echo, '').catch((error: NodeJS.ErrnoException) => error.code);
      t.equal(refused, 'ECONNREFUSED', 'nobody listens any more');
    });
});

t.test('Ctrl-C ends it, with connections open', { skip: needsRoot }, async t => {
  await forwarding({}, [':9000'], async ([echo = 0], forward) => {
    const socket = connect(echo, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('hello');
    await once(socket, 'data');
    forward.child.kill('SIGINT');
    t.equal(await forward.ended, 0);
    socket.destroy();
  });
});

t.test('ports in use, names of ports, and addresses', { skip: needsRoot }, async t => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await forwarding({}, [`${port}:9000`, ':echo', ':9000'], async (local, forward) => {
    t.match(
      forward.output(),
      `Unable to listen on port ${port}: Listeners failed to create with the following errors: [unable to create listener: Error listen tcp4 127.0.0.1:${port}: bind: address already in use]`,
    );
    t.equal(local.length, 2);
    t.equal(String(await exchange(local[0] ?? 0, 'by name')), 'by name');
  });
  const pod = probePod({ terminationGracePeriodSeconds: 2 }, servers);
  const running = start(['run', '--network', 'none', '-'], JSON.stringify(pod));
  await running.waitFor('ready');
  const { name } = pod.metadata;
  for (const [args, stderr] of [
    [
      [`${port}:9000`, '--address', '127.0.0.1'],
      `error: unable to listen on any of the requested ports: [{${port} 9000}]`,
    ],
    [['9000', '--address', '192.0.2.1'], 'bind: cannot assign requested address'],
    [['9000', '--address', 'example.org'], 'error: example.org is not a valid IP'],
    [['a:b:c'], "error: invalid port format 'a:b:c'"],
    [['9000:'], 'error: remote port cannot be empty'],
    [['9000:0'], 'error: remote port must be > 0'],
    [['x:9000'], `error: error parsing local port 'x': strconv.ParseUint: parsing "x": invalid syntax`],
    [
      ['70000'],
      `error: error parsing local port '70000': strconv.ParseUint: parsing "70000": value out of range`,
    ],
    [[':nosuch'], `error: Pod '${name}' does not have a named port 'nosuch'`],
    [[':dns'], 'error: UDP protocol is not supported for dns'],
    [['53'], 'error: UDP protocol is not supported for 53'],
    [[], 'error: podspace port-forward needs PORT'],
  ] as const) {
    const ran = podspace(['port-forward', name, ...args]);
    t.equal(ran.status, 1, args.join(' '));
    t.ok(ran.stderr.includes(stderr), ran.stderr);
  }
  t.match(podspace(['port-forward', 'no-such-pod', '80']).stderr, 'error: pods "no-such-pod" not found');
  if (hasIPv6) {
    // Both of localhost's, or the one that is free.
    const half = start(['port-forward', name, `${port}:9000`, '54']);
    await half.waitFor(`Forwarding from [::1]:${port} -> 9000`);
    t.notMatch(half.output(), 'Unable to listen on port');
    half.child.kill('SIGINT');
    t.equal(await half.ended, 0);
  }
  server.close();
  running.child.kill('SIGTERM');
  await running.ended;
});

t.test(
  'a socket that cannot be made names its instruction, and leaves nothing',
  { skip: needsRoot },
  async t => {
    const before = readdirSync('/proc/self/fd').length;
    const fd = openSync('/dev/null', 'r');
    const message = /^instruction 0: setns\(<netns>, CLONE_NEWNET\): EINVAL/;
    await t.rejects(socketInNamespace(fd, 'AF_INET'), { message });
    closeSync(fd);
    t.equal(readdirSync('/proc/self/fd').length, before);
  },
);
