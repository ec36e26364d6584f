import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parseImageConfig } from '../../../src/image/config.ts';
import { importDirectory, importTar } from '../../../src/image/importer.ts';
import { ImageStore } from '../../../src/image/store.ts';
import { sweepImages } from '../../../src/image/sweep.ts';

const PASSWD = 'root:x:0:0::/root:\nguest:x:405:100::/home/guest:\n';
const unused = (): boolean => false;

/** A store of its own, and a root file system to import. */
function setUp(t: Pick<Test, 'testdir'>): {
  readonly store: ImageStore;
  readonly root: string;
  readonly state: string;
} {
  const directory = t.testdir({
    root: { etc: { passwd: PASSWD, group: 'users:x:100:guest\n' }, bin: { tool: '#!/bin/sh\n' } },
  });
  const state = join(directory, 'state');
  return { store: new ImageStore(state), root: join(directory, 'root'), state };
}

/** Everything that is in the store's two directories. */
const contents = (store: ImageStore): readonly (readonly string[])[] =>
  [store.names, store.roots].map(each => (existsSync(each) ? readdirSync(each).sort() : []));

t.test('import, look up, list, remove', async t => {
  const { store, root, state } = setUp(t);
  t.same(store.list(), []);
  t.equal(store.get('localhost/app'), undefined);
  const config = parseImageConfig('{"User": "guest"}', '');
  const image = await importDirectory(store, 'localhost/app', root, { config });
  t.match(image, {
    reference: 'localhost/app:latest',
    config: { User: 'guest' },
    users: { passwd: [{ name: 'root' }, { name: 'guest', uid: 405 }], group: [{ name: 'users' }] },
  });
  t.ok(image.size > 0);
  t.ok(Math.abs(Date.parse(image.created) - Date.now()) < 60_000);
  t.equal(readFileSync(join(state, store.layers(image)[0] ?? '', 'bin/tool'), 'utf8'), '#!/bin/sh\n');
  for (const name of ['localhost/app', 'localhost/app:latest', 'app', 'app:latest'])
    t.same(store.get(name), image, name);
  for (const name of ['docker.io/library/app', 'localhost/app:v2', 'localhost/ap', 'quay.io/app'])
    t.equal(store.get(name), undefined, name);
  await importDirectory(store, 'zebra:v1', root);
  await importDirectory(store, 'docker.io/busybox', root);
  t.same(
    store.list().map(({ reference }) => reference),
    ['docker.io/library/busybox:latest', 'docker.io/library/zebra:v1', 'localhost/app:latest'],
  );
  t.equal(store.remove('busybox', unused).reference, 'docker.io/library/busybox:latest');
  store.remove('zebra:v1', unused);
  store.remove('app', unused);
  t.same(contents(store), [[], []], 'no file of theirs stays');
});

t.test('a short name is the registry’s before it is localhost’s', async t => {
  const { store, root } = setUp(t);
  await importDirectory(store, 'localhost/app', root);
  const official = await importDirectory(store, 'app', root);
  t.equal(store.get('app')?.id, official.id);
});

t.test('removing what is not there, or in use', async t => {
  const { store, root } = setUp(t);
  t.throws(() => store.remove('nosuch', unused), {
    message: 'image "nosuch" not found',
    hint: /podspace image ls/,
  });
  const { id } = await importDirectory(store, 'localhost/app', root);
  t.throws(() => store.remove('app', each => each === id), {
    message: 'image "localhost/app:latest" is in use by a running pod',
  });
  t.ok(store.get('app'));
});

t.test('names that are none, or not meant as files', async t => {
  const { store, root } = setUp(t);
  for (const name of [
    '',
    '..',
    '../app',
    '/etc/passwd',
    'a/../../b',
    'App',
    'a b',
    'a\0b',
    'a%2F..%2Fb',
    '.',
  ]) {
    await t.rejects(importDirectory(store, name, root), { name: 'UserError', message: /^couldn't parse/ });
    t.throws(() => store.get(name), { name: 'UserError' });
    t.throws(() => store.remove(name, unused), { name: 'UserError' });
  }
  t.same(contents(store), [[], []], 'nothing was made');
  t.end();
});

t.test('a name that is too long for a file', async t => {
  const { store, root } = setUp(t);
  const long = `localhost/${'a'.repeat(250)}:${'t'.repeat(128)}`;
  t.equal(store.get(long), undefined);
  await t.rejects(importDirectory(store, long, root), {
    name: 'UserError',
    message: /^image name "localhost\/a+:t+" is too long/,
  });
  t.same(contents(store), [[], []]);
});

t.test('an import that fails leaves nothing, and the old image stays', async t => {
  const { store, root } = setUp(t);
  const before = await importDirectory(store, 'localhost/app', root);
  const rest = contents(store);
  writeFileSync(join(root, 'not-a.tar'), 'text');
  for (const [source, message] of [
    [join(root, 'nosuch'), /nosuch" does not exist/],
    [join(root, 'not-a.tar'), /^cannot import ".*not-a.tar": .*(tar|archive)/],
    ['/dev/null', /^cannot import "\/dev\/null"/],
  ] as const)
    await t.rejects(importTar(store, 'localhost/app', source), { name: 'UserError', message });
  await t.rejects(importDirectory(store, 'localhost/app', join(root, 'bin/tool')), {
    message: /tool" is not a directory/,
  });
  const stop = new AbortController();
  stop.abort();
  await t.rejects(importDirectory(store, 'localhost/app', root, { signal: stop.signal }));
  t.same(contents(store), rest);
  t.same(store.get('app'), before);
});

t.test('a name that is imported again points to the new root, and the old one is swept', async t => {
  const { store, root } = setUp(t);
  const first = await importDirectory(store, 'localhost/app', root);
  const second = await importDirectory(store, 'localhost/app', root);
  t.not(first.id, second.id);
  t.equal(store.get('app')?.id, second.id);
  t.same(
    sweepImages(store, id => id === first.id),
    [],
    'not while a pod still runs on it',
  );
  t.same(sweepImages(store, unused), [first.id]);
  t.same(readdirSync(store.roots), [second.id]);
});

t.test('many imports of one name at the same time, each sweeping as the command does', async t => {
  const { store, root } = setUp(t);
  const images = await Promise.all(
    Array.from({ length: 12 }, async () => {
      const image = await importDirectory(store, 'localhost/app', root);
      sweepImages(store, unused);
      return image;
    }),
  );
  const winner = store.get('app');
  t.ok(images.some(({ id }) => id === winner?.id));
  sweepImages(store, unused);
  t.same(contents(store), [[encodeURIComponent('localhost/app:latest.json')], [winner?.id]]);
});

t.test('a crashed import is not seen, and swept', async t => {
  const { store, root } = setUp(t);
  await importDirectory(store, 'localhost/app', root);
  // What kill -9 leaves: a root without a name, and half a name.
  mkdirSync(join(store.roots, '0123456789ab', 'rootfs'), { recursive: true });
  writeFileSync(`${store.file('localhost/half:latest')}.0123456789ab.tmp`, '{"refer');
  t.equal(store.get('localhost/half'), undefined);
  t.same(
    store.list().map(({ reference }) => reference),
    ['localhost/app:latest'],
  );
  t.same(sweepImages(store, unused), ['0123456789ab']);
  t.equal(readdirSync(store.names).length, 1, 'the half name is gone too');
});

t.test('a damaged name says which file, and importing again mends it', async t => {
  const { store, root } = setUp(t);
  await importDirectory(store, 'localhost/app', root);
  for (const text of ['', '{"reference": "localh', 'null', '[]', '{}']) {
    writeFileSync(store.file('localhost/app:latest'), text);
    const damaged = { name: 'UserError', message: /latest\.json is damaged/, hint: 'import the image again' };
    t.throws(() => store.get('app'), damaged, text);
    t.throws(() => store.list(), damaged, text);
    t.throws(() => sweepImages(store, unused), damaged, 'what belongs to whom is not known');
  }
  const { id } = await importDirectory(store, 'localhost/app', root);
  t.equal(store.get('app')?.id, id);
});

t.test('the users of an image are read as a container sees them', async t => {
  const { store, root } = setUp(t);
  const cases: Readonly<Record<string, (etc: string) => void>> = {
    'a link out of the root': etc => symlinkSync('../../../../../../../etc/passwd', join(etc, 'passwd')),
    'an absolute link': etc => symlinkSync('/etc/shadow', join(etc, 'passwd')),
    'a link to itself': etc => symlinkSync('passwd', join(etc, 'passwd')),
    'a directory': etc => mkdirSync(join(etc, 'passwd')),
    nothing: () => undefined,
  };
  for (const [title, make] of Object.entries(cases)) {
    const image = join(root, title);
    mkdirSync(join(image, 'etc'), { recursive: true });
    make(join(image, 'etc'));
    t.same((await importDirectory(store, 'localhost/x', image)).users, { passwd: [], group: [] }, title);
  }
  const inside = join(root, 'inside');
  mkdirSync(join(inside, 'etc'), { recursive: true });
  mkdirSync(join(inside, 'usr'));
  writeFileSync(join(inside, 'usr/passwd'), PASSWD);
  symlinkSync('/usr/passwd', join(inside, 'etc/passwd'));
  t.match((await importDirectory(store, 'localhost/x', inside)).users.passwd, [{ name: 'root' }, {}]);
});

t.test('modes and links are kept, and nobody but root reaches a root', async t => {
  const { store, root, state } = setUp(t);
  chmodSync(join(root, 'bin/tool'), 0o4755);
  symlinkSync('/etc/passwd', join(root, 'bin/link'));
  const image = await importDirectory(store, 'localhost/app', root);
  const at = join(state, store.layers(image)[0] ?? '');
  t.equal(lstatSync(join(at, 'bin/tool')).mode & 0o7777, 0o4755);
  t.ok(lstatSync(join(at, 'bin/link')).isSymbolicLink());
  t.equal(lstatSync(join(store.roots, image.id)).mode & 0o077, 0);
});
