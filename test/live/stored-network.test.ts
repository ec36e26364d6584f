import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isRoot, leftovers, needsRoot, PODSPACE, podspace, probePod, runPod, start } from './harness.ts';
import { noPodLinks, outside } from './node.ts';
import { importImages, ownState } from './with-policies.ts';

const state = ownState(t.testdir({}));
const { directory, root, on } = state;

t.before(() => {
  if (isRoot) importImages(state);
});

const write = (name: string, ...items: readonly object[]): string => {
  const file = join(directory, name);
  writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  return file;
};
const shell = (script: string, labels = {}, spec: object = {}) => {
  const { metadata, ...pod } = probePod(spec, { image: 'localhost/busybox', command: ['sh', '-c', script] });
  return { metadata: { ...metadata, labels }, ...pod };
};
const policy = (name: string, spec: object): object => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name },
  spec,
});
const WEB = { matchLabels: { app: 'web' } };
const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
};
const SERVE = `while true; do echo hello | nc -l -p 8080; done & echo ready; trap "exit 0" TERM; wait`;
const asked = (host: string, labels: object = {}, spec: object = {}): string =>
  runPod(shell(`timeout 1 nc ${host} </dev/null || echo none`, labels, spec), '--root', root).containers[0]
    ?.stdout ?? '';

t.test('what is stored holds for pods that run, and goes', { skip: needsRoot }, async t => {
  const server = start(['run', '-', '--root', root], JSON.stringify(shell(SERVE, { app: 'web' })));
  await server.waitFor('ready');
  t.teardown(() => server.child.kill('SIGKILL'));
  const services = write('services.json', service);
  t.match(on('apply', '-f', services), { status: 0, stdout: 'service/web created\n' });
  t.match(on('apply', '-f', services), { status: 0, stdout: 'service/web unchanged\n' });
  t.match(
    on('get', 'svc').stdout,
    /^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE\nweb +ClusterIP +10\.96\.\d+\.\d+ +<none> +80\/TCP +\d+s\n$/,
  );
  t.equal(asked('web 80'), 'hello\n', 'by name');
  t.equal(asked('web.default.svc.cluster.local 80'), 'hello\n');
  // The node reaches addresses of Services by whatever route it has.
  const beyond = await outside();
  const node = { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' };
  t.equal(asked('web 80', {}, node), 'hello\n', 'in the network of the node');
  await beyond.close();

  const closed = write('policies.json', policy('web', { podSelector: WEB }));
  t.match(on('create', '-f', closed), {
    status: 0,
    stdout: 'networkpolicy.networking.k8s.io/web created\n',
  });
  t.equal(asked('web 80'), 'none\n');
  const from = [{ podSelector: { matchLabels: { app: 'client' } } }];
  const open = write('policies.json', policy('web', { podSelector: WEB, ingress: [{ from }] }));
  t.match(on('create', '-f', open), { status: 1, stderr: /"web" already exists\n/ });
  t.match(on('apply', '-f', open, '--dry-run=client').stdout, 'web configured (dry run)\n');
  t.equal(asked('web 80', { app: 'client' }), 'none\n', 'a dry run changes nothing');
  t.match(on('apply', '-f', open).stdout, 'web configured\n');
  t.equal(asked('web 80'), 'none\n');
  t.equal(asked('web 80', { app: 'client' }), 'hello\n');
  t.match(on('get', 'netpol').stdout, /^NAME +POD-SELECTOR +AGE\nweb +app=web +\d+s\n$/);
  t.match(on('net').stdout, /^default\/web:80\/TCP +10\.96\.\d+\.\d+:80 +- +10\.244\.0\.\d+:8080$/m);
  t.match(on('delete', 'netpol/web', 'svc/web'), { status: 0, stderr: '' });
  t.equal(asked('web 80'), 'none\n', 'there is no such name any more');

  server.child.kill('SIGTERM');
  await server.ended;
  t.same(await noPodLinks(), []);
  t.same(leftovers(), []);
});

t.test('rules go with the last pod, whichever end together', { skip: needsRoot }, async t => {
  t.equal(on('apply', '-f', write('services.json', service)).status, 0);
  const all: readonly [string, object, ...string[]][] = [
    ['pods', {}],
    ['pods of the node’s network', { hostNetwork: true }],
    ['a pod without a network', {}, '--network=none'],
  ];
  for (const [what, spec, ...flags] of all) {
    const items = [1, 2, 3, 4].map(() =>
      shell('echo ready; trap "exit 0" TERM; sleep 1000 & wait', {}, spec),
    );
    const manifest = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    const running = start(['run', '-', '--root', root, ...flags], manifest);
    for (let i = 0; i < 500 && (running.output().match(/ready/g)?.length ?? 0) < items.length; i++)
      await new Promise(done => setTimeout(done, 20));
    // Whoever has rules leaves the others theirs.
    t.equal(asked('127.0.0.1 80'), 'none\n');
    running.child.kill('SIGTERM');
    await running.ended;
    t.same(await noPodLinks(), []);
    t.same(leftovers(), [], what);
  }
  t.equal(on('delete', 'svc/web').status, 0);
});

t.test('a command with another root leaves in force what is stored', { skip: needsRoot }, async t => {
  const server = start(['run', '-', '--root', root], JSON.stringify(shell(SERVE, { app: 'web' })));
  t.teardown(() => server.child.kill('SIGKILL'));
  await server.waitFor('ready');
  const closed = write('policies.json', policy('web', { podSelector: WEB }), service);
  t.equal(on('apply', '-f', closed).status, 0);
  const rules = (): string =>
    execFileSync('nft', ['list', 'table', 'inet', 'podspace'], { encoding: 'utf8' });
  t.match(rules(), 'goto ingress');
  const [other] = runPod(shell('timeout 2 nc web 80 </dev/null || echo none')).containers;
  t.equal(other?.stdout, 'none\n', 'one of the other root is kept out, too');
  t.match(rules(), 'goto ingress');
  t.match(podspace(['net']).stdout, 'default/web:80/TCP');
  // Whoever may read the store may do so while pods run.
  const nobody = (...command: readonly string[]) =>
    spawnSync('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', ...command], {
      encoding: 'utf8',
    });
  if (nobody('test', '-r', PODSPACE).status === 0)
    t.match(nobody(process.execPath, PODSPACE, 'get', 'svc', '--root', root), {
      stdout: /^web +ClusterIP +10\.96\.\d+\.\d+/m,
      stderr: '',
    });
  t.equal(on('delete', 'svc/web', 'netpol/web').status, 0);
  server.child.kill('SIGTERM');
  await server.ended;
});

t.test('policies of --policy count', { skip: needsRoot }, t => {
  const file = write('p.json', policy('all', { podSelector: {}, policyTypes: ['Egress'] }));
  const pod = shell('timeout 1 nc 10.96.0.10 53 </dev/null && echo reached || echo none');
  t.equal(runPod(pod, '--root', root).containers[0]?.stdout, 'reached\n');
  t.equal(runPod(pod, '--root', root, '--policy', file).containers[0]?.stdout, 'none\n');
  t.end();
});

t.test('what is wrong is said with its place, and not stored', { skip: needsRoot }, t => {
  const file = join(directory, 'wrong.yaml');
  writeFileSync(
    file,
    'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: w}\nspec:\n  podSelector: {}\n  ingress:\n  - ports: [{port: 70000}]\n',
  );
  t.match(on('apply', '-f', file), {
    status: 1,
    stderr: /spec\.ingress\[0\]\.ports\[0\]\.port.*70000.*\n.*wrong\.yaml:7/,
  });
  t.match(on('get', 'netpol').stderr, 'No resources found in default namespace.');
  t.match(podspace(['apply', '-f', '-', '--root', root], '---\n'), {
    status: 1,
    stderr: /no objects passed to apply/,
  });
  t.match(on('apply'), { status: 1, stderr: /must specify -f/ });
  for (const port of ['0', '65536'])
    t.match(on('net', 'test', 'node', `127.0.0.1:${port}`), {
      status: 1,
      stderr: `error: port ${port}: must be between 1 and 65535, inclusive\n`,
    });
  t.end();
});

t.test('a Service that cannot have what it asks for is refused, not ignored', { skip: needsRoot }, t => {
  const at = (name: string, spec: object): object => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { ports: [{ port: 80 }], selector: { app: 'web' }, ...spec },
  });
  const nodePort = (name: string, port: number): object =>
    at(name, { type: 'NodePort', ports: [{ port: 80, nodePort: port }] });
  const first = write('services.json', nodePort('first', 30080));
  t.equal(on('apply', '-f', first).status, 0);
  for (const [service, message] of [
    [nodePort('w', 80), /nodePort: Invalid value: 80: provided port is not in the valid range/],
    [nodePort('w', 30080), /nodePort: Invalid value: 30080: provided port is already allocated/],
    [at('w', { clusterIP: '192.168.9.9' }), /failed to allocate IP 192\.168\.9\.9: /],
    [at('w', { clusterIP: '10.96.0.10' }), /provided IP is already allocated/],
    [at('w', { ipFamilies: ['IPv6'] }), /not configured on this cluster/],
  ] as const) {
    const wrong = write('wrong.json', service);
    const refused = { status: 1, stdout: '', stderr: /^error: The Service "w" is invalid: / };
    for (const verb of ['create', 'apply']) t.match(on(verb, '-f', wrong), { ...refused, stderr: message });
    const items = [service, shell('true')];
    const manifest = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    t.match(podspace(['run', '-', '--root', root], manifest), refused);
  }
  t.equal(on('apply', '-f', first).status, 0, 'its own port is no conflict');
  t.match(on('get', 'svc').stdout, /^NAME.*\nfirst .*\n$/);
  t.equal(on('delete', 'svc/first').status, 0);
  t.end();
});
