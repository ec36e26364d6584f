import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { UserError } from '../../../src/base/errors.ts';
import { rootsAt } from '../../../src/oci/pod-paths.ts';
import { hasObjects, type ObjectKey, ObjectStore } from '../../../src/runtime/object-store.ts';

const RBAC = 'rbac.authorization.k8s.io/v1';
const roleKey = (name: string, namespace = 'default'): ObjectKey => ({ kind: 'Role', namespace, name });
const policyKey = (name: string): ObjectKey => ({ kind: 'PodSecurityPolicy', namespace: undefined, name });
const ANY = { rule: 'RunAsAny' };
const POLICY = { spec: { runAsUser: ANY, seLinux: ANY, fsGroup: ANY, supplementalGroups: ANY } };

/** What the other processes of the race do: this file, started again. */
if (process.env.STORE_TO_RACE_IN !== undefined) {
  const store = new ObjectStore(rootsAt(process.env.STORE_TO_RACE_IN));
  for (let i = 0; i < 400; i++) {
    const key = roleKey(`r${i % 2}`);
    const did = i % 3 === 0 ? store.remove(key) : store.create(key, RBAC, { rules: [] });
    store.list('Role');
    store.get(key);
    if (did) process.stdout.write(i % 3 === 0 ? '-' : '+');
  }
  process.exit(0);
}

function setUp(t: { testdir: typeof import('tap').default.testdir }) {
  const root = t.testdir();
  const roots = rootsAt(root);
  return { roots, store: new ObjectStore(roots), files: join(roots.state, 'objects') };
}

/** The message and hint of a UserError. */
function mistakeOf(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof UserError) return `${error.message} | ${error.hint}`;
    throw error;
  }
  return 'none';
}

const namesOf = (store: ObjectStore, kind: string): readonly unknown[] =>
  store.list(kind).map(({ object }) => (object as { metadata: { name: string } }).metadata.name);

t.test('what is created is there until it is removed, and leaves nothing', t => {
  const { roots, store, files } = setUp(t);
  t.equal(hasObjects(roots), false);
  t.same(store.list('Role'), []);
  t.equal(store.get(roleKey('r')), undefined);
  t.equal(store.remove(roleKey('r')), false);
  t.equal(store.create(roleKey('r'), RBAC, { metadata: { labels: { a: 'b' } }, rules: [] }), true);
  t.equal(hasObjects(roots), true);
  const found = store.get(roleKey('r'));
  t.match(found, {
    apiVersion: RBAC,
    kind: 'Role',
    object: {
      metadata: {
        name: 'r',
        namespace: 'default',
        labels: { a: 'b' },
        uid: /^[0-9a-f-]{36}$/,
        creationTimestamp: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
      },
    },
  });
  t.same(found?.source.locate('metadata.labels.a').line, 6, 'mistakes in it have their lines');
  t.equal(store.create(roleKey('r'), RBAC, { rules: [] }), false, 'it is not replaced');
  t.match(store.get(roleKey('r')), { object: { metadata: { labels: { a: 'b' } } } });
  t.equal(store.create(roleKey('r', 'other'), RBAC, { rules: [] }), true, 'once in each namespace');
  t.equal(store.list('Role').length, 2);
  t.equal(store.remove(roleKey('r')), true);
  t.equal(store.remove(roleKey('r')), false);
  t.equal(store.remove(roleKey('r', 'other')), true);
  t.equal(existsSync(files), false);
  t.end();
});

t.test('a cluster-wide object has no namespace, whatever its file says', t => {
  const { store } = setUp(t);
  store.create(policyKey('p'), 'policy/v1beta1', { ...POLICY, metadata: { namespace: 'n' } });
  t.match(store.get(policyKey('p')), { object: { metadata: { namespace: undefined } } });
  t.end();
});

t.test('lists are sorted by namespace and name', t => {
  const { store } = setUp(t);
  for (const [name, namespace] of [
    ['b', 'a-b'],
    ['a-b', 'a'],
    ['a', 'a'],
    ['a:b', 'a'],
    ['A', 'a'],
  ] as const)
    store.create(roleKey(name, namespace), RBAC, { rules: [] });
  t.strictSame(namesOf(store, 'Role'), ['A', 'a', 'a-b', 'a:b', 'b']);
  t.end();
});

t.test('no name leaves the directory, or is lost', t => {
  const { roots, store, files } = setUp(t);
  const names = ['.', '..', '.hidden', '../x', 'a/../../b', '%2E', 'system:node', 'ä', '\ud800', 'x.json'];
  for (const name of names) {
    t.equal(store.create(roleKey(name), RBAC, { rules: [] }), true, name);
    t.match(store.get(roleKey(name)), { object: { metadata: { name } } });
  }
  for (const namespace of ['..', '.', '../..'])
    t.equal(store.create(roleKey('r', namespace), RBAC, { rules: [] }), true, namespace);
  t.equal(store.list('Role').length, names.length + 3);
  t.strictSame(readdirSync(roots.state), ['objects']);
  t.strictSame(readdirSync(files), ['Role']);
  for (const name of names) t.equal(store.remove(roleKey(name)), true);
  for (const namespace of ['..', '.', '../..']) t.equal(store.remove(roleKey('r', namespace)), true);
  t.equal(existsSync(files), false);
  t.end();
});

t.test('a name that no file can have', t => {
  const { store, files } = setUp(t);
  const key = roleKey('x'.repeat(300));
  const file = join(files, 'Role/default', `${key.name}.json`);
  t.equal(
    mistakeOf(() => store.create(key, RBAC, { rules: [] })),
    `cannot store "${file}": name too long | undefined`,
  );
  t.equal(existsSync(files), false, 'nothing is left of it');
  store.create(roleKey('r'), RBAC, { rules: [] });
  t.equal(store.get(key), undefined);
  t.equal(store.remove(key), false);
  t.end();
});

const head = '"apiVersion": "policy/v1beta1", "kind": "PodSecurityPolicy"';
const spec = JSON.stringify(POLICY.spec);
const DAMAGED: Readonly<Record<string, RegExp>> = {
  '': /is damaged: it is not one object \| remove the file, and create the object again$/,
  '{': /is damaged: .*p\.json:1:2: /,
  null: /is damaged: it is not one object/,
  '[]': /is damaged: .*expected a Kubernetes object/,
  '"x"': /is damaged: .*expected a Kubernetes object/,
  '{}': /is damaged: .*apiVersion: Required value/,
  [`{${head}, "metadata": {"name": "p"}, "spec": "x"}`]: /is damaged: .*p\.json:1:98: spec: expected/,
  [`{${head}, "metadata": {"name": "p"}, "spec": {"hostPorts": "x"}}`]:
    /is damaged: .*spec\.hostPorts: expected/,
  [`{${head}, "metadata": {"name": "p"}, "spec": ${spec}, "more": 1}`]: /is damaged: .*unknown field "more"/,
  [`{${head}, "metadata": {"name": "other"}, "spec": ${spec}}`]:
    /is damaged: it is another object than its name says/,
  [`{${head}, "metadata": {"name": "p", "namespace": "n"}, "spec": ${spec}}`]:
    /is damaged: it is another object/,
  '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "p"}}': /is damaged: it is another object/,
  '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}': /is damaged: it is not one object/,
  '\ud800': /not UTF-8 text|control characters|expected/,
};

t.test('a damaged file is an error, whoever asks: without it others would decide', t => {
  const { store, files } = setUp(t);
  const file = join(files, 'PodSecurityPolicy/p.json');
  mkdirSync(join(files, 'PodSecurityPolicy'), { recursive: true });
  for (const [text, message] of Object.entries(DAMAGED)) {
    writeFileSync(file, text);
    for (const read of [() => store.list('PodSecurityPolicy'), () => store.get(policyKey('p'))])
      t.match(mistakeOf(read), message, text);
  }
  t.equal(store.remove(policyKey('p')), true, 'it can be removed');
  t.end();
});

t.test('a file that is being written is nothing yet; one whose writer was killed is swept', t => {
  const { store, files } = setUp(t);
  store.create(roleKey('r'), RBAC, { rules: [] });
  const [fresh, stale] = ['.fresh', '.stale'].map(name => join(files, 'Role/default', name));
  if (fresh === undefined || stale === undefined) return t.fail();
  for (const file of [fresh, stale]) writeFileSync(file, '{"half":');
  utimesSync(stale, new Date(), new Date(Date.now() - 120_000));
  t.strictSame(namesOf(store, 'Role'), ['r']);
  t.strictSame(store.sweep(true), [stale]);
  t.equal(existsSync(stale), true);
  t.strictSame(store.sweep(), [stale]);
  t.equal(existsSync(stale), false);
  t.equal(existsSync(fresh), true);
  utimesSync(fresh, new Date(), new Date(Date.now() - 120_000));
  store.remove(roleKey('r'));
  store.sweep();
  t.equal(existsSync(files), false, 'the directories go with the last file');
  t.same(store.sweep(), []);
  return t.end();
});

t.test('everybody may read what root has stored, whatever its umask', t => {
  const { store, files } = setUp(t);
  const before = process.umask(0o077);
  try {
    store.create(roleKey('r'), RBAC, { rules: [] });
  } finally {
    process.umask(before);
  }
  for (const path of ['', 'Role', 'Role/default'])
    t.equal(statSync(join(files, path)).mode & 0o777, 0o755, path);
  t.equal(statSync(join(files, 'Role/default/r.json')).mode & 0o777, 0o644);
  t.end();
});

t.test('what cannot be read is an error', t => {
  const { roots, store, files } = setUp(t);
  mkdirSync(roots.state, { recursive: true });
  writeFileSync(files, 'a file');
  t.match(
    mistakeOf(() => store.create(roleKey('r'), RBAC, {})),
    /^cannot store ".*r\.json": not a directory/,
  );
  mkdirSync(join(`${files}2`, 'objects/Role/default/r.json'), { recursive: true });
  const other = new ObjectStore({ ...roots, state: `${files}2` });
  t.equal(
    mistakeOf(() => other.get(roleKey('r'))),
    `cannot read "${files}2/objects/Role/default/r.json": is a directory | undefined`,
  );
  t.end();
});

t.test('many processes that create, read and remove the same objects', async t => {
  const { roots, store } = setUp(t);
  const root = t.testdirName;
  const outputs = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
        env: { ...process.env, STORE_TO_RACE_IN: root },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let [stdout, stderr] = ['', ''];
      child.stdout.on('data', chunk => {
        stdout += chunk;
      });
      child.stderr.on('data', chunk => {
        stderr += chunk;
      });
      const code = await new Promise<number | null>(done => child.once('close', done));
      t.equal(code, 0, stderr);
      return stdout;
    }),
  );
  const [created = 0, removed = 0] = ['+', '-'].map(sign => outputs.join('').split(sign).length - 1);
  t.ok(created > 100, `${created} were created, ${removed} removed`);
  t.equal(store.list('Role').length, created - removed, 'each create and each remove had one winner');
  for (const key of [roleKey('r0'), roleKey('r1')]) store.remove(key);
  t.equal(hasObjects(roots), false, 'nothing else is left');
});
