import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { BlobStore } from '../../../src/image/blobs.ts';
import { parseImageConfig } from '../../../src/image/config.ts';
import { holdDirectory } from '../../../src/image/directories.ts';
import { exportImage } from '../../../src/image/export.ts';
import { checkStore } from '../../../src/image/fsck.ts';
import { importAny, importDirectory } from '../../../src/image/importer.ts';
import { type Image, ImageStore, layerIds } from '../../../src/image/store.ts';
import { sweepBlobs, sweepImages } from '../../../src/image/sweep.ts';
import {
  blobPath,
  digestOf,
  dockerSave,
  layoutOf,
  makeImage,
  tarOfFiles,
  writeFiles,
} from './image-builder.ts';
import type { MadeEntry } from './tar-builder.ts';
import { tarOf } from './tar-builder.ts';

const skip = process.geteuid?.() === 0 ? false : 'needs root';
const unused = (): boolean => false;
const dir = (name: string): MadeEntry => ({ name, type: '5', mode: 0o755 });
const BASE = [
  dir('etc'),
  { name: 'etc/passwd', data: 'root:x:0:0::/:\nguest:x:405:100::/:\n' },
  { name: 'old' },
];
const TOP = [dir('app'), { name: 'app/run', data: 'run', mode: 0o755 }, { name: '.wh.old' }];
const config = { User: 'guest', Cmd: ['/app/run'], ExposedPorts: { '80/tcp': {} } };

function setUp(t: Pick<Test, 'testdir'>): {
  readonly directory: string;
  readonly store: ImageStore;
  file(name: string, bytes: Buffer): string;
} {
  const directory = t.testdir({});
  const store = new ImageStore(join(directory, 'state'));
  const file = (name: string, bytes: Buffer): string => {
    writeFileSync(join(directory, name), bytes);
    return join(directory, name);
  };
  return { directory, store, file };
}

const read = (directory: string, store: ImageStore, image: Image, path: string): string | undefined => {
  for (const layer of store.layers(image)) {
    const file = join(directory, 'state', layer, path);
    if (existsSync(file)) return readFileSync(file, 'utf8');
  }
  return undefined;
};

t.test(
  'an OCI layout, directory or tar, and docker save, with their own names or a given one',
  { skip },
  async t => {
    const { directory, store, file } = setUp(t);
    const image = makeImage([BASE, TOP], { config });
    const layout = layoutOf([{ image, name: 'quay.io/team/app:v1' }]);
    writeFiles(join(directory, 'layout'), layout);
    const saved = dockerSave(image, ['app:v2', 'quay.io/other/app:v3']);
    const sources: readonly (readonly [source: string, names: readonly string[]])[] = [
      [join(directory, 'layout'), ['quay.io/team/app:v1']],
      [file('layout.tar', tarOfFiles(layout)), ['quay.io/team/app:v1']],
      [file('layout.tgz', gzipSync(tarOfFiles(layout))), ['quay.io/team/app:v1']],
      [file('saved.tar', tarOf(saved)), ['docker.io/library/app:v2', 'quay.io/other/app:v3']],
    ];
    for (const [source, names] of sources) {
      const images = await importAny(store, undefined, source);
      t.same(
        images.map(({ reference }) => reference),
        names,
        source,
      );
      const [named] = await importAny(store, 'localhost/mine', source);
      t.match(named, {
        reference: 'localhost/mine:latest',
        config: { User: 'guest', Cmd: ['/app/run'], ExposedPorts: ['80/tcp'] },
      });
      t.equal(named?.users.passwd.at(-1)?.uid, 405);
      if (named === undefined) return;
      t.equal(named.layers?.length, 2);
      t.equal(read(directory, store, named, 'app/run'), 'run');
      t.same(named.layers, store.get(names[0] ?? '')?.layers, 'layers are shared');
    }
    t.equal(readdirSync(store.roots).length, 2, 'unpacked once, whatever they came in');
    t.match(await checkStore(store), { images: 4, layers: 2 });
    t.same((await checkStore(store)).problems, []);
    sweepBlobs(store);
    t.same((await checkStore(store)).problems, [], 'what is needed is not swept');
    for (const { reference } of store.list()) store.remove(reference, unused);
    t.same(readdirSync(store.roots), []);
    sweepBlobs(store);
    t.same(readdirSync(join(store.blobs, 'sha256')), []);
  },
);

t.test('a layer that is there twice is a link in docker save', { skip }, async t => {
  const { store, file } = setUp(t);
  const image = makeImage([BASE, TOP, TOP], { compress: bytes => bytes });
  const [found] = await importAny(store, undefined, file('saved.tar', tarOf(dockerSave(image, ['app:v1']))));
  t.equal(found?.layers?.length, 3);
  t.same((await checkStore(store)).problems, []);
});

t.test('of several platforms the machine’s is taken, or the one that is asked for', { skip }, async t => {
  const { store, file } = setUp(t);
  const [amd, arm] = [makeImage([BASE]), makeImage([TOP])];
  const here = process.arch === 'x64' ? amd : arm;
  const layout = layoutOf([
    { image: amd, platform: { os: 'linux', architecture: 'amd64' } },
    { image: arm, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
  ]);
  const source = file('index.tar', tarOfFiles(layout));
  t.equal((await importAny(store, 'app', source))[0]?.manifest, digestOf(here.manifest));
  const platform = { os: 'linux', architecture: 'arm64' };
  t.equal((await importAny(store, 'app', source, { platform }))[0]?.manifest, digestOf(arm.manifest));
  await t.rejects(importAny(store, 'app', source, { platform: { os: 'linux', architecture: 's390x' } }), {
    message: /no match for platform linux\/s390x/,
    hint: 'there are: linux/amd64, linux/arm64',
  });
  await t.rejects(importAny(store, undefined, source), { message: /does not say what its image is called/ });
});

t.test('what is wrong is one line, and leaves no image', { skip }, async t => {
  const { store, file, directory } = setUp(t);
  const image = makeImage([BASE, TOP]);
  const good = layoutOf([{ image }]);
  const changed = (name: string, bytes: Buffer | undefined): Buffer => {
    const files = new Map(good);
    if (bytes === undefined) files.delete(name);
    else files.set(name, bytes);
    return tarOfFiles(files);
  };
  const [, top = Buffer.alloc(0)] = image.layers;
  const lying = makeImage([BASE, TOP]);
  const other = makeImage([BASE, BASE]);
  const wrongDiff = { ...lying, blobs: new Map(lying.blobs) };
  const swapped = JSON.parse(lying.manifest.toString());
  swapped.layers[1] = JSON.parse(other.manifest.toString()).layers[1];
  const manifest = Buffer.from(JSON.stringify(swapped));
  wrongDiff.blobs.set(digestOf(manifest), manifest);
  for (const [digest, bytes] of other.blobs) wrongDiff.blobs.set(digest, bytes);
  const outside = makeImage([BASE, [{ name: '../out', data: 'x' }]]);
  const many = makeImage(Array.from({ length: 128 }, () => BASE));
  const cases: readonly (readonly [bytes: Buffer, message: RegExp])[] = [
    [
      changed(blobPath(digestOf(top)), Buffer.from('other')),
      /blobs\/sha256\/[0-9a-f]+: its content is sha256:/,
    ],
    [changed(blobPath(digestOf(top)), undefined), /sha256:[0-9a-f]+ is missing/],
    [changed('index.json', Buffer.from('{')), /index.json: it is no JSON/],
    [
      changed('index.json', Buffer.from('{"manifests":[{"digest":"sha256:../../x","size":1}]}')),
      /descriptor that is not well formed/,
    ],
    [changed('index.json', Buffer.from('{"manifests":[]}')), /has no manifest/],
    [changed('index.json', undefined), /has neither index.json nor manifest.json/],
    [
      tarOfFiles(layoutOf([{ image: { ...wrongDiff, manifest } }])),
      /layer sha256:[0-9a-f]+: its content is sha256:[0-9a-f]+, the config says/,
    ],
    [tarOfFiles(layoutOf([{ image: outside }])), /layer sha256:[0-9a-f]+: "\.\.\/out" leads out by "\.\."/],
    [tarOfFiles(layoutOf([{ image: many }])), /more than 127 layers/],
    [
      tarOf([{ name: 'manifest.json', data: '[{"Config":"../../etc/passwd","Layers":[]}]' }]),
      /passwd is missing/,
    ],
    [tarOf([{ name: 'manifest.json', data: '{}' }]), /expected a list of images/],
    [tarOf([{ name: 'manifest.json', type: '3', major: 1, minor: 3 }]), /is no file/],
    [
      tarOf([
        { name: 'manifest.json', data: '[]' },
        { name: '../x', data: 'x' },
      ]),
      /leads out/,
    ],
    [tarOfFiles(good).subarray(0, 3000), /cut off/],
  ];
  for (const [i, [bytes, message]] of cases.entries()) {
    await t.rejects(
      importAny(store, 'localhost/app', file(`${i}.tar`, bytes)),
      { name: 'UserError', message },
      String(message),
    );
    t.same(store.list(), []);
  }
  sweepImages(store, unused);
  sweepBlobs(store);
  t.same(readdirSync(store.roots), []);
  t.same(readdirSync(join(store.blobs, 'sha256')), []);
  t.same(readdirSync(store.blobs).sort(), ['lock', 'sha256', 'sha512'], 'no temporary file');
  const rootfs = file('root.tar', tarOf(BASE));
  t.equal(
    (await importAny(store, 'localhost/app', rootfs, { config: parseImageConfig('{"User":"guest"}', '') }))[0]
      ?.config.User,
    'guest',
  );
  await t.rejects(
    importAny(store, 'localhost/app', file('good.tar', tarOfFiles(good)), {
      config: parseImageConfig('{}', ''),
    }),
    { message: /--config is for a root file system/ },
  );
  t.ok(directory);
});

t.test(
  'what is exported can be imported, from a layered image and from a root file system',
  { skip },
  async t => {
    const { directory, store, file } = setUp(t);
    const [layered] = await importAny(
      store,
      'quay.io/a/layered:v1',
      file('a.tar', tarOfFiles(layoutOf([{ image: makeImage([BASE, TOP], { config }) }]))),
    );
    writeFiles(
      join(directory, 'root'),
      new Map([
        ['etc/passwd', Buffer.from('root:x:0:0::/:\n')],
        ['bin/tool', Buffer.from('tool')],
      ]),
    );
    const plain = await importDirectory(store, 'quay.io/a/plain:v1', join(directory, 'root'), {
      config: parseImageConfig(JSON.stringify(config), ''),
    });
    const there = new ImageStore(join(directory, 'there'));
    for (const image of [layered, plain]) {
      if (image === undefined) return;
      const chunks: Uint8Array[] = [];
      for await (const chunk of exportImage(store, image)) chunks.push(chunk);
      const archive = file('export.tar', Buffer.concat(chunks));
      const [back] = await importAny(there, undefined, archive);
      t.match(back, { reference: image.reference, config: image.config });
      if (image.manifest !== undefined) t.equal(back?.manifest, image.manifest, 'the same to the digest');
      t.match(back?.users, image.users);
    }
    t.match(await checkStore(there), { images: 2, layers: 3 });
    t.same((await checkStore(there)).problems, []);
  },
);

t.test('many imports of images with common layers, with sweeps and prunes in between', { skip }, async t => {
  const { directory, store, file } = setUp(t);
  const sources = Array.from({ length: 6 }, (_, i) => {
    const image = makeImage([BASE, TOP, [{ name: `own${i % 3}`, data: String(i % 3) }]]);
    return file(`${i}.tar`, tarOfFiles(layoutOf([{ image }])));
  });
  await Promise.all(
    sources.map(async (source, i) => {
      for (let round = 0; round < 3; round++) {
        await importAny(store, `localhost/app${i}`, source);
        sweepImages(store, unused);
        sweepBlobs(store);
      }
    }),
  );
  t.match(await checkStore(store), { images: 6, layers: 5 });
  t.same((await checkStore(store)).problems, []);
  t.ok(directory);
});

t.test('fsck finds what is damaged; what a crash leaves is mended by the next import', { skip }, async t => {
  const { directory, store, file } = setUp(t);
  const made = makeImage([BASE, TOP]);
  const source = file('a.tar', tarOfFiles(layoutOf([{ image: made }])));
  const [image] = await importAny(store, 'localhost/app', source);
  if (image === undefined) return;
  const [base = '', top = ''] = layerIds(image);
  const problems = async (): Promise<readonly string[]> => (await checkStore(store)).problems;
  t.same(await problems(), []);
  appendFileSync(join(store.roots, top, 'rootfs/app/run'), 'x');
  t.match(await problems(), [/localhost\/app:latest: layer [0-9a-f]{12} is not what its blob says/]);
  truncateSync(join(store.roots, top, 'rootfs/app/run'), 3);
  t.match(await problems(), [/is not what its blob says/], 'nor its time');
  const blob = new BlobStore(store).path(digestOf(made.layers[1] ?? Buffer.alloc(0)));
  const before = readFileSync(blob);
  writeFileSync(blob, before.subarray(1));
  t.match(await problems(), [/^blob sha256:[0-9a-f]{64} is damaged/, /cannot be compared/]);
  rmSync(blob);
  t.match(await problems(), [/^blob sha256:[0-9a-f]{64} is missing/, /cannot be compared/]);
  // A kill -9 half-way through unpacking, and half-way through a blob.
  rmSync(join(store.roots, top, 'layer.json'));
  rmSync(join(store.roots, base), { recursive: true });
  writeFileSync(join(store.blobs, 'abc.tmp'), 'half');
  t.match(await problems(), [/is missing/, /is missing/, /is not complete/]);
  await importAny(store, 'localhost/app', source);
  sweepBlobs(store);
  t.same(await problems(), []);
  t.same(readdirSync(store.blobs).sort(), ['lock', 'sha256', 'sha512']);
  mkdirSync(join(store.roots, '0123456789ab/rootfs'), { recursive: true });
  t.same(sweepImages(store, unused), ['0123456789ab']);
  t.ok(directory);
});

t.test('a layer that somebody holds is not removed', { skip }, async t => {
  const { store, file } = setUp(t);
  const [image] = await importAny(
    store,
    'localhost/app',
    file('a.tar', tarOfFiles(layoutOf([{ image: makeImage([BASE, TOP]) }]))),
  );
  const [base = '', top = ''] = image === undefined ? [] : layerIds(image);
  const held = holdDirectory(join(store.roots, base));
  store.remove('localhost/app', unused);
  t.same(readdirSync(store.roots), [base]);
  if (held !== undefined) closeSync(held);
  t.same(sweepImages(store, unused), [base]);
  t.equal(holdDirectory(join(store.roots, top)), undefined);
});
