import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { LowerView } from '../../../src/image/layer/lower-view.ts';
import { unpackLayer } from '../../../src/image/layer/unpack.ts';
import { syscall } from '../../../src/native/libc.ts';
import { chunksOf, type MadeEntry, tarOf } from './tar-builder.ts';
import { listTree } from './tree-listing.ts';

const needsRoot = process.geteuid?.() === 0 ? false : 'needs root';
const sh = (command: string, cwd: string): Buffer =>
  execFileSync('sh', ['-ec', command], { cwd, maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit'] });

const setXattr = (path: string, name: string, value: Buffer): number =>
  syscall('lsetxattr', [path, name, value, value.length, 0]);

const fresh = (t: Pick<Test, 'testdir'>, ...names: string[]): readonly string[] => {
  const directory = t.testdir(Object.fromEntries(names.map(name => [name, {}])));
  return names.map(name => join(directory, name));
};

/** Something of each kind, with what is easily lost. */
function fill(source: string): void {
  sh(
    `mkdir -p a/b/c empty; echo one > a/one; ln a/one a/two; ln a/one a/b/three; ln -s /etc/passwd a/absolute
     ln -s ../../.. a/b/up; mkfifo a/fifo; mknod a/null c 1 3; mknod a/disk b 300 70000; : > a/zero
     echo x > "$(printf 'a/latin\\351')"; echo y > 'a/ünï'; head -c 3000000 /dev/urandom > a/large
     chown 1000:2000 a/two a/b; chown -h 5:6 a/absolute; chmod 4755 a/one; chmod 2775 a/b; chmod 1777 empty
     n=$(printf '%0120d' 7); mkdir -p $n/$n; echo long > $n/$n/$n; ln -s $n/$n/$n/$n a/longlink; ln $n/$n/$n a/longhard
     echo c > a/capable
     touch -d '1969-12-31 23:00:00.5' a/zero; touch -h -d '2001-02-03 04:05:06.123456789' a/absolute a/b a`,
    source,
  );
  setXattr(join(source, 'a/capable'), 'user.note', Buffer.from('v\xff', 'latin1'));
  setXattr(
    join(source, 'a/capable'),
    'security.capability',
    Buffer.from('0100000200a0000000000000ff00000000000000', 'hex'),
  );
  setXattr(join(source, 'a/b'), 'user.dir', Buffer.from('d'));
  const sparse = openSync(join(source, 'a/sparse'), 'w');
  for (const at of [1_000_000, 5_000_000, 50_000_000])
    writeSync(sparse, Buffer.from('piece'.repeat(300)), 0, 1500, at);
  closeSync(sparse);
  execFileSync('truncate', ['-s', '60000000', join(source, 'a/sparse')]);
}

const TARS: Readonly<Record<string, string>> = {
  'pax, sparse 1.0': '--format=posix --sparse --sparse-version=1.0',
  'pax, sparse 0.1': '--format=posix --sparse --sparse-version=0.1',
  'pax, sparse 0.0': '--format=posix --sparse --sparse-version=0.0',
};

for (const [title, options] of Object.entries(TARS))
  t.test(`what GNU tar packs is what was there: ${title}`, { skip: needsRoot }, async t => {
    const [source = '', target = ''] = fresh(t, 'source', 'target');
    fill(source);
    const tar = sh(`tar -c --xattrs --xattrs-include='*' ${options} .`, source);
    for (const size of [65_536, 511]) {
      const at = `${target}${size}`;
      mkdirSync(at);
      await unpackLayer(chunksOf(tar, size), at);
      t.same(listTree(at), listTree(source));
    }
    t.ok(statSync(join(`${target}511`, 'a/sparse')).blocks < 1000, 'holes stay holes');
  });

t.test('the GNU format, without nanoseconds and attributes', { skip: needsRoot }, async t => {
  const [source = '', target = '', expected = ''] = fresh(t, 'source', 'target', 'expected');
  fill(source);
  const tar = sh('tar -c --format=gnu --sparse .', source);
  writeFileSync(`${source}.tar`, tar);
  execFileSync('tar', ['-xpf', `${source}.tar`, '-C', expected, '--same-owner', '--delay-directory-restore']);
  await unpackLayer(chunksOf(tar, 10_000), target);
  t.same(listTree(target), listTree(expected));
});

t.test(
  'gzip of several members, zstd, xz and bzip2; the digest is that of the archive itself',
  { skip: needsRoot },
  async t => {
    const tar = tarOf([dir('./'), { name: 'file', data: 'x'.repeat(5000) }]);
    const [plain = '', ...rest] = fresh(t, 'plain', 'gzip', 'members', 'zstd', 'xz', 'bzip2');
    const { diffId } = await unpackLayer(chunksOf(tar), plain);
    const filter = (program: string): Buffer => execFileSync(program, ['-c'], { input: tar });
    const packed = [
      gzipSync(tar),
      Buffer.concat([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))]),
      filter('zstd'),
      filter('xz'),
      filter('bzip2'),
    ];
    for (const [i, bytes] of packed.entries()) {
      const target = rest[i] ?? '';
      t.equal((await unpackLayer(chunksOf(bytes, 100), target)).diffId, diffId, target);
      t.same(listTree(target), listTree(plain));
    }
    for (const bytes of packed)
      await t.rejects(unpackLayer(chunksOf(bytes.subarray(0, -20)), plain), { name: 'UserError' }, 'cut off');
  },
);

/** Layers, the lowest first, and what is seen of them. */
async function stack(
  t: Test,
  layers: readonly (readonly MadeEntry[])[],
): Promise<{ view: LowerView; roots: readonly string[] }> {
  const roots: string[] = [];
  const directory = t.testdir({});
  for (const [i, entries] of layers.entries()) {
    const root = join(directory, String(i));
    mkdirSync(root);
    await unpackLayer(chunksOf(tarOf(entries)), root, { lower: [...roots].reverse() });
    roots.push(root);
  }
  return { view: new LowerView([...roots].reverse()), roots };
}

const all = (view: LowerView, path = ''): readonly string[] =>
  view
    .names(path)
    .map(name => (path === '' ? name : `${path}/${name}`))
    .flatMap(each => [each, ...all(view, each)])
    .sort();

const dir = (name: string, more: Partial<MadeEntry> = {}): MadeEntry => ({
  name,
  type: '5',
  mode: 0o755,
  ...more,
});

t.test(
  'directories that a layer does not speak of, the root among them, are as they were below',
  { skip: needsRoot },
  async t => {
    const pax = { 'SCHILY.xattr.user.x': 'y' };
    const base = [
      dir('.', { mode: 0o750, uid: 5, mtime: 1 }),
      dir('d', { mode: 0o1711, gid: 6, mtime: 2, pax }),
      dir('d/e', { mode: 0o500, mtime: 3 }),
    ];
    const { roots } = await stack(t, [base, [{ name: 'd/e/new' }], [dir('d', { mode: 0o700, mtime: 4 })]]);
    const of = (i: number): readonly string[] =>
      listTree(roots[i] ?? '').filter(line => !line.includes('new'));
    t.same(of(1), of(0));
    t.match(of(2), [/^"" 40750 5:0 1000000000 /, /^"d" 40700 0:0 4000000000 0 $/]);
  },
);

t.test(
  'whiteouts, opaque directories, and what comes anew in the same layer',
  { skip: needsRoot },
  async t => {
    const base = [
      dir('d'),
      { name: 'd/old' },
      dir('d/sub'),
      { name: 'd/sub/deep' },
      { name: 'gone' },
      dir('e'),
      { name: 'e/x' },
      dir('f'),
      { name: 'f/y' },
    ];
    const cases: readonly (readonly [title: string, upper: readonly MadeEntry[], seen: readonly string[]])[] =
      [
        ['a file', [{ name: '.wh.gone' }], ['d', 'd/old', 'd/sub', 'd/sub/deep', 'e', 'e/x', 'f', 'f/y']],
        ['a directory', [{ name: '.wh.d' }, { name: '.wh.f' }], ['e', 'e/x', 'gone']],
        [
          'what is not there',
          [{ name: '.wh.nothing' }, { name: 'd/sub/.wh.no' }, { name: 'no/.wh.no' }],
          ['d', 'd/old', 'd/sub', 'd/sub/deep', 'e', 'e/x', 'f', 'f/y', 'gone'],
        ],
        [
          'opaque, its mark last',
          [dir('d'), { name: 'd/new' }, { name: 'd/.wh..wh..opq' }],
          ['d', 'd/new', 'e', 'e/x', 'f', 'f/y', 'gone'],
        ],
        [
          'opaque, with a directory of the same name',
          [{ name: 'd/.wh..wh..opq' }, dir('d'), dir('d/sub'), { name: 'd/sub/own' }],
          ['d', 'd/sub', 'd/sub/own', 'e', 'e/x', 'f', 'f/y', 'gone'],
        ],
        [
          'a name that is also made',
          [{ name: '.wh.d' }, dir('d'), { name: 'd/new' }, { name: '.wh.gone' }, { name: 'gone' }],
          ['d', 'd/new', 'e', 'e/x', 'f', 'f/y', 'gone'],
        ],
        ['the whole root', [{ name: '.wh..wh..opq' }, { name: 'only' }], ['only']],
        [
          'a file in the place of a directory',
          [{ name: 'd' }, { name: 'd/.wh.old' }].slice(0, 1),
          ['d', 'e', 'e/x', 'f', 'f/y', 'gone'],
        ],
        [
          'a mark of AUFS',
          [{ name: '.wh..wh.plnk', type: '5' }, { name: '.wh..wh.aufs' }],
          ['d', 'd/old', 'd/sub', 'd/sub/deep', 'e', 'e/x', 'f', 'f/y', 'gone'],
        ],
      ];
    for (const [title, upper, seen] of cases) {
      const { view } = await stack(t, [base, upper]);
      t.same(all(view), seen, title);
      const above = await stack(t, [base, upper, [{ name: 'd/third' }]]);
      t.ok(all(above.view).includes('d/third'), `${title}, and a layer on it`);
    }
  },
);

t.test('a directory that a layer does not mention is as it was below', { skip: needsRoot }, async t => {
  const { roots } = await stack(t, [
    [dir('home', { uid: 7, gid: 8, mode: 0o1770, mtime: 1_234_567_890 })],
    [{ name: 'home/file' }, { name: 'new/file' }],
  ]);
  const stat = lstatSync(join(roots[1] ?? '', 'home'));
  t.match(stat, { uid: 7, gid: 8, mtimeMs: 1_234_567_890_000 });
  t.equal(stat.mode & 0o7777, 0o1770);
  t.equal(lstatSync(join(roots[1] ?? '', 'new')).mode & 0o7777, 0o755);
});

t.test('labels and marks that overlayfs would believe are not taken over', { skip: needsRoot }, async t => {
  const [target = ''] = fresh(t, 'target');
  const pax = {
    'SCHILY.xattr.trusted.overlay.redirect': '/../..',
    'SCHILY.xattr.trusted.overlay.opaque': 'y',
    'SCHILY.xattr.user.overlay.opaque': 'y',
    'SCHILY.xattr.security.selinux': 'x',
    'SCHILY.xattr.user.kept': 'yes',
  };
  await unpackLayer(chunksOf(tarOf([{ name: 'd', type: '5', pax }])), target);
  t.match(listTree(target).at(-1), /^"d" \S+ \S+ \S+ 0 {2}user\.kept=796573$/);
});

t.test('the last of a name counts', { skip: needsRoot }, async t => {
  const [target = ''] = fresh(t, 'target');
  await unpackLayer(
    chunksOf(
      tarOf([
        { name: 'a', data: 'one' },
        { name: 'l', type: '1', link: 'a' },
        { name: 'a', data: 'two' },
        { name: 's', type: '2', link: 'a' },
        { name: 's', data: 'file' },
        dir('e'),
        { name: 'e', data: 'was a directory' },
        dir('a'),
      ]),
    ),
    target,
  );
  t.equal(readFileSync(join(target, 'l'), 'utf8'), 'one');
  t.equal(readFileSync(join(target, 's'), 'utf8'), 'file');
  t.equal(readFileSync(join(target, 'e'), 'utf8'), 'was a directory');
  t.ok(lstatSync(join(target, 'a')).isDirectory());
  chmodSync(target, 0o755);
});
