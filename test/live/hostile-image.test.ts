import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ImageStore } from '../../src/image/store.ts';
import { DEFAULT_ROOTS } from '../../src/oci/pod-paths.ts';
import { leftovers, needsRoot, podspace, type Result, runPod } from './harness.ts';

/** Images that attack the runtime. What they aim at is a directory of the test's, outside of every root. */
interface Attack {
  /** Prepares the root; `canary` is the directory outside. */
  readonly build: (root: string, canary: string) => void;
  readonly config?: object;
  readonly container?: object;
  readonly spec?: object;
  /** What must be in the container's output, or in the reason why it did not start. */
  readonly expect: RegExp;
}

/** Puts something in the place of what is at a path of the root. */
const instead = (root: string, path: string, put: (at: string) => void): void => {
  rmSync(join(root, path), { recursive: true, force: true });
  put(join(root, path));
};
const link =
  (path: string, target: (canary: string) => string) =>
  (root: string, canary: string): void =>
    instead(root, path, at => symlinkSync(target(canary), at));
const fifo =
  (path: string) =>
  (root: string): void =>
    instead(root, path, at => execFileSync('mkfifo', [at]));
const sh = (script: string): object => ({ command: ['/bin/sh', '-c', script] });
const ls = sh('ls -la /proc/self/exe /dev/null /etc/hosts >/dev/null && echo fine');

const ATTACKS: Readonly<Record<string, Attack>> = {
  '/proc is a link to the outside': {
    build: link('proc', canary => canary),
    expect: /instruction \d+: openat2\(.*"proc".*ELOOP/,
  },
  '/sys is a link to the outside': {
    build: link('sys', canary => canary),
    expect: /instruction \d+: openat2\(.*"sys".*ELOOP/,
  },
  '/dev is an absolute link': { build: link('dev', canary => canary), container: ls, expect: /ENOENT|fine/ },
  '/dev is a relative link': {
    build: link('dev', canary => `../../../../../../..${canary}`),
    container: ls,
    expect: /ENOENT|fine/,
  },
  '/dev links to itself': { build: link('dev', () => 'dev'), expect: /ELOOP/ },
  '/etc is a link to the outside': {
    build: link('etc', canary => canary),
    container: ls,
    expect: /ENOENT|fine/,
  },
  '/etc/hosts is a link to the outside': {
    build: link('etc/hosts', canary => `${canary}/file`),
    container: sh('cat /etc/hosts'),
    expect: /ENOENT|localhost/,
  },
  '/etc/hosts is a link through /proc': {
    build: link('etc/hosts', canary => `/proc/1/root${canary}/file`),
    container: sh('cat /etc/hosts'),
    expect: /ELOOP|ENOENT|EXDEV/,
  },
  '/etc/resolv.conf is a directory': {
    build: root => instead(root, 'etc/resolv.conf', at => mkdirSync(at)),
    expect: /instruction \d+: move_mount\(.*(ENOTDIR|EINVAL)/,
  },
  '/etc/hostname is a FIFO': { build: fifo('etc/hostname'), container: ls, expect: /fine/ },
  '/etc/passwd is a FIFO': { build: fifo('etc/passwd'), container: sh('echo fine'), expect: /fine/ },
  '/etc/passwd is a link to the outside': {
    build: link('etc/passwd', canary => `${canary}/passwd`),
    config: { User: 'intruder' },
    expect: /unable to find user intruder: no matching entries in passwd file/,
  },
  '/etc/group is a directory': {
    build: root => instead(root, 'etc/group', at => mkdirSync(at)),
    container: sh('id'),
    expect: /uid=0/,
  },
  '/etc/passwd is garbage': {
    build: root =>
      writeFileSync(
        join(root, 'etc/passwd'),
        `\0\0:::\nroot:x:-1:4294967295\nroot:x:0x0:0\n${'a'.repeat(99999)}\n`,
      ),
    config: { User: 'root' },
    expect: /unable to find user root/,
  },
  '/etc/passwd is larger than any': {
    build: root => writeFileSync(join(root, 'etc/passwd'), 'x:x:1:1:::\n'.repeat(5_000_000)),
    container: sh('echo fine'),
    expect: /fine/,
  },
  'the mount point of a volume is a link to the outside': {
    build: link('data', canary => canary),
    spec: { volumes: [{ name: 'v', emptyDir: {} }] },
    container: {
      ...sh('echo x > /data/owned; echo fine'),
      volumeMounts: [{ name: 'v', mountPath: '/data' }],
    },
    expect: /ENOENT|fine/,
  },
  'a mount point goes through a link and back up': {
    build: link('data', () => '../../../../../../..'),
    spec: { volumes: [{ name: 'v', emptyDir: {} }] },
    container: { ...sh('ls / && echo fine'), volumeMounts: [{ name: 'v', mountPath: '/data/tmp' }] },
    expect: /fine/,
  },
  'the working directory is a link to the outside': {
    build: link('work', canary => canary),
    container: { ...sh('pwd'), workingDir: '/work' },
    expect: /ENOENT|no such file|^\//,
  },
  'the working directory is a file descriptor of the runtime': {
    build: () => {},
    container: { ...sh('pwd'), workingDir: '/proc/self/fd/7' },
    expect: /ENOENT|no such file|EPERM|ELOOP/,
  },
  'the working directory is a link to a file descriptor': {
    build: link('work', () => '/proc/self/fd/9/../../../../'),
    container: { ...sh('ls'), workingDir: '/work' },
    expect: /ENOENT|no such file|EPERM|ELOOP/,
  },
  'the command is a link to the outside': {
    build: link('cmd', canary => `${canary}/program`),
    container: { command: ['/cmd'] },
    expect: /exec: "\/cmd": no such file or directory/,
  },
  'the command is a FIFO': {
    build: fifo('cmd'),
    container: { command: ['/cmd'] },
    expect: /permission denied/,
  },
  'the command is a directory': {
    build: () => {},
    container: { command: ['/bin'] },
    expect: /permission denied/,
  },
  'the command is a script without its interpreter': {
    build: root => writeFileSync(join(root, 'cmd'), '#!/nowhere\n', { mode: 0o755 }),
    container: { command: ['/cmd'] },
    expect: /exec: "\/cmd": no such file or directory/,
  },
  'the command is an empty file': {
    build: root => writeFileSync(join(root, 'cmd'), '', { mode: 0o755 }),
    container: { command: ['/cmd'] },
    expect: /exec format error/,
  },
  'USER is three numbers': {
    build: () => {},
    config: { User: '405:0:0' },
    container: sh('id'),
    // Kubernetes looks at what stands before the first colon, and takes the group from /etc/passwd.
    expect: /uid=405\(guest\) gid=100/,
  },
  'USER is negative': {
    build: () => {},
    config: { User: '-1' },
    expect: /unable to find user -1: no matching entries in passwd file/,
  },
  'USER is beyond 32 bits': {
    build: () => {},
    config: { User: '4294967296' },
    expect: /unable to find user 4294967296: uids and gids must be in range 0-2147483647/,
  },
  'Env without "="': {
    build: () => {},
    config: { Env: ['BROKEN'] },
    container: sh('echo fine'),
    expect: /fine|invalid/,
  },
  'WorkingDir is relative': {
    build: () => {},
    config: { WorkingDir: 'tmp' },
    container: sh('pwd'),
    expect: /working directory "tmp" is not an absolute path/,
  },
  'WorkingDir leaves the root': {
    build: () => {},
    config: { WorkingDir: '/../../../../etc' },
    container: sh('pwd'),
    expect: /^\/etc$/m,
  },
  'an environment of two megabytes': {
    build: () => {},
    config: { Env: Array.from({ length: 20 }, (_, i) => `V${i}=${'x'.repeat(100_000)}`) },
    container: sh('echo fine'),
    expect: /fine|argument list too long|E2BIG/,
  },
};

function makeImage(name: string, { build, config }: Attack, canary: string): void {
  const store = new ImageStore(DEFAULT_ROOTS.state);
  const base = store.get('localhost/busybox');
  if (base === undefined) throw new Error('no busybox image');
  const directory = mkdtempSync(join(tmpdir(), 'podspace-hostile-'));
  try {
    const root = join(directory, 'rootfs');
    cpSync(join(DEFAULT_ROOTS.state, store.layers(base)[0] ?? ''), root, {
      recursive: true,
      verbatimSymlinks: true,
    });
    build(root, canary);
    const file = join(directory, 'config.json');
    writeFileSync(file, JSON.stringify({ Cmd: ['/bin/true'], Env: ['PATH=/bin'], ...config }));
    const imported = podspace(['image', 'import', name, root, '--config', file]);
    if (imported.status !== 0) throw new Error(imported.stderr);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The whole content of a directory, to see that nothing was changed. */
const contentOf = (directory: string): readonly string[] =>
  readdirSync(directory)
    .sort()
    .map(name => `${name}: ${readFileSync(join(directory, name), 'utf8')}`);

function told(result: Result): string {
  const texts = result.containers.map(({ stdout, stderr, message = '' }) => stdout + stderr + message);
  return [result.message ?? '', ...texts].join('\n');
}

for (const [title, attack] of Object.entries(ATTACKS)) {
  t.test(title, { skip: needsRoot }, t => {
    const canary = mkdtempSync(join(tmpdir(), 'podspace-canary-'));
    const name = `localhost/test-hostile-${process.pid}`;
    try {
      writeFileSync(join(canary, 'file'), 'untouched\n');
      writeFileSync(join(canary, 'passwd'), 'intruder:x:0:0::/:/bin/sh\n');
      writeFileSync(join(canary, 'program'), '#!/bin/sh\necho owned\n', { mode: 0o755 });
      const before = contentOf(canary);
      makeImage(name, attack, canary);
      const result = runPod({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: `hostile-${process.pid}` },
        spec: { containers: [{ name: 'main', image: name, ...attack.container }], ...attack.spec },
      });
      t.match(told(result), attack.expect);
      t.notMatch(told(result), /owned|untouched/);
      t.strictSame(contentOf(canary), before, 'nothing outside has changed');
      t.strictSame(leftovers(), []);
    } finally {
      podspace(['image', 'rm', name]);
      rmSync(canary, { recursive: true });
    }
    t.end();
  });
}

const TARS: Readonly<Record<string, readonly [script: string, expect: RegExp]>> = {
  'a member with ..': ['tar -P -cf $TAR --transform=s,^,../../, file', /\.\./],
  'an absolute member': ['tar -P -cf $TAR $PWD/file', /absolute|outside|\//],
  'a hard link to the outside': [
    'ln file hard && tar -P -cf $TAR --transform="s,^file$,../../../../etc/hostname,;s,^hard$,hard," file hard',
    /\.\.|link/,
  ],
  'a member below a link to the outside': [
    'mkdir d && echo owned > d/owned && tar -cf $TAR d && rm -r d && ln -s $CANARY d && tar -rf $TAR d && rm d && mkdir d && echo owned > d/owned && tar -rf $TAR d/owned',
    /.*/,
  ],
  'a truncated archive': [
    'head -c 100000 /dev/urandom > big; tar -cf all.tar big; head -c 5000 all.tar > $TAR',
    /tar|end|trunc/i,
  ],
  'no archive at all': ['head -c 100000 /dev/urandom > $TAR', /tar|archive|format/i],
  'a truncated gzip': [
    'head -c 100000 /dev/urandom > big; tar -czf all.tar big; head -c 5000 all.tar > $TAR',
    /gzip|tar|end/i,
  ],
};

for (const [title, [script, expect]] of Object.entries(TARS)) {
  t.test(`image import of ${title}`, { skip: needsRoot }, t => {
    const directory = mkdtempSync(join(tmpdir(), 'podspace-tar-'));
    const canary = join(directory, 'canary');
    const tar = join(directory, 'image.tar');
    const name = `localhost/test-tar-${process.pid}`;
    try {
      mkdirSync(canary);
      mkdirSync(join(directory, 'w'));
      writeFileSync(join(directory, 'w/file'), 'owned\n');
      spawnSync('sh', ['-c', script], {
        cwd: join(directory, 'w'),
        env: { ...process.env, TAR: tar, CANARY: canary },
      });
      t.ok(existsSync(tar));
      const { status, stderr, stdout } = podspace(['image', 'import', name, tar]);
      if (status !== 0) {
        t.match(stderr, expect);
        t.match(stderr, /^error: [^\n]*\n(hint: [^\n]*\n)?$/, 'one line');
      } else t.match(stdout, name);
      t.strictSame(contentOf(canary), [], 'nothing outside was written');
    } finally {
      podspace(['image', 'rm', name]);
      rmSync(directory, { recursive: true });
    }
    t.equal(podspace(['gc']).stdout, 'nothing to remove\n');
    t.end();
  });
}
