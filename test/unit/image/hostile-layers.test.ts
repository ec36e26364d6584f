import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { LIMITS } from '../../../src/image/layer/limits.ts';
import { unpackLayer } from '../../../src/image/layer/unpack.ts';
import { chunksOf, entryBytes, header, type MadeEntry, pad, tarOf } from './tar-builder.ts';
import { listTree } from './tree-listing.ts';

const needsRoot = process.geteuid?.() === 0 ? false : 'needs root';
const MIB = 2 ** 20;
const limits = { ...LIMITS, bytes: 16 * MIB, entries: 2000, freeBytes: MIB };

/** A target between things that nobody may touch. */
function withCanary(): { readonly base: string; readonly canary: string; fresh(): string; end(): void } {
  const base = mkdtempSync(join(tmpdir(), 'podspace-hostile-'));
  const canary = join(base, 'canary');
  mkdirSync(join(canary, 'etc'), { recursive: true });
  writeFileSync(join(canary, 'etc/passwd'), 'root:x:0:0::/:\n', { mode: 0o640 });
  symlinkSync('etc/passwd', join(canary, 'link'));
  let serial = 0;
  return {
    base,
    canary,
    fresh: () => {
      const target = join(base, `target${serial++}`);
      mkdirSync(target);
      return target;
    },
    // Deeper than Node's own removal is sure to get.
    end: () => void execFileSync('rm', ['-rf', base]),
  };
}

const dir = (name: string): MadeEntry => ({ name, type: '5', mode: 0o755 });
const link = (name: string, to: string): MadeEntry => ({ name, type: '2', link: to });
const hard = (name: string, to: string): MadeEntry => ({ name, type: '1', link: to });

t.test('each attack is one line, and reaches nothing', { skip: needsRoot }, async t => {
  const { canary, fresh, end } = withCanary();
  t.teardown(end);
  const before = listTree(canary);
  const cases: readonly (readonly [message: RegExp, entries: readonly MadeEntry[] | Buffer])[] = [
    [/"\.\.\/canary\/etc\/passwd" leads out by "\.\."/, [{ name: '../canary/etc/passwd' }]],
    [/leads out by/, [{ name: 'a/b/../../../canary/x' }]],
    [/leads out by/, [dir('..')]],
    [/"\/etc\/passwd" is an absolute path/, [{ name: '/etc/passwd' }]],
    [/"esc" leads through a symbolic link/, [link('esc', canary), { name: 'esc/new' }]],
    [/leads through a symbolic link/, [link('esc', '../canary'), dir('esc/d')]],
    [/leads through a symbolic link/, [link('a', '.'), link('a/b', '..')]],
    [/leads through a symbolic link/, [link('esc', canary), { name: 'esc/deep/er/new' }]],
    [/leads through a symbolic link/, [link('esc', canary), hard('mine', 'esc/etc/passwd')]],
    [/leads through a symbolic link/, [{ name: 'x' }, link('esc', canary), hard('esc/etc/x', 'x')]],
    [/leads through a symbolic link/, [link('esc', canary), link('esc/l', 'x')]],
    [
      /leads through a symbolic link/,
      [link('esc', canary), { name: 'esc/null', type: '3', major: 1, minor: 3 }],
    ],
    [/"\/etc\/shadow" is an absolute path/, [hard('mine', '/etc/shadow')]],
    [/leads out by/, [hard('mine', '../canary/etc/passwd')]],
    [/which is not in this layer/, [hard('mine', 'etc/passwd')]],
    [/is a link to itself/, [{ name: 'a' }, hard('a', 'a')]],
    [/cannot be made|EPERM/, [dir('d'), hard('d2', 'd')]],
    [/"file" is not a directory/, [{ name: 'file' }, { name: 'file/below' }]],
    [/ENOTEMPTY/, [dir('d'), { name: 'd/x' }, { name: 'd' }]],
    [/without a name/, [{ name: '' }]],
    [/an entry that is the root is not a directory/, [link('.', '/etc')]],
    [/is a whiteout of nothing/, [{ name: 'a/.wh...' }]],
    [/is a whiteout of nothing/, [{ name: 'a/.wh.' }]],
    [/ENAMETOOLONG/, [{ name: 'x', pax: { path: 'n'.repeat(256) } }]],
    [/is too long/, [{ name: 'x', pax: { path: `${'d/'.repeat(3000)}x` } }]],
    [/has a NUL byte/, [{ name: 'x', pax: { path: 'a\0b' } }]],
    [/is a symbolic link to nothing/, [link('l', '')]],
    [/ENAMETOOLONG/, [{ name: 'l', type: '2', pax: { linkpath: 'x'.repeat(5000) } }]],
    [/there is no device/, [{ name: 'dev', type: '3', major: 4096 }]],
    [/"dev": cannot be made|there is no device/, [{ name: 'dev', type: '4', minor: 2 ** 20 }]],
    [/is no user or group id/, [{ name: 'x', pax: { uid: '4294967295' } }]],
    [/record uid is no number/, [{ name: 'x', pax: { uid: '-1' } }]],
    [/record size is no number/, [{ name: 'x', pax: { size: '99999999999999999999' } }]],
    [/is larger than 16777216 bytes/, [{ name: 'x', size: 8 ** 11 - 1 }]],
    [/is larger than 16777216 bytes/, [{ name: 'x', pax: { size: String(2 ** 52) } }]],
    [/cut off/, Buffer.from(tarOf([{ name: 'x', size: 100_000 }], false))],
    [/wrong checksum/, [{ name: 'x', checksum: 1 }]],
    [/wrong size|out of range|negative/, Buffer.concat([broken(124, 'zzz')])],
    [/out of range|negative/, Buffer.concat([broken(124, Buffer.from('ffffffffffffffffffffffff', 'hex'))])],
    [/out of range/, Buffer.concat([broken(124, Buffer.from('80ffffffffffffffffffffff', 'hex'))])],
    [
      /larger than 1 MiB/,
      Buffer.concat([header({ name: 'p', type: 'x', size: 2 ** 30 }, 0), Buffer.alloc(4096)]),
    ],
    [
      /larger than 1 MiB/,
      Buffer.concat([header({ name: 'p', type: 'L', size: 2 ** 30 }, 0), Buffer.alloc(4096)]),
    ],
    [
      /larger than 1 MiB/,
      Buffer.concat([header({ name: 'p', type: 'g', size: 2 ** 30 }, 0), Buffer.alloc(4096)]),
    ],
    [/not well formed/, pax('99 path=x\n')],
    [/not well formed/, pax('-5 path=x\n')],
    [/not well formed/, pax('0 path=x\n')],
    [/not well formed/, pax('8 pathx\n')],
    [/type "Q" is not known/, [{ name: 'x', type: 'Q' }]],
    [
      /map of a sparse file/,
      [{ name: 'x', data: 'abc', pax: { 'GNU.sparse.map': '0,1,0,2', 'GNU.sparse.size': '9' } }],
    ],
    [
      /map of a sparse file/,
      [{ name: 'x', data: 'abc', pax: { 'GNU.sparse.map': '100,3', 'GNU.sparse.size': '9' } }],
    ],
    [
      /map of a sparse file/,
      [{ name: 'x', data: 'abc', pax: { 'GNU.sparse.map': '0,2', 'GNU.sparse.size': '9' } }],
    ],
    [/map of a sparse file/, [{ name: 'x', data: '9999999\n', pax: { 'GNU.sparse.major': '1' } }]],
    [/map of a sparse file/, [{ name: 'x', data: 'abc'.repeat(1000), pax: { 'GNU.sparse.major': '1' } }]],
    [
      /is larger than/,
      [{ name: 'x', data: 'a', pax: { 'GNU.sparse.map': '0,1', 'GNU.sparse.size': String(2 ** 50) } }],
    ],
    [/extended attribute .*: E/, [{ name: 'x', pax: { 'SCHILY.xattr.user.a': 'v'.repeat(70_000) } }]],
    [/extended attribute .*: E/, [{ name: 'x', pax: { 'SCHILY.xattr.security.capability': 'junk' } }]],
    [
      /more than 2000 entries/,
      Buffer.concat(Array.from({ length: 2001 }, (_, i) => entryBytes({ name: `f${i}` }))),
    ],
    [
      /more than 2000 entries/,
      Buffer.concat(Array.from({ length: 2001 }, (_, i) => entryBytes({ name: `.wh.f${i}` }))),
    ],
    [/more than 2000 entries/, [{ name: 'x', pax: { path: `${'d/'.repeat(2001)}x` } }]],
    [/larger than 16777216 bytes|decompression bomb/, gzipSync(Buffer.alloc(64 * MIB))],
    [
      /decompression bomb/,
      gzipSync(Buffer.concat([header({ name: 'x', size: 4 * MIB }, 0), Buffer.alloc(4 * MIB)])),
    ],
    [
      /cannot be decompressed/,
      Buffer.concat([gzipSync(tarOf([{ name: 'x' }])).subarray(0, 40), Buffer.alloc(200)]),
    ],
    [/cannot be decompressed/, Buffer.from('1f8b08000000000000', 'hex')],
    [/it is empty/, Buffer.alloc(0)],
    [/wrong checksum/, Buffer.from('this is no archive'.repeat(100))],
    [/not a tar archive: it has 5 bytes only/, Buffer.from('short')],
  ];
  for (const [message, made] of cases) {
    const bytes = Buffer.isBuffer(made) ? made : tarOf(made);
    await t.rejects(unpackLayer(chunksOf(bytes), fresh(), { limits }), {
      name: /UserError|TarError/,
      message,
    });
  }
  t.same(listTree(canary), before);
});

function broken(at: number, field: string | Buffer): Buffer {
  const block = header({ name: 'x' }, 0);
  Buffer.from(field as string).copy(block, at);
  block.write('        ', 148);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function pax(body: string): Buffer {
  return Buffer.concat([
    header({ name: 'p', type: 'x' }, body.length),
    pad(Buffer.from(body)),
    tarOf([{ name: 'x' }]),
  ]);
}

t.test('an endless layer ends, and an aborted one', { skip: needsRoot }, async t => {
  const { fresh, end } = withCanary();
  t.teardown(end);
  async function* endless(): AsyncIterable<Uint8Array> {
    yield header({ name: 'x', size: 8 ** 11 - 1 }, 0);
    for (;;) yield Buffer.alloc(65_536);
  }
  async function* names(): AsyncIterable<Uint8Array> {
    for (let i = 0; ; i++) yield entryBytes({ name: `file${i}` });
  }
  await t.rejects(unpackLayer(endless(), fresh(), { limits }), { message: /is larger than/ });
  await t.rejects(unpackLayer(names(), fresh(), { limits }), { message: /more than 2000 entries/ });
  const stop = new AbortController();
  async function* aborted(): AsyncIterable<Uint8Array> {
    for (let i = 0; ; i++) {
      if (i === 10) stop.abort();
      yield entryBytes({ name: `file${i}` });
    }
  }
  await t.rejects(unpackLayer(aborted(), fresh(), { signal: stop.signal }), { name: 'AbortError' });
});

/** The same sequence on every machine. */
function random(seed: number): (below: number) => number {
  let state = seed * 2654435761 + 1;
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

t.test('300 made-up hostile archives change nothing outside', { skip: needsRoot }, async t => {
  const { base, canary, fresh, end } = withCanary();
  t.teardown(end);
  const before = listTree(canary);
  const parts = [
    'a',
    'b',
    'up',
    'esc',
    'etc',
    '.',
    '..',
    '',
    'passwd',
    'link',
    '.wh.a',
    '.wh..wh..opq',
    'canary',
    'dev',
  ];
  const targets = [
    canary,
    '../canary',
    '/',
    '..',
    'a',
    'b/a',
    'esc/etc',
    '../../..',
    `${canary}/etc/passwd`,
    '/proc/self/fd',
    '/proc/self/cwd',
  ];
  let unpacked = 0;
  for (let seed = 1; seed <= 300; seed++) {
    const pick = random(seed);
    const any = <T>(of: readonly T[]): T => of[pick(of.length)] as T;
    // Half of them are of parts that can be combined without being refused at once.
    const usual = seed % 2 === 0 ? parts : parts.filter(part => part !== '..' && part !== '');
    const path = (): string => Array.from({ length: 1 + pick(4) }, () => any(usual)).join('/');
    const entries = Array.from({ length: 1 + pick(seed % 3 === 0 ? 3 : 12) }, (): MadeEntry => {
      const name = pick(20) === 0 ? `/${path()}` : path();
      const type = any(
        ['0', '0', '1', '1', '2', '2', '2', '3', '5', '5', '6', 'x', 'Q'].slice(0, seed % 3 === 0 ? 13 : 11),
      );
      const to = type === '2' || pick(3) === 0 ? any(targets) : path();
      const records: Record<string, string | Buffer> =
        pick(4) > 0
          ? {}
          : {
              [any(['path', 'linkpath', 'GNU.sparse.name'])]: any([path(), any(targets)]),
              'SCHILY.xattr.trusted.overlay.redirect': '/etc',
            };
      return {
        name,
        type,
        link: to,
        data: type === '0' ? 'hostile' : '',
        uid: pick(3),
        mode: pick(0o10000),
        major: 1,
        minor: 3,
        ...(Object.keys(records).length > 0 ? { pax: records } : {}),
      };
    });
    const bytes = tarOf(entries);
    for (let i = pick(4) === 0 ? pick(6) : 0; i > 0; i--) bytes[pick(bytes.length)] = pick(256);
    const whole = pick(8) === 0 ? bytes.subarray(0, pick(bytes.length)) : bytes;
    const lower = fresh();
    await unpackLayer(chunksOf(tarOf([dir('a'), { name: 'a/x' }, dir('b'), { name: 'b/y' }])), lower);
    try {
      await unpackLayer(chunksOf(whole, 1 + pick(5000)), fresh(), { lower: [lower], limits });
      unpacked++;
    } catch (error) {
      if (!(error instanceof Error) || !/UserError|TarError/.test(error.name)) throw error;
      if (/\n/.test(error.message)) t.fail(`two lines: ${error.message}`);
    }
    if (seed % 20 === 0) t.same(listTree(canary), before, `up to ${seed}`);
  }
  t.same(listTree(canary), before);
  t.ok(unpacked > 30, `some are taken (${unpacked}), so that the attacks get past the first entry`);
  t.ok(base);
});
