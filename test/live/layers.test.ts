import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { layoutOf, makeImage, tarOfFiles } from '../unit/image/image-builder.ts';
import type { MadeEntry } from '../unit/image/tar-builder.ts';
import { busyboxLayer } from './busybox-layer.ts';
import { needsRoot, PODSPACE, podspace } from './harness.ts';

const dir = (name: string): MadeEntry => ({ name, type: '5', mode: 0o755 });

const pod = (spec: object, script: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'layers' },
    spec: {
      ...spec,
      containers: [{ name: 'main', image: 'localhost/layers', command: ['sh', '-c', script] }],
    },
  });

t.test('a pod on many layers, with and without a user namespace', { skip: needsRoot }, t => {
  const directory = mkdtempSync(join(tmpdir(), 'podspace-layers-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const base: MadeEntry[] = [
    dir('d'),
    { name: 'd/old', data: 'old' },
    { name: 'gone', data: 'x' },
    dir('whole'),
    { name: 'whole/below' },
  ];
  const few = [
    base,
    [{ name: '.wh.gone' }, { name: 'd/.wh..wh..opq' }, dir('d'), { name: 'd/new', data: 'new', uid: 1000 }],
  ];
  const many = [
    ...few,
    ...Array.from({ length: 40 }, (_, i): MadeEntry[] => [
      { name: `n${i}`, data: String(i) },
      { name: 'last', data: String(i) },
    ]),
    [{ name: '.wh.whole' }],
  ];
  const run = (...args: string[]): ReturnType<typeof podspace> => podspace(['--root', directory, ...args]);
  for (const layers of [few, many]) {
    writeFileSync(
      join(directory, 'image.tar'),
      tarOfFiles(layoutOf([{ image: makeImage([busyboxLayer(), ...layers]) }])),
    );
    t.match(run('image', 'import', 'localhost/layers', join(directory, 'image.tar')), {
      status: 0,
      stderr: '',
    });
    const script =
      'ls /d; stat -c %u:%a /d/new; ls -d /gone /whole/below 2>&1; cat /last; echo w > /d/new && cat /d/new; touch /d/made && rm /d/new && ls /d';
    const seen =
      layers === few
        ? "new\n1000:644\nls: /gone: No such file or directory\n/whole/below\ncat: can't open '/last': No such file or directory\nw\nmade\n"
        : 'new\n1000:644\nls: /gone: No such file or directory\nls: /whole/below: No such file or directory\n39w\nmade\n';
    for (const spec of [{}, { hostUsers: false }]) {
      const { stdout, stderr } = podspace(['--root', directory, 'run', '-'], pod(spec, `(${script}) 2>&1`));
      t.equal(stdout, seen, `${layers.length} layers, ${JSON.stringify(spec)}: ${stderr}`);
    }
  }
  t.match(run('image', 'fsck'), { status: 0, stdout: /^1 images, 44 layers, 46 blobs: ok\n$/ });
  t.end();
});

t.test('layers of a running pod stay, whatever is removed', { skip: needsRoot }, async t => {
  const directory = mkdtempSync(join(tmpdir(), 'podspace-layers-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const run = (...args: string[]): ReturnType<typeof podspace> => podspace(['--root', directory, ...args]);
  writeFileSync(
    join(directory, 'image.tar'),
    tarOfFiles(layoutOf([{ image: makeImage([busyboxLayer(), [{ name: 'top' }]]) }])),
  );
  run('image', 'import', 'localhost/layers', join(directory, 'image.tar'));
  const child = spawn(process.execPath, [PODSPACE, '--root', directory, 'run', '-'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(
    pod({ terminationGracePeriodSeconds: 0 }, 'echo up; trap "exit 0" TERM; sleep 1000 & wait'),
  );
  const ended = new Promise(done => child.on('close', done));
  await new Promise(done => child.stdout.once('data', done));
  t.match(run('image', 'rm', 'localhost/layers'), { status: 1, stderr: /is in use by a running pod/ });
  t.match(run('image', 'prune', '--all'), { status: 0 });
  mkdirSync(join(directory, 'root'));
  run('image', 'import', 'localhost/layers', join(directory, 'root'));
  run('gc');
  t.equal(readdirSync(join(directory, 'images/roots')).length, 3, 'those of the pod, and the new one');
  child.kill('SIGTERM');
  await ended;
  run('gc');
  t.equal(readdirSync(join(directory, 'images/roots')).length, 1);
  t.notOk(existsSync(join(directory, 'images/names/x')));
});
