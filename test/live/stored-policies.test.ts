import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isRoot, needsRoot, PODSPACE, podspace } from './harness.ts';
import { importImages, listOf, mayUse, ownState, policy, range, scripted } from './with-policies.ts';

const state = ownState(t.testdir({}));
const { directory, root, on, write, outputOf } = state;

t.before(() => {
  if (isRoot) importImages(state);
});

t.test(
  'the store decides until it is empty; --policy wins over it, the file over both',
  { skip: needsRoot },
  t => {
    const users = (name: string, uid: number): string =>
      write(name, policy('p', { runAsUser: range(uid, uid) }));
    const pod = scripted('id -u');
    const asFile = (uid: number): object => listOf(policy('p', { runAsUser: range(uid, uid) }), pod);
    t.match(on('create', '-f', users('store.json', 11)), {
      status: 0,
      stdout: 'podsecuritypolicy.policy/p created\n',
    });
    mkdirSync(join(directory, 'policies/deep'), { recursive: true });
    users('policies/deep/p.yaml', 22);
    t.equal(outputOf(pod), '11\n');
    t.equal(outputOf(pod, '--policy', join(directory, 'policies')), '22\n');
    t.equal(outputOf(asFile(33), '--policy', join(directory, 'policies')), '33\n');
    t.equal(outputOf(asFile(33)), '33\n');
    t.match(podspace(['run', '-', '--root', root, '--as', 'bob'], JSON.stringify(pod)), {
      status: 1,
      stderr: /may use none of: p\n$/,
    });
    for (const words of [
      ['create', 'clusterrole', 'use-p', '--verb=use', '--resource=podsecuritypolicies', '--resource-name=p'],
      ['create', 'clusterrolebinding', 'all', '--clusterrole=use-p', '--group=system:authenticated'],
    ])
      t.equal(on(...words).status, 0);
    t.match(on('auth', 'can-i', 'use', 'psp/p', '--as', 'bob'), { status: 0, stdout: 'yes\n' });
    t.match(on('auth', 'can-i', 'use', 'psp/q', '--as', 'bob'), { status: 1, stdout: 'no\n' });
    t.equal(outputOf(pod, '--as', 'bob'), '11\n');
    t.match(on('delete', 'psp/p', 'clusterrole/use-p', 'clusterrolebinding/all'), { status: 0, stderr: '' });
    t.equal(existsSync(join(root, 'objects')), false);
    t.equal(outputOf(pod), '0\n');
    t.end();
  },
);

t.test('many creates of one object at once: one wins', { skip: needsRoot }, async t => {
  const file = write('a.json', policy('p'), ...mayUse('users', 'p'));
  const results = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const child = spawn(process.execPath, [PODSPACE, 'create', '-f', file, '--root', root], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let text = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (text += chunk));
      const code = await new Promise<number | null>(done => child.once('close', done));
      return { code, text };
    }),
  );
  const all = results.map(({ text }) => text).join('');
  for (const name of ['podsecuritypolicy.policy/p', 'clusterrole.rbac.authorization.k8s.io/users'])
    t.equal(all.split(`${name} created`).length - 1, 1, name);
  t.equal(all.split('podsecuritypolicies.policy "p" already exists').length - 1, 5);
  t.ok(results.filter(({ code }) => code === 0).length <= 1);
  t.match(on('get', 'psp,clusterrole,clusterrolebinding', '-o', 'name'), {
    stdout:
      'podsecuritypolicy.policy/p\nclusterrole.rbac.authorization.k8s.io/users\nclusterrolebinding.rbac.authorization.k8s.io/users\n',
  });
});

t.test('a create that is killed leaves a whole object or none', { skip: needsRoot }, async t => {
  const objects = Array.from({ length: 120 }, (_, i) => policy(`killed-${i}`));
  const file = write('many.json', ...objects);
  const child = spawn(process.execPath, [PODSPACE, 'create', '-f', file, '--root', root], {
    stdio: 'ignore',
  });
  const closed = new Promise(done => child.once('close', done));
  const stored = (): readonly string[] => readdirSync(join(root, 'objects/PodSecurityPolicy'));
  while (stored().length < 20) await new Promise(done => setTimeout(done, 2));
  child.kill('SIGKILL');
  await closed;
  const { status, stdout } = on('get', 'psp', '-o', 'name');
  const names = stdout.split('\n').filter(line => line.includes('killed-'));
  t.equal(status, 0);
  t.ok(names.length >= 15, `${names.length} of 120 are there`);
  t.equal(on('create', '-f', file).stdout.split('\n').length - 1, 120 - names.length, 'the rest can be made');
  t.match(on('delete', '-f', file), { status: 0 });
  t.match(on('delete', '-f', join(directory, 'a.json')), { status: 0 });
});

t.test('a damaged object is an error of every command that would go by it', { skip: needsRoot }, t => {
  const file = join(root, 'objects/PodSecurityPolicy/p.json');
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, '{"apiVersion": "policy/v1beta1", "kind": "Pod');
  const pod = JSON.stringify(scripted('echo ran'));
  for (const words of [
    ['run', '-'],
    ['validate', '-'],
    ['explain', '-'],
    ['get', 'psp'],
    ['auth', 'can-i', 'use', 'psp/p'],
  ])
    t.match(podspace([...words, '--root', root], pod), {
      status: 1,
      stdout: '',
      stderr:
        /^error: the stored object ".*p\.json" is damaged: (.*\n)+hint: remove the file, and create the object again\n$/,
    });
  t.match(on('delete', 'psp', 'p'), { status: 0, stdout: 'podsecuritypolicy.policy "p" deleted\n' });
  t.match(podspace(['run', '-', '--root', root], pod), { stdout: 'ran\n' });
  t.end();
});
