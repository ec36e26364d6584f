import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ImageStore } from '../../src/image/store.ts';
import { makeImage } from '../unit/image/image-builder.ts';
import { startRegistry, type TestRegistry } from '../unit/image/registry-server.ts';
import { needsRoot, PODSPACE, type Ran } from './harness.ts';

/** busybox as a layer. */
function busyboxLayer(): Buffer {
  const store = new ImageStore('/var/lib/podspace');
  const image = store.get('localhost/busybox');
  if (image === undefined) throw new Error('no busybox image');
  const root = join('/var/lib/podspace', store.layers(image)[0] ?? '');
  return execFileSync('tar', ['-cC', root, '--format=posix', '--numeric-owner', '.'], { maxBuffer: 1 << 28 });
}

/** Not the harness's: the registry is in this process, which must not wait. */
const run = (root: string, args: readonly string[], input = '', more: object = {}): Promise<Ran> =>
  new Promise(done => {
    const env = { ...process.env, HOME: root, XDG_RUNTIME_DIR: root, ...more };
    const child = spawn(process.execPath, [PODSPACE, '--root', root, ...args], { env });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', chunk => (stdout += chunk));
    child.stderr.on('data', chunk => (stderr += chunk));
    child.stdin.end(input);
    child.on('close', status => done({ status, stdout, stderr }));
  });

async function setUp(t: Test): Promise<{ readonly root: string; readonly registry: TestRegistry }> {
  const root = mkdtempSync(join(tmpdir(), 'podspace-pull-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const registry = await startRegistry();
  t.teardown(() => registry.close());
  const image = makeImage([busyboxLayer(), [{ name: 'hello', data: 'hello\n' }]], {
    config: { Cmd: ['cat', '/hello'] },
  });
  registry.put('app', 'latest', image.manifest, image);
  registry.put('app', 'v1', image.manifest, image);
  return { root, registry };
}

const pod = (image: string, container: object = {}, spec: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'pull' },
  spec: { ...spec, containers: [{ name: 'c', image, ...container }] },
});
const text = (...objects: object[]): string => objects.map(each => JSON.stringify(each)).join('\n---\n');

t.test('a pod pulls what its policy says', { skip: needsRoot }, async t => {
  const { root, registry } = await setUp(t);
  const asked = (): number => registry.requests.splice(0).length;
  const [latest, v1] = [`${registry.host}/app`, `${registry.host}/app:v1`];
  const ok = { status: 0, stdout: 'hello\n', stderr: '' };
  t.match(await run(root, ['run', '-'], text(pod(v1, { imagePullPolicy: 'Never' }))), {
    status: 1,
    stderr: `error: container "c": ErrImageNeverPull: Container image "${v1}" is not present with pull policy of Never\nhint: podspace image import NAME DIR|TAR brings one in\n`,
  });
  t.equal(asked(), 0);
  t.same(await run(root, ['run', '-'], text(pod(v1))), ok);
  t.equal(asked(), 4);
  t.same(await run(root, ['run', '-'], text(pod(v1))), ok, 'IfNotPresent');
  t.same(await run(root, ['run', '-'], text(pod(v1, { imagePullPolicy: 'Never' }))), ok);
  t.equal(asked(), 0);
  t.same(await run(root, ['run', '-'], text(pod(latest))), ok, 'Always, because it is latest');
  t.equal(asked(), 1);
  const gone = await run(root, ['run', '-'], text(pod(`${registry.host}/app:v2`)));
  t.match(gone, {
    status: 1,
    stderr: `error: container "c": ErrImagePull: Failed to pull image "${registry.host}/app:v2": ${registry.host}/app: v2: not found\n`,
  });
  t.match(await run(root, ['run', '-'], text(pod('A:B:c'))), {
    status: 1,
    stderr:
      /^error: container "c": InvalidImageName: Failed to apply default image tag "A:B:c": couldn't parse image name "A:B:c": /,
  });
  const both = await run(
    root,
    ['run', '-'],
    text(pod(v1, {}, { initContainers: [{ name: 'i', image: v1, args: ['true'] }] })),
  );
  t.equal(both.status, 0);
  t.match(await run(root, ['image', 'fsck']), { status: 0, stdout: /^2 images, 2 layers, 4 blobs: ok/ });
  await run(root, ['image', 'rm', latest]);
  const volume = { volumes: [{ name: 'v', image: { reference: latest } }] };
  const mounted = { args: ['cat', '/v/hello'], volumeMounts: [{ name: 'v', mountPath: '/v' }] };
  t.same(await run(root, ['run', '-'], text(pod(v1, mounted, volume))), ok, 'an image that is a volume');
  const none = { volumes: [{ name: 'v', image: { reference: `${registry.host}/app:v2` } }] };
  t.match(
    (await run(root, ['run', '-'], text(pod(v1, mounted, none)))).stderr,
    /^error: volume "v": ErrImagePull: /,
  );
});

t.test('imagePullSecrets, login and logout', { skip: needsRoot }, async t => {
  const { root, registry } = await setUp(t);
  registry.auth = { scheme: 'bearer', user: 'me:secret' };
  const image = `${registry.host}/app:v1`;
  const auths = { auths: { [registry.host]: { username: 'me', password: 'secret' } } };
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'pull' },
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from(JSON.stringify(auths)).toString('base64') },
  };
  const needed = {
    status: 1,
    stderr: new RegExp(
      `ErrImagePull: .*authentication required\nhint: podspace image login ${registry.host}`,
    ),
  };
  t.match(await run(root, ['run', '-'], text(pod(image))), needed);
  const missing = await run(
    root,
    ['run', '-'],
    text(pod(image, {}, { imagePullSecrets: [{ name: 'pull' }] })),
  );
  t.match(missing.stderr, /Unable to retrieve some image pull secrets \(pull\)/);
  const withSecret = text(pod(image, {}, { imagePullSecrets: [{ name: 'pull' }] }), secret);
  t.same(await run(root, ['run', '-'], withSecret), { status: 0, stdout: 'hello\n', stderr: '' });
  await run(root, ['image', 'rm', image]);
  t.match(await run(root, ['image', 'login', registry.host, '-u', 'me'], 'wrong\n'), {
    status: 1,
    stderr: /not accepted/,
  });
  t.match(await run(root, ['image', 'pull', image]), { status: 1, stderr: /authentication required/ });
  t.match(await run(root, ['image', 'login', registry.host, '-u', 'me'], 'secret\n'), {
    status: 0,
    stdout: `logged in to ${registry.host}\n`,
  });
  t.match(await run(root, ['image', 'pull', image]), {
    status: 0,
    stdout: new RegExp(`^pulled ${image} \\([0-9a-f]{12}, 2 layers, `),
  });
  t.match(await run(root, ['image', 'logout', registry.host]), { status: 0 });
  t.match(await run(root, ['image', 'logout', registry.host]), { status: 1, stderr: /not logged in/ });
  t.match(await run(root, ['image', 'pull', image]), { status: 1, stderr: /authentication required/ });
});

t.test('a pull that is killed is taken up by the next', { skip: needsRoot }, async t => {
  const { root, registry } = await setUp(t);
  const image = `${registry.host}/app:v1`;
  let reached: () => void = () => undefined;
  const half = new Promise<void>(done => (reached = done));
  registry.faults = [
    (request, response) => {
      if (!(request.url ?? '').includes('/blobs/') || registry.faults.length === 0) return false;
      response.writeHead(200);
      response.write(Buffer.alloc(10), () => reached());
      return true;
    },
  ];
  const child = spawn(process.execPath, [PODSPACE, '--root', root, 'image', 'pull', image], {
    stdio: 'ignore',
  });
  const ended = new Promise(done => child.on('close', done));
  await half;
  child.kill('SIGKILL');
  await ended;
  registry.faults = [];
  t.match(await run(root, ['image', 'ls']), { stdout: /^NAME +ID +SIZE +CREATED\n$/ });
  // What it had was no beginning of the blob: that is found out, and all of it is fetched.
  t.match(await run(root, ['image', 'pull', image]), { status: 0 });
  t.match(await run(root, ['image', 'fsck']), { status: 0 });
});

/** A proxy that connects to where it is told, and remembers. */
async function startProxy(): Promise<{ port: number; asked: string[]; close(): void }> {
  const asked: string[] = [];
  const server = createServer();
  server.on('connect', (request, socket) => {
    asked.push(request.url ?? '');
    const [host = '', port = ''] = (request.url ?? '').split(':');
    const other = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      other.pipe(socket).pipe(other);
    });
    for (const each of [other, socket]) each.on('error', () => undefined);
  });
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  const bound = server.address();
  return {
    asked,
    port: typeof bound === 'object' ? (bound?.port ?? 0) : 0,
    close: () => server.close(),
  };
}

const openssl = spawnSync('openssl', ['version']).status === 0;

t.test(
  'HTTPS beyond the loopback, with a certificate that is known',
  { skip: needsRoot || (openssl ? false : 'needs openssl') },
  async t => {
    const { root } = await setUp(t);
    const address = '198.18.77.1';
    execFileSync('ip', ['addr', 'add', `${address}/32`, 'dev', 'lo']);
    t.teardown(() => execFileSync('ip', ['addr', 'del', `${address}/32`, 'dev', 'lo']));
    const [key, cert] = [join(root, 'key.pem'), join(root, 'cert.pem')];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        key,
        '-out',
        cert,
        '-subj',
        '/CN=test',
        '-addext',
        `subjectAltName=IP:${address}`,
        '-days',
        '2',
      ],
      { stdio: 'ignore' },
    );
    const image = makeImage([[{ name: 'hello' }]]);
    const secure = await startRegistry(address, { key: readFileSync(key), cert: readFileSync(cert) });
    const plain = await startRegistry(address);
    t.teardown(async () => {
      await secure.close();
      await plain.close();
    });
    for (const registry of [secure, plain]) {
      registry.put('app', 'v1', image.manifest, image);
      registry.auth = { scheme: 'bearer', user: 'me:secret' };
    }
    const trusted = { NODE_EXTRA_CA_CERTS: cert };
    const pull = (host: string, more: object = {}, ...options: string[]): Promise<Ran> =>
      run(root, ['image', 'pull', `${host}/app:v1`, ...options], '', more);
    t.match(await pull(secure.host), {
      status: 1,
      stderr: /^error: failed to pull image ".*": 198\.18\.77\.1:\d+: self-signed certificate\n$/,
    });
    t.match(await run(root, ['image', 'login', secure.host, '-u', 'me'], 'secret\n', trusted), { status: 0 });
    t.match(await pull(secure.host, trusted), { status: 0 });
    t.match(await pull(plain.host), {
      status: 1,
      stderr: /^error: failed to pull image ".*": 198\.18\.77\.1:\d+: TLS: wrong version number\n$/,
    });
    t.equal(plain.requests.length, 0, 'nothing was said without TLS');
    const proxy = await startProxy();
    t.teardown(() => proxy.close());
    const [by, no] = [`http://127.0.0.1:${proxy.port}`, secure.host.replace(/:.*/, '')];
    t.match(await pull(secure.host, { ...trusted, HTTPS_PROXY: by }), { status: 0 });
    t.match(proxy.asked.splice(0), [secure.host], 'by a proxy');
    t.match(await pull(secure.host, { ...trusted, https_proxy: by, NO_PROXY: no }), { status: 0 });
    t.same(proxy.asked, [], 'and not by one');
    t.match(await pull(secure.host, { ...trusted, HTTPS_PROXY: 'socks5://x' }), {
      stderr: /^error: failed to pull image ".*": HTTPS_PROXY or HTTP_PROXY: only http:.*\n$/,
    });
    const insecure = ['--insecure-registry', plain.host];
    t.match(await run(root, ['image', 'login', plain.host, '-u', 'me', ...insecure], 'secret\n'), {
      status: 0,
    });
    t.match(await pull(plain.host, {}, ...insecure), { status: 0 });
    // To a host without TLS: neither the request nor the password goes there.
    secure.faults = [
      (request, response) => {
        if (!(request.url ?? '').includes('/manifests/')) return false;
        response.writeHead(307, { location: `http://${plain.host}${request.url}` }).end();
        return true;
      },
    ];
    plain.requests.length = 0;
    t.match(await pull(secure.host, trusted), {
      status: 1,
      stderr: /leads to 198\.18\.77\.1:\d+ without HTTPS/,
    });
    t.equal(plain.requests.length, 0);
  },
);
