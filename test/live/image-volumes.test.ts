import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { layoutOf, makeImage, tarOfFiles } from '../unit/image/image-builder.ts';
import type { MadeEntry } from '../unit/image/tar-builder.ts';
import { busyboxLayer } from './busybox-layer.ts';
import { needsRoot, podspace, type Ran } from './harness.ts';

const dir = (name: string, more: object = {}): MadeEntry => ({ name, type: '5', mode: 0o755, ...more });

const LOWER: MadeEntry[] = [
  dir('data', { uid: 405, gid: 100, mode: 0o750 }),
  { name: 'data/old', data: 'old' },
  { name: 'data/kept', data: 'kept', uid: 405, mode: 0o600 },
  { name: 'data/gone', data: 'gone' },
  dir('empty', { uid: 405, mode: 0o700 }),
  { name: 'link', type: '2', link: '/data' },
  { name: 'away', type: '2', link: '../../../../etc' },
  { name: 'run.sh', data: '#!/bin/sh\necho ran\n', mode: 0o755 },
];
const UPPER: MadeEntry[] = [
  dir('data', { uid: 405, gid: 100, mode: 0o750 }),
  { name: 'data/.wh.gone' },
  { name: 'data/old', data: 'new' },
];
const VOLUMES = ['/data', 'empty/', '/made/here', '/over', '/etc/hosts'];

/** A state directory of its own with such an image. */
function setUp(t: Test, volumes: readonly string[] = VOLUMES): (...args: string[]) => Ran {
  const directory = mkdtempSync(join(tmpdir(), 'podspace-volumes-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const config = { Volumes: Object.fromEntries(volumes.map(path => [path, {}])) };
  const image = makeImage([busyboxLayer(), LOWER, UPPER], { config });
  const archive = join(directory, 'image.tar');
  writeFileSync(archive, tarOfFiles(layoutOf([{ image }])));
  const run = (...args: string[]): Ran => {
    const ran = podspace(['--root', directory, ...args.slice(0, -1)], args.at(-1) ?? '');
    t.same(readdirSync(directory).sort(), ['image.tar', 'images'], 'nothing of a pod is left');
    return ran;
  };
  t.match(run('image', 'import', 'localhost/db', archive, ''), { status: 0 });
  return run;
}

const pod = (script: string, spec: object = {}, container: object = {}): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'volumes' },
    spec: {
      ...spec,
      containers: [
        { name: 'main', image: 'localhost/db', command: ['sh', '-c', `(${script}) 2>&1`], ...container },
      ],
    },
  });

t.test('volumes that an image wants', { skip: needsRoot }, t => {
  const run = setUp(t);
  const script = [
    'stat -c "%n %u:%g %a" /data /data/* /empty /made/here',
    'cat /data/*; echo',
    'for f in /data/x /empty/x /made/here/x /over/x /x; do echo x > $f && echo $f; done',
    'grep -c " /etc/hosts " /proc/self/mountinfo',
  ].join('; ');
  const seen = [
    '/data 405:100 750',
    '/data/kept 405:0 600',
    '/data/old 0:0 644',
    '/empty 405:0 700',
    '/made/here 0:0 755',
    'keptnew',
    '/data/x\n/empty/x\n/made/here/x\n/over/x',
    "sh: can't create /x: Read-only file system",
    '1\n',
  ].join('\n');
  const volumes = [{ name: 'over', emptyDir: {} }];
  const container = {
    securityContext: { readOnlyRootFilesystem: true },
    volumeMounts: [{ name: 'over', mountPath: '/over' }],
  };
  for (const spec of [{}, { hostUsers: false }]) {
    const ran = run('run', '--network=none', '-', pod(script, { ...spec, volumes }, container));
    t.equal(ran.stdout, seen, `${JSON.stringify(spec)}: ${ran.stderr}`);
  }
  t.end();
});

t.test('each start of each container has its own', { skip: needsRoot }, t => {
  const run = setUp(t);
  const script = 'ls /data; echo x > /data/mine; test -e /shared/again || { touch /shared/again; exit 1; }';
  const shared = {
    image: 'localhost/db',
    command: ['sh', '-c', script],
    volumeMounts: [{ name: 's', mountPath: '/shared' }],
  };
  const spec = {
    restartPolicy: 'OnFailure',
    initContainers: [{ ...shared, name: 'first' }],
    volumes: [{ name: 's', emptyDir: {} }],
  };
  const ran = run('run', '--network=none', '-', pod(script, spec, shared));
  t.same([ran.status, ran.stdout.replace(/^\[\w+\] /gm, '')], [0, 'kept\nold\n'.repeat(3)], ran.stderr);
  t.end();
});

const HOSTILE: Readonly<Record<string, readonly [volume: string, script: string, seen: RegExp]>> = {
  'a link in the image': ['/link', 'cat /link/old', /^new$/],
  'a link out of the image': ['/away', 'ls /away', /^group\n/],
  'a path out of the image': ['../../../data', 'cat /data/old', /^new$/],
  'a file': ['/run.sh', 'true', /CreateContainerError: volume "\/run.sh" of the image: openat2.*ENOTDIR/],
  'the root': ['/', 'true', /CreateContainerError: the image wants a volume at "\/"$/m],
  'the root by ".."': ['/a/../..', 'true', /CreateContainerError: the image wants a volume at "\/"$/m],
  'the machine’s settings': ['/proc/sys/x', 'true', /the image wants a volume at "\/proc\/sys\/x"$/m],
  'all devices': ['/dev/', 'true', /the image wants a volume at "\/dev"$/m],
  'a line feed and a bell': ['/q\n\u0007', 'ls -d /q*', /^\/q\?\?$/],
};
for (const [title, [volume, script, seen]] of Object.entries(HOSTILE))
  t.test(`an image wants as a volume: ${title}`, { skip: needsRoot }, t => {
    const { stdout, stderr } = setUp(t, [volume])('run', '--network=none', '-', pod(script));
    t.match((stdout + stderr).trim(), seen);
    t.end();
  });

t.test('an image of several layers as a volume', { skip: needsRoot }, t => {
  const run = setUp(t);
  const script = [
    'ls /v/data /v/link/; cat /one',
    'stat -c "%u:%g %a" /v/data',
    'echo x > /v/x; /v/run.sh',
    'grep -o " /v .* - overlay" /proc/self/mountinfo | grep -o " ro,[^ ]*noexec"',
  ].join('; ');
  const seen = [
    '/v/data:\nkept\nold\n\n/v/link/:\nkept\nold',
    'new405:100 750',
    "sh: can't create /v/x: Read-only file system",
    'sh: /v/run.sh: Permission denied',
    ' ro,noexec\n',
  ].join('\n');
  const volumes = [{ name: 'v', image: { reference: 'localhost/db' } }];
  const container = {
    volumeMounts: [
      { name: 'v', mountPath: '/v' },
      { name: 'v', mountPath: '/one', subPath: 'data/old' },
    ],
  };
  for (const spec of [{}, { hostUsers: false }]) {
    const ran = run('run', '--network=none', '-', pod(script, { ...spec, volumes }, container));
    t.equal(ran.stdout, seen, `${JSON.stringify(spec)}: ${ran.stderr}`);
  }
  const gone = pod(script, { volumes: [{ name: 'v', image: { reference: 'localhost/none' } }] });
  t.match(run('run', '-', gone), {
    status: 1,
    stderr: /^error: volume "v": image "localhost\/none" is not in the local store\n/,
  });
  t.end();
});
