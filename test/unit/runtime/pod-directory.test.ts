import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { rootsAt } from '../../../src/oci/pod-paths.ts';
import { isLocked } from '../../../src/runtime/lock-file.ts';
import {
  findPods,
  findRunningPod,
  isSameProcess,
  PodDirectory,
  type PodRecord,
  startTimeOf,
  writeRecord,
} from '../../../src/runtime/pod-directory.ts';
import { newUid } from '../../../src/runtime/uid.ts';

const setUp = (t: Pick<Test, 'testdir'>): { readonly roots: ReturnType<typeof rootsAt> } => ({
  roots: rootsAt(join(t.testdir(), 'state')),
});

const record = (uid: string, name: string, namespace = 'default'): PodRecord => ({
  uid,
  name,
  namespace,
  createdAt: 0,
  owner: { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' },
  pod: {},
  pause: undefined,
  cgroup: undefined,
  images: [],
  containers: [],
});

/** A pod that runs, as other commands see it. */
function runningPod(roots: ReturnType<typeof rootsAt>, name: string, namespace = 'default'): PodDirectory {
  const uid = newUid();
  const directory = PodDirectory.create(roots, uid, namespace, name);
  writeRecord(directory.paths, record(uid, name, namespace));
  return directory;
}

t.test('a name belongs to one running pod at a time', t => {
  const { roots } = setUp(t);
  const first = PodDirectory.create(roots, newUid(), 'default', 'web');
  t.throws(() => PodDirectory.create(roots, newUid(), 'default', 'web'), {
    name: 'UserError',
    message: 'pods "web" already exists',
    hint: /podspace ps/,
  });
  const other = PodDirectory.create(roots, newUid(), 'other', 'web');
  t.equal(findPods(roots).length, 2, 'nothing of the refused one is there');
  first.remove();
  const again = PodDirectory.create(roots, newUid(), 'default', 'web');
  for (const pod of [other, again]) pod.remove();
  t.notOk(existsSync(roots.state), 'and at the end nothing at all');
  t.end();
});

t.test('a name of any length that Kubernetes allows', t => {
  const { roots } = setUp(t);
  const [namespace, name] = ['n'.repeat(63), `${'a'.repeat(63)}.`.repeat(4).slice(0, 252)];
  const pods = [`${name}x`, `${name}y`].map(each => PodDirectory.create(roots, newUid(), namespace, each));
  t.throws(() => PodDirectory.create(roots, newUid(), namespace, `${name}x`), { message: /already exists/ });
  for (const pod of pods) pod.remove();
  t.notOk(existsSync(roots.state));
  t.end();
});

t.test('a pod is alive while its directory is locked', t => {
  const { roots } = setUp(t);
  const pod = runningPod(roots, 'web');
  t.match(findPods(roots), [{ isAlive: true, record: { name: 'web' } }]);
  t.ok(isLocked(join(pod.paths.run, 'lock')));
  // What a killed command leaves: the same files, and no lock.
  const dead = newUid();
  mkdirSync(join(roots.run, 'pods', dead), { recursive: true });
  writeFileSync(join(roots.run, 'pods', dead, 'lock'), '');
  writeFileSync(join(roots.run, 'pods', dead, 'pod.json'), JSON.stringify(record(dead, 'dead')));
  const half = newUid();
  mkdirSync(join(roots.run, 'pods', `.${half}`));
  mkdirSync(join(roots.state, 'pods', newUid()));
  const found = findPods(roots);
  t.equal(found.length, 4);
  t.same(
    found.filter(({ isAlive }) => isAlive).map(each => each.record?.name),
    ['web'],
  );
  t.equal(found.find(({ paths }) => paths.uid === dead)?.record?.name, 'dead');
  t.throws(() => findRunningPod(roots, 'dead'), { message: 'pods "dead" not found', hint: 'running: web' });
  pod.remove();
  t.end();
});

t.test('a lock ends with the process that holds it', t => {
  const { roots } = setUp(t);
  mkdirSync(roots.state, { recursive: true });
  const file = join(roots.state, 'lock');
  t.notOk(isLocked(file), 'no file is no lock');
  writeFileSync(file, '');
  t.notOk(isLocked(file));
  const { status } = spawnSync('flock', ['-x', file, 'true']);
  if (status === 0) t.notOk(isLocked(file));
  t.end();
});

t.test('a running pod by its name, with its namespace, or by its uid', t => {
  const { roots } = setUp(t);
  const web = runningPod(roots, 'web');
  const other = runningPod(roots, 'web', 'other');
  const db = runningPod(roots, 'db');
  for (const name of ['db', 'default/db', db.paths.uid])
    t.equal(findRunningPod(roots, name).record.uid, db.paths.uid, name);
  t.equal(findRunningPod(roots, 'other/web').record.uid, other.paths.uid);
  t.throws(() => findRunningPod(roots, 'web'), {
    message: 'pod "web" is ambiguous',
    hint: /^(default\/web, other\/web|other\/web, default\/web)$/,
  });
  for (const name of ['', 'nosuch', '../db', 'other/db'])
    t.throws(() => findRunningPod(roots, name), { name: 'UserError', message: `pods "${name}" not found` });
  for (const pod of [web, other, db]) pod.remove();
  t.throws(() => findRunningPod(roots, 'web'), { name: 'UserError', hint: 'no pod is running' });
  t.end();
});

t.test('a record that is being written, or damaged, is no record', t => {
  const { roots } = setUp(t);
  const pod = runningPod(roots, 'web');
  for (const text of ['', '{"uid": "', 'not json']) {
    writeFileSync(join(pod.paths.run, 'pod.json'), text);
    t.match(findPods(roots), [{ isAlive: true, record: undefined }]);
  }
  pod.remove();
  t.end();
});

t.test('nobody else may look into a pod’s directories', t => {
  const { roots } = setUp(t);
  const before = process.umask(0);
  const pod = runningPod(roots, 'web');
  process.umask(before);
  for (const path of [pod.paths.run, join(pod.paths.run, 'ns'), join(pod.paths.run, 'root'), pod.paths.state])
    t.equal(statSync(path).mode & 0o077, 0, path);
  for (const file of ['pod.json', 'lock']) t.equal(statSync(join(pod.paths.run, file)).mode & 0o077, 0, file);
  pod.remove();
  t.end();
});

t.test('a process is known by its pid and its start', t => {
  const startTime = startTimeOf(process.pid) ?? '';
  t.match(startTime, /^\d+$/);
  t.ok(isSameProcess({ pid: process.pid, startTime }));
  t.notOk(isSameProcess({ pid: process.pid, startTime: `${Number(startTime) + 1}` }), 'a reused pid');
  t.equal(startTimeOf(2 ** 22 + 1), undefined, 'no pid is so high');
  // comm may hold anything, so a pid is not split at blanks from the left.
  const script = 'printf "a) 1 2 (b" > /proc/$$/comm; cat /proc/$$/stat; sleep 0.3';
  const child = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
  t.match(child.stdout, '(a) 1 2 (b)');
  t.end();
});
