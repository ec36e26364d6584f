import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { compileSeccomp, libraryFile } from '../../../src/native/libseccomp.ts';
import type { OciSeccomp } from '../../../src/oci/config.ts';
import { SeccompCache } from '../../../src/runtime/seccomp-cache.ts';
import { readProfile } from '../../../src/runtime/seccomp-profiles.ts';
import { needsLibseccomp } from './needs-libseccomp.ts';

const directory = mkdtempSync(join(tmpdir(), 'podspace-seccomp-'));
t.teardown(() => rmSync(directory, { recursive: true }));
const isRoot = process.geteuid?.() === 0;

const root = join(directory, 'profiles');
mkdirSync(join(root, 'team'), { recursive: true });
writeFileSync(join(directory, 'outside.json'), 'secret of the machine');
writeFileSync(join(root, 'team/good.json'), '{"ä":1}');
writeFileSync(join(root, 'empty.json'), '');
writeFileSync(join(root, 'latin1.json'), Buffer.from([0x7b, 0xe4, 0x7d]));
writeFileSync(join(root, 'huge.json'), '{');
truncateSync(join(root, 'huge.json'), 100 << 20);
writeFileSync(join(root, 'full.json'), ' '.repeat(1 << 20));
symlinkSync('team/good.json', join(root, 'inside.json'));
symlinkSync('../outside.json', join(root, 'up.json'));
symlinkSync(join(directory, 'outside.json'), join(root, 'absolute.json'));
symlinkSync('..', join(root, 'parent'));
symlinkSync('loop.json', join(root, 'loop.json'));
symlinkSync('/proc/self/fd/0', join(root, 'magic.json'));
execFileSync('mkfifo', [join(root, 'fifo.json')]);

t.test('a Localhost profile is a file below the root', t => {
  const path = `${root}/team/good.json`;
  t.strictSame(readProfile(root, 'team/good.json'), { path, text: '{"ä":1}' });
  t.strictSame(readProfile(root, 'inside.json'), { path: `${root}/inside.json`, text: '{"ä":1}' });
  t.match(readProfile(root, 'empty.json'), { text: '' });
  t.equal((readProfile(root, 'full.json') as { readonly text: string }).text.length, 1 << 20);
  t.end();
});

const REFUSED: Readonly<Record<string, RegExp>> = {
  'missing.json': /: open \S+\/missing.json: no such file or directory$/,
  'empty.json/x': /: not a directory$/,
  team: /: read \S+\/team: is a directory$/,
  'fifo.json': /fifo.json is not a regular file$/,
  'huge.json': /huge.json is larger than 1 MiB$/,
  'latin1.json': /it is not UTF-8 text$/,
  'up.json': /it leads out of/,
  'absolute.json': /it leads out of/,
  'parent/outside.json': /it leads out of/,
  '../outside.json': /it leads out of/,
  '/etc/passwd': /it leads out of/,
  'magic.json': /it leads out of/,
  'loop.json': /too many symbolic links|[lL]oop/,
  'team/good.json\0.txt': /NUL byte$/,
};

t.test('anything else is not read, and the words are containerd’s', t => {
  for (const [name, message] of Object.entries(REFUSED)) {
    const { error = '' } = readProfile(root, name) as { readonly error?: string };
    t.ok(error.startsWith(`cannot load seccomp profile ${JSON.stringify(`${root}/${name}`)}: `), error);
    t.match(error, message, JSON.stringify(name));
    t.notMatch(error, 'secret');
  }
  t.match(readProfile(join(directory, 'none'), 'a.json'), { error: /open \S+\/none\/a.json: no such file/ });
  t.end();
});

const seccomp: OciSeccomp = {
  defaultAction: 'SCMP_ACT_ALLOW',
  architectures: [],
  syscalls: [{ names: ['reboot'], action: 'SCMP_ACT_ERRNO' }],
};
const other: OciSeccomp = { ...seccomp, defaultAction: 'SCMP_ACT_LOG' };

/** The filter as a fresh process gets it, and whether libseccomp was asked. */
function compile(state: string, profile = seccomp): { readonly bpf: Uint8Array; readonly isNew: boolean } {
  let isNew = false;
  const cache = new SeccompCache(state, 'x64', (...args) => {
    isNew = true;
    return compileSeccomp(...args);
  });
  const bpf = cache.compile(profile);
  if ('error' in bpf) throw new Error(bpf.error);
  return { bpf, isNew };
}

interface Cached {
  readonly state: string;
  readonly file: string;
}

/** A state directory with one filter in its cache. */
function cached(name: string, profile = seccomp): Cached {
  const state = join(directory, name);
  compile(state, profile);
  const cache = join(state, 'cache/seccomp');
  return { state, file: join(cache, readdirSync(cache)[0] ?? '') };
}

/** A filter that says `allow` to everything, behind the head of a good file: what an attacker would put there. */
const evil = (file: string): Buffer => {
  const good = readFileSync(file);
  const start = good.indexOf(0x0a, good.indexOf(0x0a) + 1) + 1;
  return Buffer.concat([good.subarray(0, start), Buffer.from([0x06, 0, 0, 0, 0, 0, 0xff, 0x7f])]);
};

const TAMPERED: Readonly<Record<string, (cached: Cached) => void>> = {
  garbage: ({ file }) => writeFileSync(file, 'garbage'),
  nothing: ({ file }) => writeFileSync(file, ''),
  'half of it': ({ file }) => truncateSync(file, statSync(file).size - 4),
  'another program without its checksum': ({ file }) => writeFileSync(file, evil(file)),
  'one bit': ({ file }) => {
    const bytes = readFileSync(file);
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 3) ^ 1, bytes.length - 3);
    writeFileSync(file, bytes);
  },
  'the file of another profile': ({ state, file }) => renameSync(cached(`${state}.other`, other).file, file),
  'a file that others may write': ({ file }) => chmodSync(file, 0o620),
  'a file with a second name': ({ file }) => linkSync(file, `${file}.2`),
  'a link': ({ file }) => {
    renameSync(file, `${file}.real`);
    symlinkSync(`${file}.real`, file);
  },
  'a FIFO': ({ file }) => {
    rmSync(file);
    execFileSync('mkfifo', [file]);
  },
  'a directory': ({ file }) => {
    rmSync(file);
    mkdirSync(file);
  },
  'in a directory that others may write': ({ file }) => chmodSync(join(file, '..'), 0o777),
  ...(isRoot
    ? {
        'somebody else’s file': ({ file }: Cached) => chownSync(file, 405, 100),
        'in somebody else’s directory': ({ file }: Cached) => chownSync(join(file, '..'), 405, 100),
      }
    : {}),
};

t.test('what libseccomp has made is found again', { skip: needsLibseccomp }, t => {
  const { state, file } = cached('good');
  const found = compile(state);
  t.notOk(found.isNew);
  t.strictSame(Buffer.from(found.bpf), Buffer.from(compileSeccomp(seccomp, 'x64')));
  t.ok(compile(state, other).isNew, 'another profile is another filter');
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.equal(statSync(join(file, '..')).mode & 0o777, 0o700);
  t.strictSame(readdirSync(join(file, '..')).length, 2, 'no temporary file is left');
  t.end();
});

for (const [title, tamper] of Object.entries(TAMPERED)) {
  t.test(`a cache file is ignored, not trusted: ${title}`, { skip: needsLibseccomp }, t => {
    const found = cached(`bad-${title.replaceAll(' ', '-')}`);
    tamper(found);
    const { bpf, isNew } = compile(found.state);
    t.ok(isNew);
    t.strictSame(Buffer.from(bpf), Buffer.from(compileSeccomp(seccomp, 'x64')));
    t.end();
  });
}

t.test('another libseccomp makes another filter', { skip: needsLibseccomp }, t => {
  const { state, file } = cached('upgraded');
  const [head = '', ...rest] = readFileSync(file, 'latin1').split('\n');
  t.match(head, libraryFile());
  writeFileSync(file, [head.replace(/\\u0000(\d+)\\u0000/, '\\u00001\\u0000'), ...rest].join('\n'), 'latin1');
  t.ok(compile(state).isNew);
  t.notOk(compile(state).isNew, 'and that one is kept');
  t.end();
});

t.test(
  'a disk that takes nothing costs time only; many profiles do not pile up',
  { skip: needsLibseccomp },
  t => {
    const state = join(directory, 'plain-file');
    writeFileSync(state, '');
    t.ok(compile(state).isNew);
    const many = join(directory, 'many');
    for (let errno = 1; errno < 70; errno++)
      compile(many, {
        ...seccomp,
        syscalls: [{ names: ['reboot'], action: 'SCMP_ACT_ERRNO', errnoRet: errno }],
      });
    const left = readdirSync(join(many, 'cache/seccomp')).length;
    t.ok(left > 0 && left <= 64, String(left));
    t.end();
  },
);

t.test('a filter that the kernel would not take is an error', { skip: needsLibseccomp }, t => {
  const args = (value: number): OciSeccomp['syscalls'][number] => ({
    names: ['socket'],
    action: 'SCMP_ACT_ERRNO',
    args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }],
  });
  const large = { ...seccomp, syscalls: Array.from({ length: 1500 }, (_, i) => args(i * 2 ** 33 + i)) };
  const result = new SeccompCache(join(directory, 'large'), 'x64').compile(large);
  t.match(result, {
    error: /^cannot make the seccomp filter: the filter has \d+ instructions, the kernel takes 4096$/,
  });
  t.end();
});
