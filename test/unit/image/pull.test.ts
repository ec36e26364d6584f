import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { BlobStore } from '../../../src/image/blobs.ts';
import { checkStore } from '../../../src/image/fsck.ts';
import { importAny } from '../../../src/image/importer.ts';
import { pullImage } from '../../../src/image/pull.ts';
import { parseReference } from '../../../src/image/reference.ts';
import { parseChallenge } from '../../../src/image/registry/auth.ts';
import {
  findCredentials,
  forgetCredentials,
  ownFile,
  saveCredentials,
} from '../../../src/image/registry/credentials.ts';
import { endpointOf } from '../../../src/image/registry/endpoint.ts';
import { ImageStore } from '../../../src/image/store.ts';
import { sweepBlobs } from '../../../src/image/sweep.ts';
import { digestOf, layoutOf, makeImage, writeFiles } from './image-builder.ts';
import { type Fault, startRegistry, type TestRegistry } from './registry-server.ts';

const skip = process.geteuid?.() === 0 ? false : 'needs root';
const RANDOM = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * i * 7 + (i >> 3)) & 0xff));
const LAYERS = [
  [{ name: 'etc/passwd', data: 'root:x:0:0::/:\n' }],
  [{ name: 'data', data: RANDOM }],
  [{ name: 'last' }],
];
const image = makeImage(LAYERS, { config: { User: 'root', StopSignal: 'SIGINT' }, compress: bytes => bytes });
const [, large = Buffer.alloc(0)] = image.layers;
const blobUrl = `/blobs/${digestOf(large)}`;

async function setUp(
  t: Pick<Test, 'testdir' | 'teardown'>,
): Promise<{ readonly store: ImageStore; readonly registry: TestRegistry; readonly name: string }> {
  const registry = await startRegistry();
  t.teardown(() => registry.close());
  registry.put('team/app', 'v1', image.manifest, image);
  return {
    store: new ImageStore(join(t.testdir({}), 'state')),
    registry,
    name: `${registry.host}/team/app:v1`,
  };
}

const did = (_: unknown): true => true;
const quick = { retryDelay: 1 };
/** Fails so many times. */
const times = (count: number, fault: Fault): Fault => {
  let left = count;
  return (request, response) => left > 0 && fault(request, response) && left-- > 0;
};
const at =
  (part: string, answer: Fault): Fault =>
  (request, response) =>
    (request.url ?? '').includes(part) && answer(request, response);
const status =
  (code: number, headers: Record<string, string> = {}): Fault =>
  (_, response) => {
    response.writeHead(code, headers).end('{"errors":[{"message":"no\\u001b[31m more"}]}');
    return true;
  };

t.test('an image by tag, again, and by digest', { skip }, async t => {
  const { store, registry, name } = await setUp(t);
  const states: string[] = [];
  const pulled = await pullImage(store, name, {
    ...quick,
    onProgress: ({ layers }) => states.push(layers.map(({ state }) => state).join()),
  });
  t.match(pulled, {
    reference: name,
    isPulled: true,
    manifest: digestOf(image.manifest),
    config: { StopSignal: 'SIGINT' },
  });
  const [first = '', last = ''] = [states[0], states.at(-1)];
  t.match(first, /^(downloading|waiting)(,waiting|,downloading)*$/);
  t.match(last, /^unpacked(,unpacked)*$/);
  t.ok(
    states.some(each => each.startsWith('unpacking')) && states.some(each => each.startsWith('downloaded')),
  );
  t.same((await checkStore(store)).problems, []);
  const before = registry.requests.length;
  await pullImage(store, name, quick);
  t.same(
    registry.requests.slice(before),
    ['/v2/team/app/manifests/v1'],
    'only the manifest is asked for again',
  );
  const digest = `${registry.host}/team/app@${digestOf(image.manifest)}`;
  t.equal((await pullImage(store, digest, quick)).reference, digest);
});

t.test('Docker’s manifest, and a list of platforms', { skip }, async t => {
  const { store, registry } = await setUp(t);
  const docker = makeImage(LAYERS, { docker: true });
  registry.put('docker', 'v1', docker.manifest, docker);
  t.equal((await pullImage(store, `${registry.host}/docker:v1`, quick)).manifest, digestOf(docker.manifest));
  const mediaType = 'application/vnd.docker.distribution.manifest.list.v2+json';
  const entry = (made: typeof docker, architecture: string): object => ({
    mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
    digest: digestOf(made.manifest),
    size: made.manifest.length,
    platform: { os: 'linux', architecture },
  });
  registry.put(
    'multi',
    'v1',
    Buffer.from(JSON.stringify({ mediaType, manifests: [entry(image, 's390x'), entry(docker, 'arm64')] })),
  );
  registry.put('multi', 'x', image.manifest);
  registry.put('multi', 'y', docker.manifest);
  const platform = { os: 'linux', architecture: 'arm64' };
  t.equal(
    (await pullImage(store, `${registry.host}/multi:v1`, { ...quick, platform })).manifest,
    digestOf(docker.manifest),
  );
  await t.rejects(
    pullImage(store, `${registry.host}/multi:v1`, {
      ...quick,
      platform: { os: 'linux', architecture: 'riscv64' },
    }),
    {
      message: /no match for platform linux\/riscv64/,
      hint: 'there are: linux/s390x, linux/arm64',
    },
  );
});

t.test('faults that pass are outlived', { skip }, async t => {
  const { store, registry, name } = await setUp(t);
  const half = large.length >> 1;
  const cases: readonly (readonly [title: string, fault: Fault])[] = [
    ['429', times(2, at('/manifests/', status(429, { 'retry-after': '0' })))],
    ['503', times(3, at(blobUrl, status(503)))],
    [
      'a connection that breaks',
      times(
        1,
        at('/manifests/', request => did(request.socket.destroy())),
      ),
    ],
    [
      'a blob that breaks off',
      times(
        2,
        at(blobUrl, (request, response) => {
          response.writeHead(200, { 'content-length': large.length });
          response.write(large.subarray(0, half), () => request.socket.destroy());
          return true;
        }),
      ),
    ],
    [
      'a blob that ends too early',
      times(
        1,
        at(blobUrl, (_, response) => did(response.writeHead(200).end(large.subarray(0, half)))),
      ),
    ],
    ['a server without ranges', at(blobUrl, (_, response) => did(response.writeHead(200).end(large)))],
    [
      'a range that is another',
      times(
        1,
        at(blobUrl, (_, response) =>
          did(response.writeHead(206, { 'content-range': 'bytes 5-9/10' }).end('12345')),
        ),
      ),
    ],
    ['416', times(1, at(blobUrl, status(416)))],
    ['a redirect', at(blobUrl, (_, response) => did(response.writeHead(307, { location: '/other' }).end()))],
  ];
  for (const [title, fault] of cases) {
    registry.faults = [fault, at('/other', (_, response) => did(response.writeHead(200).end(large)))];
    t.match(await pullImage(store, name, quick), { reference: name }, title);
    t.same((await checkStore(store)).problems, [], title);
    store.remove(name, () => false);
    sweepBlobs(store);
  }
});

t.test('a download goes on where another has stopped', { skip }, async t => {
  const { store, registry, name } = await setUp(t);
  const blobs = new BlobStore(store);
  blobs.use();
  writeFileSync(blobs.partial(digestOf(large)), large.subarray(0, 100_000));
  await pullImage(store, name, quick);
  t.ok(registry.requests.includes(`/v2/team/app${blobUrl} bytes=100000-`));
  t.same((await checkStore(store)).problems, []);
});

t.test('digests of SHA-512', { skip }, async t => {
  const { store, registry } = await setUp(t);
  const long = makeImage([[{ name: 'a', data: large }], [{ name: 'b' }]], { algorithm: 'sha512' });
  registry.put('team/long', 'v1', long.manifest, long);
  const name = `${registry.host}/team/long@${digestOf(long.manifest, 'sha512')}`;
  const pulled = await pullImage(store, name, quick);
  t.equal(pulled.manifest, digestOf(long.manifest, 'sha512'));
  t.match(await checkStore(store), { layers: 2, blobs: 4, problems: [] });
  sweepBlobs(store);
  t.equal(readdirSync(join(store.blobs, 'sha512')).length, 4, 'they are in use');
  const layer = digestOf(long.layers[0] ?? large, 'sha512');
  writeFileSync(new BlobStore(store).path(layer), 'x');
  t.match((await checkStore(store)).problems[0], /^blob sha512:[0-9a-f]+ is damaged: its content is sha512:/);
  const other = makeImage([[{ name: 'c' }]], { algorithm: 'sha512' });
  registry.put('team/long', 'v2', other.manifest, other);
  registry.faults = [at('/manifests/', (_, response) => did(response.end(long.manifest)))];
  await t.rejects(
    pullImage(store, `${registry.host}/team/long@${digestOf(other.manifest, 'sha512')}`, quick),
    { message: /its content is sha512:/ },
  );
  const archive = t.testdir();
  writeFiles(archive, layoutOf([{ image: other }]));
  t.match(await importAny(store, 'localhost/long', archive), [
    { manifest: digestOf(other.manifest, 'sha512') },
  ]);
});

t.test('faults that stay are one line, and leave nothing', { skip }, async t => {
  const { store, registry, name } = await setUp(t);
  const wrong = Buffer.from(large);
  wrong[1000] = 1 ^ (wrong[1000] ?? 0);
  const cases: readonly (readonly [message: RegExp, fault: Fault, name?: string])[] = [
    [/team\/none: v1: not found/, () => false, `${registry.host}/team/none:v1`],
    [/team\/app: v9: not found/, () => false, `${registry.host}/team/app:v9`],
    [/blob sha256:[0-9a-f]+: not found/, at(blobUrl, status(404))],
    [/blob sha256:[0-9a-f]+: its content is sha256:/, at(blobUrl, (_, response) => did(response.end(wrong)))],
    [
      /larger than its \d+ bytes/,
      at(blobUrl, (_, response) => did(response.end(Buffer.concat([large, large])))),
    ],
    [/ends too early/, at(blobUrl, (_, response) => did(response.end()))],
    [/v1: 503 no\?\[31m more/, at('/manifests/', status(503))],
    [/v1: 400 no/, at('/manifests/', status(400))],
    [/v1: 429 /, at('/manifests/', status(429))],
    [
      /its content is sha256:/,
      at('/manifests/', (_, response) => did(response.end('{}'))),
      `${registry.host}/team/app@${digestOf(image.manifest)}`,
    ],
    [/it is no JSON/, at('/manifests/', (_, response) => did(response.end('<html>')))],
    [
      /layer sha256:[0-9a-f]+ is larger than 17179869184 bytes/,
      at('/manifests/', (_, response) =>
        did(
          response.end(String(image.manifest).replace(`"size":${large.length}`, '"size":1125899906842624')),
        ),
      ),
    ],
    [/schema version 2/, at('/manifests/', (_, response) => did(response.end('{"schemaVersion":1}')))],
    [/more than \d+ bytes/, at('/manifests/', (_, response) => did(response.end(Buffer.alloc(9 << 20))))],
    [
      /leads to example\.org without HTTPS|leads from one/,
      at('/manifests/', status(302, { location: '/v2/team/app/manifests/v1' })),
    ],
    [/without HTTPS/, at('/manifests/', status(302, { location: 'file:///etc/passwd' }))],
    [/only sha256 and sha512 digests/, () => false, `${registry.host}/team/app@sha384:${'a'.repeat(96)}`],
    [/couldn't parse image name/, () => false, 'UPPER/case:x:y'],
    [/realm is no address/, at('/manifests/', status(401, { 'www-authenticate': 'Bearer realm="x"' }))],
    [/realm is not HTTPS/, at('/manifests/', status(401, { 'www-authenticate': 'Bearer realm="ftp://x/"' }))],
    [/not known/, at('/manifests/', status(401, { 'www-authenticate': 'Negotiate' }))],
    [/authentication required/, at('/manifests/', status(401, { 'www-authenticate': 'Basic realm="x"' }))],
    [
      /access denied/,
      at('/manifests/', status(401, { 'www-authenticate': `Bearer realm="http://${registry.host}/token"` })),
    ],
    [/connect ECONNREFUSED/, () => false, '127.0.0.1:2/app:v1'],
  ];
  for (const [message, fault, other = name] of cases) {
    registry.faults = [fault];
    await t.rejects(pullImage(store, other, quick), { name: 'UserError', message }, String(message));
    t.same(store.list(), []);
  }
  sweepBlobs(store);
  t.same(readdirSync(store.blobs).sort(), ['lock', 'sha256', 'sha512']);
  registry.faults = [];
  t.match(await pullImage(store, name, quick), { reference: name }, 'and then it is all right');
});

t.test(
  'credentials: anonymous token, token, basic; from the pod, our file and others’',
  { skip },
  async t => {
    const { store, registry, name } = await setUp(t);
    registry.auth = { scheme: 'anonymous' };
    await pullImage(store, name, quick);
    for (const scheme of ['bearer', 'basic'] as const) {
      registry.auth = { scheme, user: 'me:secret:word' };
      await t.rejects(pullImage(store, name, quick), {
        message: /authentication required/,
        hint: `podspace image login ${registry.host}`,
      });
      await t.rejects(pullImage(store, name, { ...quick, credentials: { username: 'me', password: 'no' } }), {
        message: /not accepted|access denied/,
      });
      const auths = { [registry.host]: { auth: Buffer.from('me:secret:word').toString('base64') } };
      await pullImage(store, name, { ...quick, secrets: [auths] });
      saveCredentials(store, registry.host, { username: 'me', password: 'secret:word' });
      t.equal(statSync(ownFile(store)).mode & 0o777, 0o600);
      await pullImage(store, name, quick);
      t.ok(forgetCredentials(store, registry.host));
      t.notOk(forgetCredentials(store, registry.host));
    }
  },
);

t.test('where credentials are looked for', async t => {
  const directory = t.testdir({
    containers: {
      'auth.json': '{"auths":{"quay.io/team":{"auth":"dGVhbTpw"},"quay.io":{"auth":"YWxsOnA="}}}',
    },
    docker: {
      'config.json':
        '{"auths":{"https://index.docker.io/v1/":{"username":"hub","password":"p"},"bad":{"auth":"!"}}}',
    },
  });
  const store = new ImageStore(join(directory, 'state'));
  const env = { XDG_RUNTIME_DIR: directory, DOCKER_CONFIG: join(directory, 'docker') };
  const find = async (domain: string, repository: string): Promise<string | undefined> =>
    (await findCredentials(domain, repository, store, [], env))?.username;
  t.equal(await find('quay.io', 'team/app'), 'team');
  t.equal(await find('quay.io', 'other/app'), 'all');
  t.equal(await find('docker.io', 'library/nginx'), 'hub');
  t.equal(await find('example.org', 'x'), undefined);
  await t.rejects(find('bad', 'x'), { message: /auth of "bad" is not "user:password" in base64/ });
  writeFileSync(join(directory, 'docker/config.json'), '{');
  await t.rejects(find('example.org', 'x'), { message: /config.json: it is no JSON/ });
  t.ok(readFileSync(join(directory, 'containers/auth.json')));
});

t.test('where a registry is, and by which protocol', t => {
  const base = (name: string, insecure: string[] = []): string =>
    String(endpointOf(parseReference(name), insecure).base);
  t.equal(base('nginx'), 'https://registry-1.docker.io/');
  t.equal(base('quay.io/a'), 'https://quay.io/');
  for (const host of ['localhost', 'localhost:5000', '127.0.0.1:5000', '127.1.2.3', '[::1]:5000'])
    t.equal(base(`${host}/a`), `http://${host}/`, host);
  t.equal(base('example.org:5000/a'), 'https://example.org:5000/');
  t.equal(base('example.org:5000/a', ['example.org:5000']), 'http://example.org:5000/');
  t.equal(base('127.0.0.1.example.org/a'), 'https://127.0.0.1.example.org/');
  t.end();
});

t.test('challenges', t => {
  t.same(parseChallenge('Bearer realm="https://a/b",service="x, y",scope="repository:a:pull,push"'), {
    scheme: 'bearer',
    parameters: { realm: 'https://a/b', service: 'x, y', scope: 'repository:a:pull,push' },
  });
  t.same(parseChallenge('basic REALM=x'), { scheme: 'basic', parameters: { realm: 'x' } });
  t.equal(parseChallenge('Digest x=y'), undefined);
  t.equal(parseChallenge(''), undefined);
  t.end();
});

t.test('many pulls at once, with sweeps in between', { skip }, async t => {
  const { store, registry, name } = await setUp(t);
  registry.put('team/app', 'v2', image.manifest, image);
  await Promise.all(
    Array.from({ length: 10 }, async (_, i) => {
      await pullImage(store, i % 2 === 0 ? name : name.replace('v1', 'v2'), quick);
      sweepBlobs(store);
    }),
  );
  t.equal(store.list().length, 2);
  t.same((await checkStore(store)).problems, []);
  t.equal(registry.requests.filter(each => each.endsWith(blobUrl)).length, 1, 'each blob is fetched once');
});
