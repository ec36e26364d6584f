import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { type FakeAgent, fakeAgent } from './agent.ts';

// Whatever changes something is root's.
const needsRoot = process.geteuid?.() === 0 ? false : 'needs root';

const POD = `apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers: [{name: main, image: busybox, env: [{name: A, value: '1'}]}]
`;
const RUNNING = {
  phase: 'Running',
  podIP: '10.0.0.1',
  podIPs: [{ ip: '10.0.0.1' }],
  conditions: [{ type: 'Ready', status: 'True' }],
  containerStatuses: [
    {
      name: 'main',
      image: 'busybox',
      imageID: '',
      ready: true,
      restartCount: 0,
      state: { running: { startedAt: '2026-01-01T00:00:00Z' } },
    },
  ],
} as const;

const LAST = 'kubectl.kubernetes.io/last-applied-configuration';

t.test('apply: created, unchanged, configured', { skip: needsRoot }, async t => {
  const { run, file, pod } = await fakeAgent(t);
  const web = file('web.yaml', POD);
  t.same(await run('apply', '-f', web), { stdout: 'pod/web created\n', stderr: '', exitCode: 0 });
  t.match(pod('web').metadata.annotations, {
    [LAST]:
      '{"apiVersion":"v1","kind":"Pod","metadata":{"annotations":{},"labels":{"app":"web"},"name":"web","namespace":"default"},',
  });
  t.same(await run('apply', '-f', web), { stdout: 'pod/web unchanged\n', stderr: '', exitCode: 0 });
  file('web.yaml', POD.replace('{app: web}', '{tier: a}'));
  t.match(await run('apply', '-f', web, '--dry-run=client'), { stdout: 'pod/web configured (dry run)\n' });
  t.match(await run('apply', '-f', web, '--dry-run=server'), {
    stdout: 'pod/web configured (server dry run)\n',
  });
  t.same(pod('web').metadata.labels, { app: 'web' }, 'dry runs change nothing');
  t.match(await run('apply', '-f', web), { stdout: 'pod/web configured\n' });
  t.same(pod('web').metadata.labels, { tier: 'a' });
  t.match(await run('apply', '-f', web), { stdout: 'pod/web unchanged\n' });
  t.match(await run('apply', '-f', web, '-o', 'name'), { stdout: 'pod/web\n' });
  // What a pod cannot change is said as the API server says it.
  file('web.yaml', POD.replace("value: '1'", "value: '2'"));
  t.match(await run('apply', '-f', web), {
    exitCode: 1,
    stdout: '',
    stderr: /^The Pod "web" is invalid: spec: Forbidden: pod updates may not change fields other than/,
  });
});

t.test('apply: several objects, what fails does not keep the others back', { skip: needsRoot }, async t => {
  const { run, file, registry } = await fakeAgent(t);
  const all = file(
    'all.yaml',
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n---\n${POD.replace('name: web', 'name: Bad')}---\n${POD}`,
  );
  const printed = await run('apply', '-f', all);
  t.equal(printed.stdout, 'configmap/a created\npod/web created\n');
  t.match(printed.stderr, /^The Pod "Bad" is invalid: metadata\.name: Invalid value: "Bad": /);
  t.equal(printed.exitCode, 1);
  const directory = file('x.json', '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"}}').replace(
    '/x.json',
    '',
  );
  t.match(await run('create', '-f', directory), {
    stdout: 'configmap/b created\n',
    stderr:
      /^Error from server \(AlreadyExists\): error when creating ".*all\.yaml": configmaps "a" already exists\nThe Pod "Bad" is invalid: .*\nError from server \(AlreadyExists\): error when creating ".*all\.yaml": pods "web" already exists\n$/,
  });
  t.ok(registry.get('ConfigMap', 'default', 'b'), 'files of a directory');
  t.match(
    await run('create', '-f', file('gone.yaml', POD.replace('name: web', 'name: p, namespace: nowhere'))),
    {
      stderr:
        /^Error from server \(NotFound\): error when creating ".*gone\.yaml": namespaces "nowhere" not found\n$/,
    },
  );
  t.match(await run('create', '-f', file('gen.yaml', POD.replace('name: web', 'generateName: web-'))), {
    stdout: /^pod\/web-[a-z0-9]{5} created\n$/,
  });
  t.match(await run('apply', '-f', file('gen.yaml', POD.replace('name: web', 'generateName: web-'))), {
    stderr: 'error: from web-: cannot use generate name with apply\n',
  });
});

t.test('apply: what others have made gets the annotation', { skip: needsRoot }, async t => {
  const { run, file, registry } = await fakeAgent(t);
  const map = file('map.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n');
  await run('create', '-f', map);
  t.match(await run('apply', '-f', map), {
    stdout: 'configmap/a configured\n',
    stderr:
      /^Warning: resource configmaps\/a is missing the kubectl\.kubernetes\.io\/last-applied-configuration annotation/,
  });
  file('map.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {l: w}\n');
  t.match(await run('apply', '-f', map), { stdout: 'configmap/a configured\n', stderr: '' });
  t.same(registry.get('ConfigMap', 'default', 'a')?.data, { l: 'w' });
});

t.test('replace', { skip: needsRoot }, async t => {
  const { run, file, pod, registry } = await fakeAgent(t);
  const web = file('web.yaml', POD);
  t.match(await run('replace', '-f', web), {
    exitCode: 1,
    stderr: /^Error from server \(NotFound\): error when replacing ".*web\.yaml": pods "web" not found\n$/,
  });
  await run('create', '-f', web);
  const before = pod('web').metadata.uid;
  file('web.yaml', POD.replace("value: '1'", "value: '2'"));
  t.match(await run('replace', '-f', web, '--force'), { stdout: 'pod/web replaced\n', exitCode: 0 });
  t.not(pod('web').metadata.uid, before);
  const map = file('map.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n');
  await run('create', '-f', map);
  file('map.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n');
  t.match(await run('replace', '-f', map), { stdout: 'configmap/a replaced\n' });
  t.equal(registry.get('ConfigMap', 'default', 'a')?.data, undefined);
});

/** Two pods that run, one of them elsewhere. */
async function withPods(t: Parameters<typeof fakeAgent>[0]): Promise<FakeAgent> {
  const agent = await fakeAgent(t);
  const { run, file, setStatus } = agent;
  await run('create', 'namespace', 'dev');
  await run('create', '-f', file('web.yaml', POD));
  await run(
    'create',
    '-f',
    file('db.yaml', POD.replace('name: web', 'name: db-10').replace('app: web', 'app: db')),
  );
  await run('create', '-n', 'dev', '-f', file('web.yaml', POD));
  setStatus('web', RUNNING);
  return agent;
}

t.test('get', { skip: needsRoot }, async t => {
  const { run } = await withPods(t);
  const cases: Readonly<Record<string, RegExp | string>> = {
    pods: /^NAME {4}READY {3}STATUS {4}RESTARTS {3}AGE\ndb-10 {3}0\/1 {5}Pending {3}0 {10}\ds\nweb {5}1\/1 {5}Running {3}0 {10}\ds\n$/,
    'po -A': /^NAMESPACE +NAME .*\ndefault +db-10 .*\ndefault +web .*\ndev +web .*\n$/,
    'pods -o wide':
      /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES\n.*\nweb .* 10\.0\.0\.1 +<none> +<none> +<none>\n$/,
    'pods -n dev': /^NAME .*\nweb +0\/1 +Pending /,
    'pods -l app=db --no-headers': /^db-10 [^\n]*\n$/,
    'pods -l app!=db --show-labels': /^NAME .* LABELS\nweb .* app=web\n$/,
    'pods -L app --field-selector status.phase=Running': /^NAME .* APP\nweb .* web\n$/,
    'pod/web ns/dev': /^NAME .*\npod\/web .*\n\nNAME .*\nnamespace\/dev +Active +\ds\n$/,
    all: /^NAME +READY.*\npod\/db-10 .*\npod\/web .*\n/,
    'pods -o name': 'pod/db-10\npod/web\n',
    'pod web -o jsonpath={.status.podIP}': '10.0.0.1',
    'pods -o jsonpath={.items[*].metadata.name}': 'db-10 web',
    'pods -o custom-columns=N:.metadata.name,IP:.status.podIP':
      'N       IP\ndb-10   <none>\nweb     10.0.0.1\n',
    'pods --sort-by=.metadata.name -A -o custom-columns=N:.metadata.name --no-headers':
      /^N\ndb-10\nweb\nweb\n$/,
    'pvc --ignore-not-found': '',
  };
  for (const [words, want] of Object.entries(cases)) {
    const { stdout, stderr, exitCode } = await run('get', ...words.split(' '));
    t.match({ stdout, exitCode }, { stdout: want, exitCode: 0 }, words);
    t.equal(stderr, '', words);
  }
  t.match(JSON.parse((await run('get', 'pod', 'web', '-o', 'json')).stdout), {
    kind: 'Pod',
    apiVersion: 'v1',
  });
  t.match(JSON.parse((await run('get', 'pods', '-o', 'json')).stdout), {
    kind: 'List',
    items: [{ kind: 'Pod' }, { kind: 'Pod' }],
  });
  t.match(await run('get', 'pods', 'nosuch', 'web'), {
    exitCode: 1,
    stdout: /\nweb /,
    stderr: 'Error from server (NotFound): pods "nosuch" not found\n',
  });
  t.match(await run('get', 'pods', '-n', 'empty'), {
    stderr: 'No resources found in empty namespace.\n',
    exitCode: 0,
  });
  t.match(await run('get', 'pods', '-l', 'a=(b'), {
    exitCode: 1,
    stderr: /^Error from server \(BadRequest\): unable to parse requirement: /,
  });
  t.match(await run('get', 'pods', '--field-selector', 'spec.x=y'), {
    stderr: /^Error from server \(BadRequest\): .*field label not supported: spec\.x/,
  });
  t.match(await run('get', 'pods', '--as', 'bob'), {
    stderr:
      'Error from server (Forbidden): pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "default"\n',
  });
});

t.test('describe, by name, by beginning, by file', { skip: needsRoot }, async t => {
  const { run, registry, pod, root } = await withPods(t);
  const source = { component: 'kubelet' };
  registry.recordEvent(pod('web'), 'Normal', 'Started', 'Container started', source);
  for (let i = 0; i < 3; i++) registry.recordEvent(pod('web'), 'Warning', 'BackOff', 'Back-off', source);
  for (const words of [['pod', 'web'], ['pod/web'], ['pod', 'we'], ['-f', `${root}/web.yaml`]]) {
    const { stdout, stderr } = await run('describe', ...words);
    t.match(stdout, /^Name: +web\nNamespace: +default\n/, words.join(' '));
    t.match(
      stdout,
      /\nEvents:\n {2}Type +Reason +Age +From +Message\n {2}---- .*\n {2}Normal +Started +\ds +kubelet +Container started\n {2}Warning +BackOff +\ds \(x3 over \ds\) +kubelet +Back-off\n$/,
    );
    t.equal(stderr, '');
  }
  t.notMatch((await run('describe', 'pod', 'web', '--show-events=false')).stdout, /Events/);
  t.match((await run('describe', 'pods')).stdout, /^Name: +db-10\n(.*\n)+\n\nName: +web\n/);
  t.match(await run('describe', 'pod', 'nosuch'), {
    exitCode: 1,
    stderr: 'Error from server (NotFound): pods "nosuch" not found\n',
  });
  t.match(await run('describe', 'cm', '-n', 'x'), { stderr: 'No resources found in x namespace.\n' });
  t.match((await run('describe', 'ns', 'dev')).stdout, /^Name: +dev\n/);
  t.match(await run('describe'), {
    exitCode: 1,
    stderr: /^error: you must specify the type of resource to describe/,
  });

  const table = (await run('events', '--for', 'pod/web')).stdout;
  t.match(
    table,
    /^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n\ds +Normal +Started +Pod\/web +Container started\n\ds \(x3 over \ds\) +Warning +BackOff +Pod\/web +Back-off\n$/,
  );
  t.notMatch((await run('events', '--types=warning')).stdout, /Started/);
  t.match(await run('events', '-n', 'dev'), { stderr: 'No events found in dev namespace.\n', exitCode: 0 });
  t.match(await run('events', '--types=x'), { stderr: 'error: valid --types are Normal or Warning\n' });
  t.match(await run('events', '--for', 'web'), { stderr: /^error: --for must be in resource\/name form/ });
  t.match((await run('get', 'events')).stdout, /^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n/);
});

t.test('delete', { skip: needsRoot }, async t => {
  const { run, registry, root } = await withPods(t);
  t.same(await run('delete', 'pod', 'web', 'nosuch'), {
    stdout: 'pod "web" deleted\n',
    stderr: 'Error from server (NotFound): pods "nosuch" not found\n',
    exitCode: 1,
  });
  t.equal(registry.get('Pod', 'default', 'web'), undefined, 'it has gone when the command ends');
  t.match(await run('delete', 'pod', 'nosuch', '--ignore-not-found'), {
    stdout: '',
    stderr: '',
    exitCode: 0,
  });
  t.match(await run('delete', '-f', `${root}/db.yaml`, '--force'), {
    stdout: 'pod "db-10" force deleted\n',
    stderr: /^Warning: Immediate deletion does not wait for confirmation/,
  });
  t.match(await run('delete', 'pods', '-l', 'app=web', '-n', 'dev', '-o', 'name'), { stdout: 'pod/web\n' });
  t.match(await run('delete', 'pods', '--all'), { stdout: 'No resources found\n', exitCode: 0 });
  const mistakes: Readonly<Record<string, RegExp>> = {
    pods: /^error: resource\(s\) were provided, but no name was specified/,
    'pod x --all': /^error: name cannot be provided when a selector is specified/,
    'pod x --now --grace-period=3': /^error: --now and --grace-period cannot be specified together/,
    'pod x --force --grace-period=3':
      /^error: --force and --grace-period greater than 0 cannot be specified together/,
    'pod x --grace-period=soon': /^error: option --grace-period: "soon" is not a number of seconds/,
    'ns default':
      /^Error from server \(Forbidden\): namespaces "default" is forbidden: this namespace may not be deleted/,
  };
  for (const [words, stderr] of Object.entries(mistakes))
    t.match(await run('delete', ...words.split(' ')), { exitCode: 1, stderr }, words);
});

t.test('delete: grace periods, and how long it waits', { skip: needsRoot }, async t => {
  const { run, pod, file, registry } = await fakeAgent(t, { keepsPods: true });
  const web = file('web.yaml', POD);
  const graceOf = async (...options: readonly string[]): Promise<number | undefined> => {
    await run('create', '-f', web);
    await run('delete', 'pod', 'web', '--wait=false', ...options);
    const { uid = '', deletionGracePeriodSeconds } = pod('web').metadata;
    registry.removed(uid);
    return deletionGracePeriodSeconds;
  };
  t.equal(await graceOf(), 30);
  t.equal(await graceOf('--grace-period=7'), 7);
  t.equal(await graceOf('--grace-period=0'), 1, 'nothing is killed at once without --force');
  t.equal(await graceOf('--now'), 1);
  await run('create', '-f', web);
  t.match(await run('delete', 'pod', 'web', '--force'), { stdout: 'pod "web" force deleted\n', exitCode: 0 });
  t.equal(registry.get('Pod', 'default', 'web'), undefined, 'it goes at once');
  await run('create', '-f', web);
  t.match(await run('delete', 'pod', 'web', '--timeout=100ms'), {
    exitCode: 1,
    stdout: 'pod "web" deleted\n',
    stderr: 'error: timed out waiting for the condition on pods/web\n',
  });
  const waiting = run('delete', 'pod', 'web');
  await delay(100);
  registry.removed(pod('web').metadata.uid ?? '');
  t.match(await waiting, { exitCode: 0, stderr: '' });
});

t.test('wait', { skip: needsRoot }, async t => {
  const { run, setStatus, registry, pod } = await withPods(t);
  const met = { stdout: 'pod/web condition met\n', stderr: '', exitCode: 0 };
  t.same(await run('wait', '--for=condition=Ready', 'pod/web'), met);
  t.same(await run('wait', '--for=condition=ready=true', 'pod', 'web', '--timeout=0'), met);
  t.same(await run('wait', "--for=jsonpath='{.status.phase}'=Running", 'pod/web'), met);
  t.same(await run('wait', '--for=jsonpath={.status.podIP}', 'pod/web'), met);
  t.match(await run('wait', '--for=condition=Ready', 'pod/db-10', '--timeout=100ms'), {
    exitCode: 1,
    stdout: '',
    stderr: 'error: timed out waiting for the condition on pods/db-10\n',
  });
  const ready = run('wait', '--for=condition=Ready', 'pods', '--all');
  await delay(100);
  setStatus('db-10', RUNNING);
  t.match(await ready, { stdout: 'pod/db-10 condition met\npod/web condition met\n', exitCode: 0 });
  const gone = run('wait', '--for=delete', 'pod/web');
  await delay(100);
  registry.delete('Pod', 'default', 'web');
  t.same(await gone, met);
  t.same(await run('wait', '--for=delete', 'pod/web'), { stdout: '', stderr: '', exitCode: 0 });
  t.throws(() => pod('web'));
  t.match(await run('wait', '--for=condition=Ready', 'pod/web'), {
    exitCode: 1,
    stderr: 'Error from server (NotFound): pods "web" not found\n',
  });
  t.match(await run('wait', '--for=x', 'pod/web'), { stderr: /^error: unrecognized condition: "x"\n/ });
  t.match(await run('wait', '--for=jsonpath={.a}=', 'pod/web'), {
    stderr: /^error: jsonpath wait format must be /,
  });
  t.match(await run('wait', '--for=condition=Ready', 'pods', '-l', 'a=b'), {
    stderr: 'error: no matching resources found\n',
  });
});

t.test('get -w: rows as they come', { skip: needsRoot }, async t => {
  const { setStatus, registry, root } = await withPods(t);
  const { command } = await import('./command.ts');
  const lines: string[] = [];
  // It ends when the agent does.
  const watching = command(['get', 'pods', '-w'], { root, onOut: text => lines.push(text) });
  await delay(200);
  setStatus('db-10', RUNNING);
  registry.delete('Pod', 'default', 'web');
  await delay(200);
  t.match(
    lines.join(''),
    /^NAME .*\ndb-10 +0\/1 +Pending .*\nweb +1\/1 +Running .*\ndb-10 +1\/1 +Running .*\nweb +1\/1 +Terminating .*\nweb +1\/1 +Terminating .*\n$/,
  );
  void watching;
});
