import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ApiError } from '../../../src/agent/api-error.ts';
import type { ApiObject, WatchEvent } from '../../../src/agent/objects.ts';
import { Registry } from '../../../src/agent/registry.ts';
import { type Roots, rootsAt } from '../../../src/oci/pod-paths.ts';
import { ObjectStore } from '../../../src/runtime/object-store.ts';

type Test = typeof import('tap').default;

async function setUp(t: { testdir: Test['testdir']; teardown: Test['teardown'] }) {
  const roots = rootsAt(t.testdir());
  const warnings: string[] = [];
  const open = async (): Promise<Registry> => {
    const registry = await Registry.open(roots, { onWarning: message => warnings.push(message) });
    t.teardown(() => registry.close());
    return registry;
  };
  const watched = (registry: Registry, kind: string, from?: string): string[] => {
    const seen: string[] = [];
    t.teardown(
      registry.watch(kind, from, ({ type, object }: WatchEvent) => {
        seen.push(`${type} ${object.metadata.namespace ?? '-'}/${object.metadata.name}`);
      }),
    );
    return seen;
  };
  return { roots, warnings, open, watched, registry: await open(), store: new ObjectStore(roots) };
}

const configMap = (name: string, data: Record<string, string> = {}, namespace = 'default'): ApiObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace },
  data,
});
const pod = (name: string, more: object = {}, namespace = 'default'): ApiObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace },
  spec: { containers: [{ name: 'main', image: 'busybox' }], terminationGracePeriodSeconds: 5, ...more },
});
const namespace = (name: string): ApiObject => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });

/** `REASON CODE: message` of what is thrown. */
function refusal(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof ApiError) return `${error.status.reason} ${error.code}: ${error.message}`;
    throw error;
  }
  return 'nothing is thrown';
}

/** Waits for what the kernel tells a moment later. */
async function until(condition: () => boolean): Promise<boolean> {
  for (let i = 0; i < 200 && !condition(); i++) await new Promise(resolve => setTimeout(resolve, 10));
  return condition();
}

/** A claim with data; where those are. */
function claimIn(registry: Registry, roots: Roots, namespace: string): string {
  registry.create({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'c', namespace } });
  const data = join(roots.state, 'claims', namespace, 'c');
  mkdirSync(data, { recursive: true });
  return data;
}

t.test('an object is made once, with an identity and a version', async t => {
  const { registry, roots } = await setUp(t);
  const made = registry.create(configMap('a', { k: 'v' }));
  t.match(made.metadata, { uid: /^[0-9a-f-]{36}$/, creationTimestamp: /Z$/, resourceVersion: /^\d+$/ });
  t.equal(made.metadata.resourceVersion, registry.resourceVersion);
  t.equal(registry.get('ConfigMap', 'default', 'a'), made);
  const file = JSON.parse(readFileSync(join(roots.state, 'objects/ConfigMap/default/a.json'), 'utf8'));
  const { resourceVersion: _, ...metadata } = made.metadata;
  t.strictSame(file, { ...made, metadata });
  t.equal(
    refusal(() => registry.create(configMap('a'))),
    'AlreadyExists 409: configmaps "a" already exists',
  );
  t.equal(
    refusal(() => registry.create(configMap('a', {}, 'nowhere'))),
    'NotFound 404: namespaces "nowhere" not found',
  );
});

t.test('an update keeps what is the API server’s, and refuses what is stale', async t => {
  const { registry } = await setUp(t);
  const made = registry.create(configMap('a', { k: '1' }));
  const changed = registry.update({ ...made, data: { k: '2' } });
  t.equal(changed.metadata.uid, made.metadata.uid);
  t.ok(Number(changed.metadata.resourceVersion) > Number(made.metadata.resourceVersion));
  t.equal(
    refusal(() => registry.update({ ...made, data: { k: '3' } })),
    'Conflict 409: Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
  );
  t.strictSame(
    registry.update(configMap('a', { k: '4' })).data,
    { k: '4' },
    'without a version the last wins',
  );
  const before = registry.resourceVersion;
  t.equal(
    registry.update(configMap('a', { k: '4' })).metadata.resourceVersion,
    before,
    'no change, no version',
  );
  t.match(
    refusal(() =>
      registry.update({ ...made, metadata: { ...made.metadata, uid: 'x', resourceVersion: '' } }),
    ),
    /^Conflict 409: .*Precondition failed: UID in precondition: x, UID in object meta: /,
  );
  t.equal(
    refusal(() => registry.update(configMap('b'))),
    'NotFound 404: configmaps "b" not found',
  );
});

t.test('a pod without a grace period goes at once', async t => {
  const { registry, roots } = await setUp(t);
  registry.create(pod('p'));
  t.equal(
    registry.delete('Pod', 'default', 'p', { gracePeriodSeconds: 0 }).metadata.deletionGracePeriodSeconds,
    0,
  );
  t.equal(registry.get('Pod', 'default', 'p'), undefined);
  t.notOk(existsSync(join(roots.state, 'objects/Pod/default/p.json')));
});

t.test('a pod that has gone at once keeps its namespace, and its data, until it has ended', async t => {
  const { registry, roots, open } = await setUp(t);
  registry.create(namespace('team'));
  const data = claimIn(registry, roots, 'team');
  const { uid = '' } = registry.create(pod('p', {}, 'team')).metadata;
  registry.delete('Namespace', undefined, 'team');
  t.equal(
    registry.delete('Pod', 'team', 'p', { gracePeriodSeconds: -5 }).metadata.deletionGracePeriodSeconds,
    1,
    'less than none is one second',
  );
  registry.delete('Pod', 'team', 'p', { gracePeriodSeconds: 0 });
  t.equal(registry.pod(uid), undefined);
  t.match(registry.get('Namespace', undefined, 'team')?.status, { phase: 'Terminating' });
  t.ok(existsSync(data));
  registry.removed('of another one');
  t.ok(existsSync(data));
  // The next agent does not know the pod, and finishes when it has ended what runs.
  const next = await open();
  t.ok(next.get('Namespace', undefined, 'team'));
  next.finishNamespaces();
  t.equal(next.get('Namespace', undefined, 'team'), undefined);
  t.notOk(existsSync(data));
  registry.removed(uid);
  t.equal(registry.get('Namespace', undefined, 'team'), undefined);
});

t.test('a pod is bound once', async t => {
  const { registry } = await setUp(t);
  const { uid = '' } = registry.create(pod('p')).metadata;
  registry.bind(uid, 'one');
  registry.bind(uid, 'other');
  registry.bind('nobody', 'one');
  t.match(registry.pod(uid)?.spec, { nodeName: 'one' });
});

t.test('a pod goes when its manager says so', async t => {
  const { registry, roots, watched } = await setUp(t);
  const seen = watched(registry, 'Pod');
  const made = registry.create(pod('p'));
  const uid = made.metadata.uid ?? '';
  registry.setPodStatus(uid, { phase: 'Running' });
  registry.setPodStatus(uid, { phase: 'Running' });
  t.strictSame(registry.get('Pod', 'default', 'p')?.status, { phase: 'Running' });
  const file = join(roots.state, 'objects/Pod/default/p.json');
  t.notOk(JSON.parse(readFileSync(file, 'utf8')).status, 'the status is the manager’s');
  t.equal(registry.delete('Pod', 'default', 'p').metadata.deletionGracePeriodSeconds, 5);
  t.equal(
    registry.delete('Pod', 'default', 'p', { gracePeriodSeconds: 60 }).metadata.deletionGracePeriodSeconds,
    5,
  );
  t.equal(
    registry.delete('Pod', 'default', 'p', { gracePeriodSeconds: 1 }).metadata.deletionGracePeriodSeconds,
    1,
  );
  t.ok(JSON.parse(readFileSync(file, 'utf8')).metadata.deletionTimestamp, 'it is known after a restart');
  registry.removed(uid);
  registry.removed(uid);
  t.equal(registry.get('Pod', 'default', 'p'), undefined);
  t.notOk(existsSync(file));
  t.strictSame(seen, [
    'ADDED default/p',
    'MODIFIED default/p',
    'MODIFIED default/p',
    'MODIFIED default/p',
    'DELETED default/p',
  ]);
});

t.test('preconditions of a delete', async t => {
  const { registry } = await setUp(t);
  registry.create(configMap('a'));
  t.match(
    refusal(() => registry.delete('ConfigMap', 'default', 'a', { uid: 'other' })),
    /^Conflict 409/,
  );
  t.match(
    refusal(() => registry.delete('ConfigMap', 'default', 'a', { resourceVersion: '1' })),
    /^Conflict 409/,
  );
  registry.delete('ConfigMap', 'default', 'a');
  t.equal(
    refusal(() => registry.delete('ConfigMap', 'default', 'a')),
    'NotFound 404: configmaps "a" not found',
  );
});

t.test('a watch begins where a list ended, and forgets what is long ago', async t => {
  const { registry, watched } = await setUp(t);
  const { resourceVersion } = registry.list('ConfigMap');
  registry.create(configMap('a'));
  const seen = watched(registry, 'ConfigMap', resourceVersion);
  t.strictSame(seen, ['ADDED default/a'], 'what has been is told at once');
  registry.create(configMap('b'));
  registry.create(pod('p'));
  t.strictSame(seen, ['ADDED default/a', 'ADDED default/b']);
  const { uid = '' } = registry.create(pod('q')).metadata;
  for (let i = 0; i < 6000; i++) registry.setPodStatus(uid, { message: String(i) });
  t.match(
    refusal(() => registry.watch('ConfigMap', resourceVersion, () => {})),
    /^Expired 410: too old resource version: \d+ \(\d+\)$/,
  );
  t.match(
    refusal(() => registry.watch('ConfigMap', String(Number(registry.resourceVersion) + 1), () => {})),
    /^Expired 410/,
  );
});

t.test('who is told may make changes: all hear of them once, in order', async t => {
  const { registry, watched } = await setUp(t);
  const from = registry.resourceVersion;
  const late: string[][] = [];
  t.teardown(
    registry.watch('ConfigMap', undefined, ({ type, object }) => {
      if (type === 'ADDED') registry.update({ ...object, data: { bound: 'yes' } });
      if (late.length === 0) late.push(watched(registry, 'ConfigMap', from));
    }),
  );
  const seen = watched(registry, 'ConfigMap');
  registry.create(configMap('a'));
  registry.create(configMap('b'));
  const all = ['ADDED default/a', 'MODIFIED default/a', 'ADDED default/b', 'MODIFIED default/b'];
  t.strictSame(seen, all);
  t.strictSame(late, [all], 'one that begins in between, too');
  const again: string[] = [];
  t.teardown(
    registry.watch('ConfigMap', from, ({ type, object }) => {
      again.push(`${type} ${object.metadata.namespace}/${object.metadata.name}`);
      if (again.length === 1) registry.delete('ConfigMap', 'default', 'b');
    }),
  );
  t.strictSame(again, [...all, 'DELETED default/b'], 'one that makes a change while it is told of old ones');
});

t.test('the next registry has the same objects, and later versions', async t => {
  const { registry, open } = await setUp(t);
  const made = registry.create(configMap('a', { k: 'v' }));
  const { uid = '' } = registry.create(pod('p')).metadata;
  const { resourceVersion } = registry;
  registry.close();
  const next = await open();
  t.equal(next.get('ConfigMap', 'default', 'a')?.metadata.uid, made.metadata.uid);
  t.equal(next.pod(uid)?.metadata.name, 'p');
  t.ok(Number(next.resourceVersion) > Number(resourceVersion));
  t.match(
    refusal(() => next.watch('Pod', resourceVersion, () => {})),
    /^Expired 410/,
  );
});

t.test('versions go on where the clock has gone back', async t => {
  const roots = rootsAt(t.testdir());
  mkdirSync(join(roots.state, 'agent'), { recursive: true });
  writeFileSync(join(roots.state, 'agent/resource-version'), '7000000000000000\n');
  const registry = await Registry.open(roots);
  t.teardown(() => registry.close());
  t.ok(Number(registry.resourceVersion) > 7_000_000_000_000_000);
});

t.test('what other commands store is taken over', async t => {
  const { registry, store, roots, watched } = await setUp(t);
  const seen = watched(registry, 'ConfigMap');
  const key = { kind: 'ConfigMap', namespace: 'team', name: 'a' };
  store.create(key, 'v1', { metadata: {}, data: { k: '1' } });
  t.ok(await until(() => registry.get('ConfigMap', 'team', 'a') !== undefined));
  t.match(registry.get('Namespace', undefined, 'team'), { status: { phase: 'Active' } }, 'its namespace too');
  store.apply(key, 'v1', { metadata: {}, data: { k: '2' } });
  t.ok(await until(() => seen.length === 2));
  t.strictSame(registry.get('ConfigMap', 'team', 'a')?.data, { k: '2' });
  store.remove(key);
  t.ok(await until(() => registry.get('ConfigMap', 'team', 'a') === undefined));
  t.notOk(existsSync(join(roots.state, 'objects')), 'its directories have gone');
  store.create({ ...key, name: 'b' }, 'v1', { metadata: {} });
  t.ok(await until(() => registry.get('ConfigMap', 'team', 'b') !== undefined), 'and come back');
  t.strictSame(seen, ['ADDED team/a', 'MODIFIED team/a', 'DELETED team/a', 'ADDED team/b']);
});

t.test('a pod whose file is removed ends as if it were deleted', async t => {
  const { registry, roots } = await setUp(t);
  const { uid = '' } = registry.create(pod('p')).metadata;
  rmSync(join(roots.state, 'objects/Pod/default/p.json'));
  t.ok(await until(() => registry.pod(uid)?.metadata.deletionTimestamp !== undefined));
  registry.removed(uid);
  t.equal(registry.pod(uid), undefined);
});

t.test('a damaged file is moved aside, one that denies stays; the others go on', async t => {
  const { registry, roots, store, open, warnings } = await setUp(t);
  registry.create(configMap('good'));
  registry.close();
  writeFileSync(join(roots.state, 'objects/ConfigMap/default/bad.json'), '{"apiVersion": "v1", "kin');
  writeFileSync(
    join(roots.state, 'objects/ConfigMap/default/type.json'),
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'type', namespace: 'default' },
      data: 5,
    }),
  );
  writeFileSync(join(roots.state, 'objects/ConfigMap/default/other.json'), JSON.stringify(configMap('good')));
  store.create({ kind: 'NetworkPolicy', namespace: 'default', name: 'deny' }, 'networking.k8s.io/v1', {});
  writeFileSync(join(roots.state, 'objects/NetworkPolicy/default/deny.json'), '');
  const next = await open();
  t.strictSame(
    next.list('ConfigMap').items.map(({ metadata }) => metadata.name),
    ['good'],
  );
  t.equal(warnings.length, 4);
  t.match(warnings.join('\n'), /type\.json" is damaged: json: cannot unmarshal number into Go struct field/);
  t.match(warnings.join('\n'), /other\.json" is damaged: it is another object than its name says; it is now/);
  t.match(warnings.join('\n'), /deny\.json" is damaged: .*; it must be repaired or removed/);
  t.equal(readdirSync(join(roots.state, 'damaged')).length, 3);
  t.ok(existsSync(join(roots.state, 'objects/NetworkPolicy/default/deny.json')));
  t.match(next.damaged, [/deny\.json/]);
  store.remove({ kind: 'NetworkPolicy', namespace: 'default', name: 'deny' });
  t.ok(await until(() => next.damaged.length === 0));
});

t.test('a namespace goes with what is in it', async t => {
  const { registry, roots } = await setUp(t);
  registry.create(namespace('team'));
  t.equal(registry.get('ServiceAccount', 'team', 'default')?.metadata.name, 'default');
  registry.create(configMap('a', {}, 'team'));
  const data = claimIn(registry, roots, 'team');
  const { uid = '' } = registry.create(pod('p', {}, 'team')).metadata;
  t.match(registry.delete('Namespace', undefined, 'team').status, { phase: 'Terminating' });
  t.equal(registry.get('ConfigMap', 'team', 'a'), undefined);
  t.match(
    refusal(() => registry.create(configMap('b', {}, 'team'))),
    'Forbidden 403: configmaps "b" is forbidden: unable to create new content in namespace team because it is being terminated',
  );
  t.ok(registry.pod(uid)?.metadata.deletionTimestamp);
  t.ok(existsSync(data), 'what a pod uses stays until it has ended');
  registry.removed(uid);
  t.equal(registry.get('Namespace', undefined, 'team'), undefined);
  t.notOk(existsSync(data));
  t.strictSame(registry.list('ServiceAccount', 'team').items, []);
  t.equal(
    refusal(() => registry.delete('Namespace', undefined, 'default')),
    'Forbidden 403: namespaces "default" is forbidden: this namespace may not be deleted',
  );
});

t.test('a namespace that another command removes stays while something is in it', async t => {
  const { registry, store } = await setUp(t);
  for (const name of ['empty', 'full']) registry.create(namespace(name));
  registry.create(configMap('a', {}, 'full'));
  const { uid } = registry.get('Namespace', undefined, 'full')?.metadata ?? {};
  for (const name of ['empty', 'full']) store.remove({ kind: 'Namespace', namespace: undefined, name });
  t.ok(await until(() => registry.get('Namespace', undefined, 'empty') === undefined));
  t.ok(await until(() => registry.get('Namespace', undefined, 'full')?.metadata.uid !== uid));
  t.ok(registry.get('ConfigMap', 'full', 'a'));
});

t.test('the same event counts, another one is another', async t => {
  const { registry } = await setUp(t);
  const made = registry.create(pod('p', { initContainers: [{ name: 'first', image: 'busybox' }] }));
  const kubelet = { component: 'kubelet', container: 'main' };
  registry.recordEvent(made, 'Warning', 'BackOff', 'again', kubelet);
  registry.recordEvent(made, 'Warning', 'BackOff', 'again', kubelet);
  registry.recordEvent(made, 'Normal', 'Pulled', 'there', { component: 'kubelet', container: 'first' });
  registry.recordEvent(made, 'Normal', 'Scheduled', 'assigned', { component: 'default-scheduler' });
  const events = registry.list('Event', 'default').items;
  t.equal(events.length, 3);
  const byReason = (reason: string) => events.find(event => event.reason === reason);
  t.match(byReason('BackOff'), {
    apiVersion: 'v1',
    count: 2,
    type: 'Warning',
    message: 'again',
    source: { component: 'kubelet' },
    involvedObject: { kind: 'Pod', name: 'p', uid: made.metadata.uid, fieldPath: 'spec.containers{main}' },
  });
  t.match(byReason('Pulled')?.involvedObject, { fieldPath: 'spec.initContainers{first}' });
  t.notOk(JSON.stringify(byReason('Scheduled')).includes('fieldPath'));
  t.strictSame(byReason('Scheduled')?.source, { component: 'default-scheduler' });
});

t.test('the next agent knows the events, and goes on counting', async t => {
  const { registry, open, roots } = await setUp(t);
  const made = registry.create(pod('p'));
  const tell = (to: Registry): void =>
    to.recordEvent(made, 'Warning', 'BackOff', 'again', { component: 'kubelet', container: 'main' });
  tell(registry);
  tell(registry);
  registry.close();
  appendFileSync(join(roots.run, 'agent/events.jsonl'), '{"kind":"Event"}\n{"cut');
  const next = await open();
  tell(next);
  t.match(next.list('Event', 'default').items, [{ reason: 'BackOff', count: 3 }]);
  t.equal(next.list('Event').items.length, 1);
  const path = join(roots.run, 'agent/events.jsonl');
  const old = readFileSync(path, 'utf8').replaceAll(
    /"lastTimestamp":"[^"]*"/g,
    '"lastTimestamp":"2020-01-01T00:00:00Z"',
  );
  next.close();
  writeFileSync(path, old);
  t.equal((await open()).list('Event').items.length, 0, 'but for those that are old');
});

t.test('events are bounded', async t => {
  const { registry } = await setUp(t);
  const made = registry.create(pod('p'));
  for (let i = 0; i < 10_050; i++)
    registry.recordEvent(made, 'Normal', 'Tick', String(i), { component: 'kubelet' });
  const events = registry.list('Event').items;
  t.ok(events.length <= 10_000, `${events.length} events`);
  t.ok(
    events.some(({ message }) => message === '10049'),
    'the newest stay',
  );
});

t.test('hostile names stay inside the store', async t => {
  const { registry, roots } = await setUp(t);
  registry.create(configMap('../../../escape'));
  registry.create(configMap('..'));
  t.strictSame(readdirSync(join(roots.state, 'objects/ConfigMap/default')).sort(), [
    '%2E.%2F..%2F..%2Fescape.json',
    '%2E..json',
  ]);
  t.equal(registry.list('ConfigMap').items.length, 2);
});
