import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { rounds } from '../rounds.ts';
import { isRoot, needsRoot, PODSPACE, podspace, type Ran, STAY, start } from './harness.ts';
import { importImages, ownState, scripted } from './with-policies.ts';

const state = ownState(t.testdir({}));
const { root, on } = state;

t.before(() => {
  if (isRoot) importImages(state);
});

/** Pods end before the directories go that they write to. */
const stops: (() => Promise<void>)[] = [];
const stopAll = async (): Promise<void> => {
  for (const stop of stops.splice(0)) await stop();
};
t.teardown(stopAll);

const END = { terminationGracePeriodSeconds: 0 };

/** A pod that runs a script; its name, once other commands can find it. */
async function running(script: string, spec: object = {}, container: object = {}): Promise<string> {
  const pod = scripted(`${script}\n${STAY}`, { ...END, ...spec }, container);
  const run = start(['run', '-', '--root', root], JSON.stringify(pod));
  stops.push(async () => {
    run.child.kill('SIGTERM');
    await run.ended;
  });
  await run.waitFor('ready');
  const { name } = pod.metadata;
  for (let i = 0; i < 200 && inside(name, 'true').status !== 0; i++)
    await new Promise(done => setTimeout(done, 20));
  return name;
}

const inside = (pod: string, script: string) =>
  podspace(['exec', '--root', root, pod, '--', 'sh', '-c', script]);
const mode = (path: string): string => (statSync(path).mode & 0o7777).toString(8);
const sh = (pod: string, script: string): string => inside(pod, script).stdout;

t.test('files and directories, there and back', { skip: needsRoot }, async t => {
  const here = t.testdir({ tree: { deep: { file: 'one' }, empty: {} } });
  const tree = join(here, 'tree');
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff])]), 'bytes');
  symlinkSync('deep/file', join(tree, 'link'));
  writeFileSync(join(tree, 'run'), '#!/bin/sh\necho ran\n');
  chmodSync(join(tree, 'run'), 0o4755);
  const pod = await running('mkdir /there; echo old-and-longer > /there/file; cd /there');
  t.match(on('cp', tree, `${pod}:/new`), { status: 0, stdout: '', stderr: '' });
  t.equal(
    sh(
      pod,
      'cat /new/deep/file; readlink /new/link; /new/run; stat -c "%a %u" /new/run /new/empty; ls /new | wc -l',
    ),
    'onedeep/file\nran\n755 0\n755 0\n5\n',
  );
  t.equal(on('cp', tree, `${pod}:/there`).status, 0, 'into a directory that is there');
  t.equal(sh(pod, 'cat /there/tree/deep/file'), 'one');
  t.equal(on('cp', join(tree, 'deep/file'), `default/${pod}:there/file`).status, 0, 'over a file');
  t.equal(sh(pod, 'cat /there/file'), 'one');

  sh(pod, 'ln -s /etc/passwd /new/abs; mkfifo /new/fifo; chmod 500 /new/deep');
  const back = on('cp', `${pod}:/new`, join(here, 'back'));
  t.match(back, { status: 0, stdout: '' });
  t.match(back.stderr.split('\n').sort(), [
    '',
    'Warning: skipping "/new/fifo": it is no file, directory or link',
    'Warning: skipping symlink "/new/abs"',
    'Warning: skipping symlink "/new/link"',
  ]);
  t.same(readdirSync(join(here, 'back')).sort(), ['\ufffd', 'deep', 'empty', 'run'].sort());
  t.equal(readFileSync(join(here, 'back/deep/file'), 'utf8'), 'one');
  t.equal(mode(join(here, 'back/deep')), '500');
  t.equal(mode(join(here, 'back/run')), '755', 'no set-user-ID');
  t.equal(
    Math.trunc(statSync(join(here, 'back/run')).mtimeMs),
    Math.trunc(statSync(join(tree, 'run')).mtimeMs),
  );
  mkdirSync(join(here, 'merged'));
  t.equal(on('cp', `${pod}:/new/deep`, join(here, 'merged')).status, 0, 'as with kubectl: what is in it');
  t.same(readdirSync(join(here, 'merged')), ['file']);
  t.equal(on('cp', `${pod}:/new/run`, join(here, 'merged')).status, 0);
  t.ok(existsSync(join(here, 'merged/run')));
  await stopAll();
  t.end();
});

t.test('as the user of the container, in its user namespace too', { skip: needsRoot }, async t => {
  const here = t.testdir({ file: 'x', secret: 'y' });
  const user = { securityContext: { runAsUser: 405, runAsGroup: 100, fsGroup: 555 } };
  for (const more of [user, { ...user, hostUsers: false }, { hostUsers: false }]) {
    const volumes = [{ name: 'v', emptyDir: {} }];
    const pod = await running(
      'true',
      { volumes, ...more },
      { volumeMounts: [{ name: 'v', mountPath: '/v' }] },
    );
    for (const path of ['/tmp/file', '/v/file']) {
      t.match(on('cp', join(here, 'file'), `${pod}:${path}`), { status: 0, stderr: '' }, path);
      t.equal(
        sh(pod, `stat -c %u ${path}; cat ${path}`),
        'securityContext' in more ? '405\nx' : '0\nx',
        path,
      );
      t.equal(on('cp', `${pod}:${path}`, join(here, 'back')).status, 0);
      t.equal(readFileSync(join(here, 'back'), 'utf8'), 'x');
      t.match(statSync(join(here, 'back')), { uid: 0, gid: 0 });
    }
    if (!('securityContext' in more)) continue;
    t.match(on('cp', join(here, 'file'), `${pod}:/etc/file`), {
      status: 1,
      stderr: `error: cannot write "/etc/file" in container "probe": permission denied\n`,
    });
    t.match(
      on('cp', `${pod}:/etc/shadow`, join(here, 'shadow')).stderr,
      /^error: cannot read "\/etc\/shadow" /,
    );
    t.notOk(existsSync(join(here, 'shadow')));
  }
  await stopAll();
  t.end();
});

t.test('what a container links leads nobody out of it', { skip: needsRoot }, async t => {
  const here = t.testdir({ outside: { secret: 'of the host' }, file: 'new', target: {} });
  const outside = join(here, 'outside');
  const pod = await running(
    `mkdir -p /a ${outside}; echo inside > ${outside}/secret; ln -s ${outside} /a/dir; ln -s ${outside}/secret /a/file
     ln -s /proc/self/root /a/proc; ln -s ../../../../../.. /a/up; ln -s ${outside}/made /a/dangling`,
  );
  const out = join(here, 'out');
  for (const path of ['/a/file', '/a/dir/secret', `/a/up/${outside}/secret`]) {
    t.equal(on('cp', `${pod}:${path}`, out).status, 0, path);
    t.equal(readFileSync(out, 'utf8'), 'inside\n', path);
  }
  t.match(on('cp', `${pod}:/a/proc/etc`, out).stderr, /error: cannot read "\/a\/proc\/etc" /);
  t.equal(on('cp', join(here, 'file'), `${pod}:/a/dir`).status, 0);
  t.same(readdirSync(outside), ['secret']);
  t.equal(sh(pod, `cat ${outside}/file`), 'new');
  t.match(
    on('cp', join(here, 'file'), `${pod}:/a/file`).stderr,
    /a link or a file is in its place, and is not followed/,
  );
  t.match(on('cp', join(here, 'file'), `${pod}:/a/dangling`).stderr, /is not followed/);
  t.notOk(existsSync(join(outside, 'made')));
  // Links of this machine, in the place of what comes from the container.
  sh(pod, 'mkdir -p /tree/sub; echo x > /tree/sub/secret; echo x > /tree/secret');
  symlinkSync(outside, join(here, 'target/sub'));
  t.match(on('cp', `${pod}:/tree`, join(here, 'target')).stderr, /error: cannot write to ".*target\/sub"/);
  symlinkSync(join(outside, 'secret'), join(here, 'link'));
  t.match(on('cp', `${pod}:/tree/secret`, join(here, 'link')).stderr, /is not followed/);
  t.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'of the host');
  t.equal(on('cp', `${pod}:/tree/secret`, '/dev/null').status, 1);
  t.ok(statSync('/dev/null').isCharacterDevice());
  await stopAll();
  t.end();
});

t.test('a container swaps directories for links while it is copied', { skip: needsRoot }, async t => {
  const here = t.testdir({ outside: { file: 'of the host' }, tree: { d: { file: 'copied' } }, shared: {} });
  const outside = join(here, 'outside');
  // One tree in the root, and one in a directory that is also the local end.
  const swap = (at: string): string =>
    `while :; do ln -s ${outside} ${at}/l; mv -T ${at}/d ${at}/x; mv -T ${at}/l ${at}/d; rm ${at}/d; mv -T ${at}/x ${at}/d; done 2>/dev/null &`;
  const pod = await running(
    `mkdir -p /t/d /s/d; echo inside > /t/d/file; ${swap('/t')} ${swap('/s')}`,
    { volumes: [{ name: 's', hostPath: { path: join(here, 'shared') } }] },
    { volumeMounts: [{ name: 's', mountPath: '/s' }] },
  );
  let copied = 0;
  for (let i = 0; i < rounds(8) || (copied === 0 && i < 80); i++) {
    const out = join(here, `out${i}`);
    on('cp', `${pod}:/t`, out);
    const file = join(out, 'd/file');
    if (existsSync(file)) copied++;
    if (existsSync(file) && readFileSync(file, 'utf8') === 'of the host') t.fail('read from the host');
    if (existsSync(join(out, 'd'))) t.notOk(lstatSync(join(out, 'd')).isSymbolicLink());
    on('cp', join(here, 'tree/d'), `${pod}:/t`);
    on('cp', `${pod}:/t`, join(here, 'shared'));
    on('cp', join(here, 'tree/d/file'), `${pod}:/s/d/file`);
  }
  t.ok(copied > 0, 'something was');
  t.same(readdirSync(outside), ['file']);
  t.equal(readFileSync(join(outside, 'file'), 'utf8'), 'of the host');
  await stopAll();
  t.end();
});

t.test('files without end, holes, and trees without bottom', { skip: needsRoot }, async t => {
  const here = t.testdir({});
  const pod = await running(
    `truncate -s 64M /holes; echo end >> /holes; echo x > /grows; (while :; do echo more >> /grows; done) &
     d=/deep; mkdir $d; cd $d; i=0; while [ $i -lt 600 ]; do mkdir d; cd d; i=$((i+1)); done`,
  );
  t.equal(on('cp', `${pod}:/grows`, join(here, 'grows')).status, 0);
  t.equal(on('cp', `${pod}:/holes`, join(here, 'holes')).status, 0);
  const { size, blocks } = statSync(join(here, 'holes'));
  t.equal(size, 64 * 2 ** 20 + 4);
  t.ok(blocks * 512 < 2 ** 20, 'holes stay holes');
  t.equal(readFileSync(join(here, 'holes')).subarray(-4).toString(), 'end\n');
  t.match(
    on('cp', `${pod}:/deep`, join(here, 'deep')).stderr,
    /^error: container "probe": directories are nested deeper than 500\n$/,
  );
  await stopAll();
  t.end();
});

t.test('what cannot be copied', { skip: needsRoot }, async t => {
  const here = t.testdir({ file: '' });
  const pod = await running('true');
  for (const [from, to, message] of [
    [`${pod}:/none`, here, 'cannot read "/none" in container "probe": no such file or directory'],
    [join(here, 'none'), `${pod}:/x`, /^cannot read ".*none" in this machine: no such file or directory/],
    [
      join(here, 'file'),
      `${pod}:/no/such/dir`,
      'cannot write to "/no/such" in container "probe": no such file or directory',
    ],
    [
      `${pod}:/etc/passwd`,
      join(here, 'no/such/file'),
      /^cannot write to ".*no\/such" in this machine: no such file/,
    ],
    [join(here, 'file'), `${pod}:/nosuch/`, '"/nosuch/" in container "probe" is no directory'],
    [`${pod}:/etc/passwd`, `${here}/nosuch/`, /nosuch\/" in this machine is no directory/],
    [here, '/tmp', 'one of src or dest must be a remote file specification'],
    [`${pod}:/a`, `${pod}:/b`, 'one of src or dest must be a local file specification'],
    [`${pod}:`, here, 'filepath can not be empty'],
    [':/a', here, 'filespec must match the canonical format: [[namespace/]pod:]file/path'],
    ['nosuch:/a', here, /^pods "nosuch" not found/],
  ] as const) {
    const { status, stderr } = on('cp', from, to);
    t.equal(status, 1);
    t.match(stderr.replace(/^error: /, ''), message);
  }
  t.match(
    on('cp', `${pod}:/etc/passwd`, join(here, 'x'), '-c', 'none').stderr,
    /container none is not valid for pod/,
  );
  t.notOk(existsSync(join(here, 'x')));
  await stopAll();
  t.end();
});

t.test('nothing is left behind', { skip: needsRoot }, t => {
  t.same(state.left(), []);
  t.end();
});

t.test('a tar on standard output and input', { skip: needsRoot }, async t => {
  const pod = await running(
    'mkdir -p /from/deep; echo one > /from/deep/file; ln -s /etc /from/link; mkdir /to',
  );
  const bash = (script: string): Ran => {
    const { status, stdout, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
    return { status, stdout, stderr };
  };
  const cp = (from: string, to: string): string =>
    `${process.execPath} ${PODSPACE} cp --root ${root} ${from} ${to}`;
  t.same(bash(`${cp(`${pod}:/from`, '-')} | tar -t`), {
    status: 0,
    stdout: './from/\n./from/deep/\n./from/deep/file\n',
    stderr: 'Warning: skipping symlink "/from/link"\n',
  });
  t.match(bash(`${cp(`${pod}:/from/deep/file`, '-')} | tar -xO`), { status: 0, stdout: 'one\n' });
  const here = t.testdir({ a: { b: 'two' }, c: 'three' });
  const sent = bash(
    `tar -C ${here} -c ../../../../../../../../etc/hostname a c 2>/dev/null | ${cp('-', `${pod}:/to`)}`,
  );
  t.equal(sent.status, 0, 'what would leave the directory stays in it');
  t.equal(sh(pod, 'cat /to/a/b /to/c; ls /to'), 'twothreea\nc\netc\n');
  t.match(bash(`tar -C ${here} -c c | ${cp('-', `${pod}:/none`)}`), {
    status: 1,
    stderr: /^error: "\/none" in container "\w+" is no directory\n$/,
  });
  t.match(bash(`echo no tar | ${cp('-', `${pod}:/to`)}`), { status: 1, stderr: /error: tar failed\n$/ });
  t.same(
    readdirSync(tmpdir()).filter(name => name.startsWith('podspace-cp-')),
    [],
  );
});
