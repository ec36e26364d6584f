import t from 'tap';
import { isRoot, needsRoot, podspace, probePod, STAY, start } from './harness.ts';
import { importImages, ownState } from './with-policies.ts';

const state = ownState(t.testdir({}));
const { root, on } = state;

t.before(() => {
  if (isRoot) importImages(state);
});

t.test('--as may do what roles say, with every command', { skip: needsRoot }, async t => {
  const pod = probePod(
    { terminationGracePeriodSeconds: 0 },
    { image: 'localhost/busybox', command: ['sh', '-c', STAY] },
  );
  const { name } = pod.metadata;
  const running = start(['run', '-', '--root', root], JSON.stringify(pod));
  await running.waitFor('ready');
  t.teardown(() => running.child.kill('SIGKILL'));
  const denied = (args: readonly string[], what: string): void => {
    const ran = on(...args, '--as', 'bob');
    t.equal(ran.status, 1, args.join(' '));
    t.equal(ran.stderr.split('\n')[0], `error: ${what}`);
  };
  const cannot = (verb: string, resource: string, group: string, where: string): string =>
    `is forbidden: User "bob" cannot ${verb} resource "${resource}" in API group "${group}" ${where}`;
  const inDefault = 'in the namespace "default"';
  const commands: readonly (readonly [args: readonly string[], verb: string, resource: string])[] = [
    [['exec', name, '--as-group', 'x'], 'create', 'pods/exec'],
    [['port-forward', name, ':80'], 'create', 'pods/portforward'],
    [['ps', name], 'get', 'pods'],
    [['inspect', name], 'get', 'pods'],
    [['verify', name], 'get', 'pods'],
  ];
  for (const [args, verb, resource] of commands) {
    const words = [...args, '--as', 'bob', '--root', root, ...(args[0] === 'exec' ? ['--', 'id'] : [])];
    const ran = podspace(words);
    t.equal(ran.status, 1, words.join(' '));
    t.equal(ran.stderr.split('\n')[0], `error: pods "${name}" ${cannot(verb, resource, '', inDefault)}`);
  }
  denied(['ps'], `pods ${cannot('list', 'pods', '', 'at the cluster scope')}`);
  const rbac = 'rbac.authorization.k8s.io';
  denied(['get', 'role'], `roles.${rbac} ${cannot('list', 'roles', rbac, inDefault)}`);
  denied(['get', 'role', '-A'], `roles.${rbac} ${cannot('list', 'roles', rbac, 'at the cluster scope')}`);
  denied(['get', 'ns', 'x'], `namespaces "x" ${cannot('get', 'namespaces', '', 'at the cluster scope')}`);
  denied(
    ['create', 'role', 'r', '--verb=get', '--resource=pods'],
    `roles.${rbac} ${cannot('create', 'roles', rbac, inDefault)}`,
  );
  denied(['delete', 'role/r'], `roles.${rbac} "r" ${cannot('delete', 'roles', rbac, inDefault)}`);
  t.equal(on('get', 'role').stderr, 'No resources found in default namespace.\n');

  for (const words of [
    ['create', 'role', 'r', '--verb=get', '--resource=pods'],
    ['create', 'rolebinding', 'b', '--role=r', '--user=bob'],
  ])
    t.equal(on(...words).status, 0);
  t.match(on('ps', name, '--as', 'bob'), { status: 0, stdout: /sleep 1000/ });
  denied(['ps'], `pods ${cannot('list', 'pods', '', 'at the cluster scope')}`);
  t.equal(on('create', 'rolebinding', 'c', '--role=none', '--user=bob').status, 0);
  t.match(
    podspace(['exec', name, '--root', root, '--as', 'bob', '--', 'id']).stderr,
    `${cannot('create', 'pods/exec', '', inDefault)}: RBAC: role.${rbac} "none" not found`,
  );
  const may = ['create', 'role', 'maker', '--verb=create', '--resource=roles.rbac.authorization.k8s.io'];
  t.equal(on(...may).status, 0);
  t.equal(on('create', 'rolebinding', 'maker', '--role=maker', '--user=bob').status, 0);
  t.match(on('create', 'role', 'own', '--verb=get', '--resource=pods', '--as', 'bob'), { status: 0 });
  denied(
    ['create', 'role', 'more', '--verb=delete', '--resource=pods'],
    `roles.${rbac} "more" is forbidden: user "bob" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:`,
  );
  t.match(on('create', 'ns', 'team'), { status: 0, stdout: 'namespace/team created\n' });
  t.match(on('create', 'namespace'), { status: 1, stderr: /exactly one NAME is required, got 0/ });
  running.child.kill('SIGTERM');
  await running.ended;
});
