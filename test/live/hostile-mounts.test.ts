import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { AT } from '../../src/linux/constants.generated.ts';
import { rawSyscall } from '../../src/native/libc.ts';
import { leftovers, needsRoot, podspace, probePod, start } from './harness.ts';
import { type Attack, contentOf, link, node, sh, testAttacks } from './hostile.ts';

const RENAME_EXCHANGE = 2;

/** Runs the pod so many times while two names of a directory change places all the time; what each printed or failed with. */
async function whileExchanging(
  directory: string,
  [one, other]: readonly [string, string],
  rounds: number,
  pod: object,
  outcome: RegExp,
): Promise<ReadonlyMap<string, number>> {
  const outcomes = new Map<string, number>();
  for (let i = 0; i < rounds; i++) {
    const running = start(['run', '-'], JSON.stringify(pod));
    let isOver = false;
    void running.ended.then(() => (isOver = true));
    while (!isOver) {
      for (let k = 0; k < 50; k++)
        rawSyscall(
          'renameat2',
          AT.AT_FDCWD,
          join(directory, one),
          AT.AT_FDCWD,
          join(directory, other),
          RENAME_EXCHANGE,
        );
      await new Promise(resolve => setImmediate(resolve));
    }
    const found = outcome.exec(running.output())?.[0] ?? `unexpected: ${running.output()}`;
    outcomes.set(found, (outcomes.get(found) ?? 0) + 1);
  }
  return outcomes;
}

function directoryOf(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'podspace-race-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, 'canary'));
  writeFileSync(join(directory, 'canary/file'), 'untouched\n');
  mkdirSync(join(directory, 'volume'));
  return directory;
}

const isUnexpected = (outcome: string): boolean => outcome.startsWith('unexpected');

for (const [title, spec] of [
  ['', {}],
  [' in a user namespace', { hostUsers: false }],
] as const) {
  // CVE-2021-30465, CVE-2024-45310
  t.test(`a mount point that becomes a link and back leads nowhere${title}`, { skip: needsRoot }, async t => {
    const directory = directoryOf(t);
    const volume = join(directory, 'volume');
    mkdirSync(join(volume, 'a'));
    symlinkSync(`../../../../../../..${directory}/canary`, join(volume, 'link'));
    const before = contentOf(join(directory, 'canary'));
    const pod = probePod(
      {
        ...spec,
        volumes: [
          { name: 'v', hostPath: { path: volume } },
          { name: 'e', emptyDir: {} },
        ],
      },
      {
        image: 'localhost/busybox',
        ...sh(
          'mountpoint -q /v/a/b && echo there; mountpoint -q /v/link/b && echo there; ls /v/a /v/link; true',
        ),
        volumeMounts: [
          { name: 'v', mountPath: '/v' },
          { name: 'e', mountPath: '/v/a/b' },
        ],
      },
    );
    const outcomes = await whileExchanging(
      volume,
      ['a', 'link'],
      15,
      pod,
      /there|ELOOP|ENOENT|ENOTDIR|No such file/,
    );
    t.comment(JSON.stringify([...outcomes]));
    t.strictSame([...outcomes.keys()].filter(isUnexpected), []);
    t.ok(outcomes.size > 1, 'the link was met, and so was the directory');
    t.strictSame(contentOf(join(directory, 'canary')), before, 'nothing outside has changed');
    t.strictSame(leftovers(), []);
  });
}

// CVE-2025-31133
t.test('/dev/null of a volume that is exchanged for a link masks nothing', { skip: needsRoot }, async t => {
  const directory = directoryOf(t);
  const volume = join(directory, 'volume');
  node('null', 'c 1 3')(volume);
  symlinkSync('/proc/sys/kernel/core_pattern', join(volume, 'link'));
  const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8');
  const pod = probePod(
    { volumes: [{ name: 'v', hostPath: { path: volume } }] },
    {
      image: 'localhost/busybox',
      ...sh(
        'stat -c %F,%t:%T /proc/interrupts /proc/keys /proc/timer_list | sort -u; stat -L -c %t:%T /proc/self/fd/0',
      ),
      volumeMounts: [{ name: 'v', mountPath: '/dev' }],
    },
  );
  const masked = /^character special file,1:3\n1:3\n$|RESOLVE_NO_SYMLINKS.*ELOOP/;
  const outcomes = await whileExchanging(volume, ['null', 'link'], 15, pod, masked);
  t.comment(JSON.stringify([...outcomes]));
  t.strictSame([...outcomes.keys()].filter(isUnexpected), []);
  t.ok(outcomes.size > 1, 'the link was met, and so was the device');
  t.equal(readFileSync('/proc/sys/kernel/core_pattern', 'utf8'), pattern);
  t.strictSame(leftovers(), []);
});

t.test('a subPath may be neither absolute nor go up', { skip: needsRoot }, t => {
  for (const [subPath, message] of [
    ['/etc', 'must be a relative path'],
    ['..', "must not contain '..'"],
    ['a/../../b', "must not contain '..'"],
    ['a/..', "must not contain '..'"],
  ] as const) {
    const pod = probePod(
      { volumes: [{ name: 'v', emptyDir: {} }] },
      { volumeMounts: [{ name: 'v', mountPath: '/v', subPath }] },
    );
    const { status, stderr } = podspace(['run', '-'], JSON.stringify(pod));
    t.equal(status, 1, subPath);
    t.match(stderr, message);
    t.match(stderr, `volumeMounts.subPath`);
  }
  t.end();
});

/** A container that prepares a volume, and one that mounts a part of it. */
function subPath(script: string, subPath: string, expect: Attack['expect'], spec: object = {}): Attack {
  const volumeMounts = [{ name: 'v', mountPath: '/v' }];
  return {
    spec: canary => ({
      ...spec,
      volumes: [{ name: 'v', emptyDir: {} }],
      initContainers: [
        {
          name: 'prepare',
          image: 'localhost/busybox',
          ...sh(`cd /v; CANARY=${canary}; ${script}`),
          volumeMounts,
        },
      ],
    }),
    container: {
      ...sh('echo owned > /s/file; cat /s/file; ls /s; echo fine'),
      volumeMounts: [{ name: 'v', mountPath: '/s', subPath }],
    },
    expect,
  };
}
const refused = (call: string, errno: string): Attack['expect'] => ({
  refused: new RegExp(`^instruction \\d+: ${call}\\(.*: ${errno} `),
});
const OUT = refused('openat2', '(EXDEV|ELOOP)');

const SUB_PATHS: Readonly<Record<string, readonly [script: string, path: string, expect: Attack['expect']]>> =
  {
    'an absolute link': ['ln -s $CANARY s', 's', OUT],
    'a link that goes up': ['ln -s ../../../../../../../..$CANARY s', 's', OUT],
    'a link to the root of procfs': ['ln -s /proc/1/root s', 's', OUT],
    'below an absolute link': ['ln -s $CANARY s', 's/deep', OUT],
    'below a link that goes up': ['ln -s .. s', 's/other', OUT],
    'a link to itself': ['ln -s s s', 's', refused('openat2', 'ELOOP')],
    'a link that leads nowhere': ['ln -s none s', 's', refused('openat2', 'ENOENT')],
    'a FIFO': ['mkfifo s', 's', refused('move_mount', '(ENOTDIR|EINVAL)')],
    'below a FIFO': ['mkfifo s', 's/deep', refused('(mkdirat|openat2)', 'ENOTDIR')],
    'below a file': ['echo x > s', 's/deep', refused('(mkdirat|openat2)', 'ENOTDIR')],
  };

const mountsAt = (mountPath: string): object => ({ volumeMounts: [{ name: 'v', mountPath }] });
const emptyVolume = { volumes: [{ name: 'v', emptyDir: {} }] };
const FDS = Array.from({ length: 61 }, (_, i) => i + 3);

testAttacks({
  ...Object.fromEntries(
    Object.entries(SUB_PATHS).flatMap(([title, [script, path, expect]]) => [
      [`a subPath is ${title}`, subPath(script, path, expect)] as const,
      [
        `a subPath in a user namespace is ${title}`,
        subPath(script, path, expect, { hostUsers: false }),
      ] as const,
    ]),
  ),
  // CVE-2024-21626
  'the command is looked for below every file descriptor of the runtime': {
    config: { Env: [`PATH=${FDS.map(fd => `/proc/self/fd/${fd}`).join(':')}`] },
    container: canary => ({ command: ['program'], env: [{ name: 'C', value: canary }] }),
    expect: { refused: /^exec: "program": executable file not found in \$PATH$/ },
  },
  'the command is a path through every file descriptor of the runtime': {
    container: canary => ({
      command: ['program'],
      env: [
        { name: 'PATH', value: FDS.map(fd => `/proc/self/fd/${fd}/../../../../../..${canary}`).join(':') },
      ],
    }),
    expect: { refused: /^exec: "program": executable file not found in \$PATH$/ },
  },
  // CVE-2019-16884, CVE-2025-52881
  ...Object.fromEntries(
    [
      '/proc/self',
      '/proc/1',
      '/proc/self/attr',
      '/proc/self/ns',
      '/proc/sys',
      '/proc/sys/net',
      '/sys/fs',
    ].map(path => [
      `a volume is at ${path}`,
      {
        spec: {
          ...emptyVolume,
          securityContext: { sysctls: [{ name: 'net.ipv4.tcp_fin_timeout', value: '33' }] },
        },
        container: {
          ...sh('stat -c %t:%T /proc/keys; echo fine'),
          ...mountsAt(path),
        },
        expect: { ran: /^1:3\nfine\n$/ },
      } satisfies Attack,
    ]),
  ),
  // CVE-2025-52565
  '/dev of a volume has a link in the place of the terminals': {
    spec: {
      ...emptyVolume,
      initContainers: [
        {
          name: 'prepare',
          image: 'localhost/busybox',
          ...sh('cd /v; mkdir pts; ln -s /dev/ptmx pts/ptmx; ln -s /etc/passwd console; mknod null c 1 3'),
          ...mountsAt('/v'),
        },
      ],
    },
    container: { ...sh('echo fine'), ...mountsAt('/dev'), tty: true },
    expect: refused('openat2', 'ELOOP'),
  },
  '/dev of a volume has a FIFO in the place of the terminals': {
    spec: {
      ...emptyVolume,
      initContainers: [
        {
          name: 'prepare',
          image: 'localhost/busybox',
          ...sh('cd /v; mkdir pts; mkfifo pts/ptmx; mknod null c 1 3'),
          ...mountsAt('/v'),
        },
      ],
    },
    container: { ...sh('echo fine'), ...mountsAt('/dev'), tty: true },
    expect: refused('expect', 'EPERM'),
  },
  ...Object.fromEntries(
    (
      [
        ['a link', 'ln -s /etc/passwd null', refused('openat2', 'ELOOP')],
        ['another device', 'mknod null c 1 11', refused('openat2', 'EPERM')],
        ['a directory', 'mkdir null', refused('openat2', 'EISDIR')],
        ['a FIFO', 'mkfifo null', { ran: /^fine\n$/ }],
        ['not there', 'true', refused('openat2', 'ENOENT')],
      ] as const
    ).map(([what, script, expect]) => [
      `/dev/null of a volume is ${what}`,
      {
        spec: {
          ...emptyVolume,
          initContainers: [
            { name: 'prepare', image: 'localhost/busybox', ...sh(`cd /v; ${script}`), ...mountsAt('/v') },
          ],
        },
        container: { ...sh('echo fine'), ...mountsAt('/dev') },
        expect,
      } satisfies Attack,
    ]),
  ),
  ...Object.fromEntries(
    (
      [
        ['in a user namespace', { hostUsers: false }],
        ['with shared processes', { shareProcessNamespace: true }],
      ] as const
    ).flatMap(([how, spec]): [string, Attack][] => [
      [
        `/proc is a link, ${how}`,
        { build: link('proc', canary => canary), spec, expect: refused('openat2', 'ELOOP') },
      ],
      [
        `/dev is a link, ${how}`,
        { build: link('dev', canary => canary), spec, expect: refused('openat2', 'ENOENT') },
      ],
      [
        `/etc/hosts is a link, ${how}`,
        { build: link('etc/hosts', canary => `${canary}/file`), spec, expect: refused('openat2', 'ENOENT') },
      ],
      [
        `the mount point of a volume is a link, ${how}`,
        {
          build: link('data', canary => canary),
          spec: { ...spec, ...emptyVolume },
          container: { ...sh('echo x > /data/owned'), ...mountsAt('/data') },
          expect: refused('openat2', 'ENOENT'),
        },
      ],
      [
        `the working directory is a link, ${how}`,
        {
          build: link('work', canary => canary),
          spec,
          container: { ...sh('pwd'), workingDir: '/work' },
          expect: refused('openat2', 'ENOENT'),
        },
      ],
    ]),
  ),
});
