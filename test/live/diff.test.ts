import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { layoutOf, makeImage, tarOfFiles } from '../unit/image/image-builder.ts';
import { busyboxLayer } from './busybox-layer.ts';
import { isRoot, needsRoot, podspace, STAY, start } from './harness.ts';
import { importImages, ownState, scripted } from './with-policies.ts';

const state = ownState(t.testdir({}));
const { root, on } = state;

t.before(() => {
  if (isRoot) importImages(state);
});

/** What diff says of a pod that has run a script. */
async function diffOf(script: string, spec: object = {}, container: object = {}) {
  const pod = scripted(`${script}\n${STAY}`, { terminationGracePeriodSeconds: 0, ...spec }, container);
  const run = start(['run', '-', '--root', root], JSON.stringify(pod));
  try {
    await run.waitFor('ready');
    const { name } = pod.metadata;
    for (let i = 0; i < 200; i++) {
      if (podspace(['exec', '--root', root, name, '--', 'true']).status === 0) break;
      await new Promise(done => setTimeout(done, 20));
    }
    return on('diff', name);
  } finally {
    run.child.kill('SIGTERM');
    await run.ended;
  }
}

t.test('nothing, where the container has changed nothing', { skip: needsRoot }, async t => {
  const volumes = [{ name: 'v', emptyDir: {} }];
  const mounts = { volumeMounts: [{ name: 'v', mountPath: '/new/deep/mount' }] };
  t.same(await diffOf('echo x > /new/deep/mount/x', { volumes }, mounts), {
    status: 0,
    stdout: '',
    stderr: '',
  });
  t.end();
});

t.test('added, changed and deleted, in users of its own too', { skip: needsRoot }, async t => {
  const script = `mkdir -p /srv/a/b; echo 1 > /srv/a/b/file; echo root:x:0:0::/: > /etc/passwd; rm /etc/group
    ln -s /etc /srv/link; touch /tmp/t; rm /tmp/t; touch "/srv/$(printf 'a\\033b')"`;
  for (const more of [{}, { hostUsers: false }]) {
    const { status, stdout, stderr } = await diffOf(script, more);
    t.same([status, stderr], [0, '']);
    const lines = stdout.split('\n').filter(line => !/^[AC] \/(srv|tmp|etc)$/.test(line));
    t.same(lines, [
      'D /etc/group',
      'C /etc/passwd',
      'A /srv/a',
      'A /srv/a/b',
      'A /srv/a/b/file',
      'A /srv/a?b',
      'A /srv/link',
      '',
    ]);
    t.match(stdout, /^C \/etc$/m);
  }
  t.end();
});

t.test('a directory that took the place of one of the image', { skip: needsRoot }, async t => {
  const { stdout } = await diffOf('rm -r /etc; mkdir /etc; echo x > /etc/passwd; echo y > /etc/new');
  t.match(stdout, /^C \/etc$/m);
  t.match(stdout, /^C \/etc\/passwd$/m);
  t.match(stdout, /^A \/etc\/new$/m);
  t.match(stdout, /^D \/etc\/group$/m);
  t.end();
});

t.test('links in the layer are not followed while they are swapped', { skip: needsRoot }, async t => {
  const here = t.testdir({ outside: { 'only-on-the-host': '' } });
  const swap = `while :; do ln -s ${join(here, 'outside')} /t/l; mv -T /t/d /t/x; mv -T /t/l /t/d; rm /t/d; mv -T /t/x /t/d; done 2>/dev/null &`;
  for (let i = 0; i < 3; i++) {
    const { status, stdout } = await diffOf(`mkdir -p /t/d; touch /t/d/file; ${swap}`);
    t.equal(status, 0);
    t.match(stdout, /^A \/t$/m);
    t.notMatch(stdout, 'only-on-the-host');
  }
  t.end();
});

t.test('nothing is left behind', { skip: needsRoot }, t => {
  t.same(state.left(), []);
  t.end();
});

t.test('of an image of many layers', { skip: needsRoot }, async t => {
  const layers = Array.from({ length: 20 }, (_, i) => [{ name: `n${i}`, data: String(i) }]);
  const file = join(state.directory, 'layers.tar');
  writeFileSync(
    file,
    tarOfFiles(layoutOf([{ image: makeImage([busyboxLayer(), ...layers, [{ name: '.wh.n3' }]]) }])),
  );
  t.equal(on('image', 'import', 'localhost/layers', file).stderr, '');
  const script = 'rm /n0; echo x > /n1; echo x > /n3; echo x > /new';
  const { stdout } = await diffOf(script, {}, { image: 'localhost/layers' });
  t.equal(stdout, 'D /n0\nC /n1\nA /n3\nA /new\n');
  t.end();
});
