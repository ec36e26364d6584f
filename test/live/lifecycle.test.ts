import t from 'tap';
import { leftovers, needsRoot, podspace, probePod, runPod, start } from './harness.ts';

const container = (name: string, ...args: string[]): object => ({ name, image: 'localhost/probe', args });
const shell = (name: string, script: string): object => ({
  name,
  image: 'localhost/busybox',
  command: ['sh', '-c', script],
});

t.test('exit codes and signals', { skip: needsRoot }, t => {
  const run = (...args: string[]): ReturnType<typeof runPod> =>
    runPod(probePod({ shareProcessNamespace: true, containers: [container('c', ...args)] }));
  const good = run('exit', '0');
  t.match(good, { phase: 'Succeeded', status: 0, containers: [{ reason: 'Completed', exitCode: 0 }] });
  t.match(run('exit', '7'), { phase: 'Failed', status: 7, containers: [{ reason: 'Error', exitCode: 7 }] });
  t.match(run('kill', '9'), { status: 137, containers: [{ exitCode: 137, signal: 9 }] });
  t.match(run('kill', '15'), { status: 143, containers: [{ exitCode: 143, signal: 15 }] });
  t.match(run('kill', '11'), { status: 139, containers: [{ exitCode: 139, signal: 11 }] });
  const [ended] = good.containers;
  t.ok(Date.parse(ended?.startedAt ?? '') <= Date.parse(ended?.finishedAt ?? ''));
  t.ok((ended?.cpuMicroseconds ?? 0) > 0);
  t.end();
});

t.test('a command that cannot be started', { skip: needsRoot }, t => {
  const run = (command: string): ReturnType<typeof runPod> => runPod(probePod({}, { command: [command] }));
  t.match(run('nosuch'), {
    phase: 'Failed',
    status: 128,
    containers: [
      { reason: 'StartError', exitCode: 128, message: 'exec: "nosuch": executable file not found in $PATH' },
    ],
  });
  t.match(run('/nosuch'), { containers: [{ message: 'exec: "/nosuch": no such file or directory' }] });
  t.match(run('/etc/passwd'), { containers: [{ message: 'exec: "/etc/passwd": permission denied' }] });
  t.end();
});

t.test('several containers: the first non-zero exit code', { skip: needsRoot }, t => {
  const result = runPod(
    probePod({
      containers: [container('a', 'exit', '0'), container('b', 'exit', '4'), container('c', 'exit', '5')],
    }),
  );
  t.equal(result.status, 4);
  t.same(
    result.containers.map(({ name, exitCode }) => [name, exitCode]),
    [
      ['a', 0],
      ['b', 4],
      ['c', 5],
    ],
  );
  t.end();
});

t.test('init containers run in order, each to its end', { skip: needsRoot }, t => {
  const volumes = [{ name: 'v', emptyDir: {} }];
  const step = (name: string, script: string): object => ({
    ...shell(name, script),
    volumeMounts: [{ name: 'v', mountPath: '/v' }],
  });
  const result = runPod(
    probePod({
      volumes,
      initContainers: [step('one', 'sleep 0.2; echo 1 >> /v/log'), step('two', 'echo 2 >> /v/log')],
      containers: [step('app', 'cat /v/log')],
    }),
  );
  t.equal(result.containers.find(({ name }) => name === 'app')?.stdout, '1\n2\n');
  t.same(
    result.containers.map(({ init }) => init),
    [true, true, false],
  );
  t.end();
});

t.test('an init container that fails ends the pod', { skip: needsRoot }, t => {
  const result = runPod(
    probePod({
      initContainers: [container('bad', 'exit', '3'), container('never', 'exit', '0')],
      containers: [container('app', 'exit', '0')],
    }),
  );
  t.equal(result.phase, 'Failed');
  t.equal(result.status, 3);
  t.same(
    result.containers.map(({ name }) => name),
    ['bad'],
  );
  t.end();
});

t.test('a sidecar lives as long as the pod, and its end does not count', { skip: needsRoot }, t => {
  const result = runPod(
    probePod({
      terminationGracePeriodSeconds: 1,
      initContainers: [{ ...container('side', 'signals'), restartPolicy: 'Always' }],
      containers: [shell('app', 'sleep 0.3')],
    }),
  );
  t.match(result, { phase: 'Succeeded', status: 0 });
  t.equal(result.containers[0]?.stdout, 'ready\nSIGTERM\n');
  t.end();
});

t.test(
  'restartPolicy OnFailure: again at once, with a fresh root, until it works',
  { skip: needsRoot },
  t => {
    const script =
      'test -e /root/mark && exit 9; touch /root/mark; n=$(cat /v/n 2>/dev/null || echo 0); echo $((n+1)) > /v/n; echo try $n; test $n = 1';
    const result = runPod(
      probePod({
        restartPolicy: 'OnFailure',
        volumes: [{ name: 'v', emptyDir: {} }],
        containers: [{ ...shell('c', script), volumeMounts: [{ name: 'v', mountPath: '/v' }] }],
      }),
    );
    t.match(result, {
      phase: 'Succeeded',
      status: 0,
      containers: [{ restartCount: 1, stdout: 'try 0\ntry 1\n' }],
    });
    t.end();
  },
);

t.test('activeDeadlineSeconds', { skip: needsRoot }, t => {
  const result = runPod(
    probePod({
      activeDeadlineSeconds: 1,
      terminationGracePeriodSeconds: 1,
      containers: [container('c', 'signals')],
    }),
  );
  t.match(result, {
    phase: 'Failed',
    reason: 'DeadlineExceeded',
    message: 'Pod was active on the node longer than the specified deadline',
    status: 7,
  });
  t.end();
});

t.test('--timeout ends the pod with 124', { skip: needsRoot }, t => {
  // It has to be up by then: as process 1 it gets no signal that it does not handle yet.
  const ran = podspace(
    ['run', '-', '--timeout', '1500ms'],
    JSON.stringify(probePod({ containers: [container('c', 'signals')] })),
  );
  t.equal(ran.status, 124);
  t.match(ran.stdout, 'SIGTERM');
  t.end();
});

t.test('Ctrl-C: TERM, grace period, KILL; other signals are passed on', { skip: needsRoot }, async t => {
  const polite = start(['run', '-'], JSON.stringify(probePod({ containers: [container('c', 'signals')] })));
  await polite.waitFor('ready');
  polite.child.kill('SIGUSR1');
  await polite.waitFor('SIGUSR1');
  polite.child.kill('SIGHUP');
  await polite.waitFor('SIGHUP');
  polite.child.kill('SIGINT');
  t.equal(await polite.ended, 7);
  t.match(polite.output(), 'SIGTERM');

  const stubborn = start(
    ['run', '-'],
    JSON.stringify(
      probePod({
        terminationGracePeriodSeconds: 1,
        containers: [shell('c', 'trap "" TERM; echo ready; sleep 100')],
      }),
    ),
  );
  await stubborn.waitFor('ready');
  const before = Date.now();
  stubborn.child.kill('SIGTERM');
  t.equal(await stubborn.ended, 137);
  t.ok(Date.now() - before >= 1900, 'not before the least grace period of two seconds');

  const hurried = start(
    ['run', '-'],
    JSON.stringify(probePod({ containers: [shell('c', 'trap "" TERM; echo ready; sleep 100')] })),
  );
  await hurried.waitFor('ready');
  hurried.child.kill('SIGINT');
  await new Promise(done => setTimeout(done, 100));
  hurried.child.kill('SIGINT');
  t.equal(await hurried.ended, 137, 'a second time kills at once');
});

t.test('output: prefixes for several containers, every byte of a large one', { skip: needsRoot }, t => {
  const two = podspace(
    ['run', '-'],
    JSON.stringify(
      probePod({ containers: [shell('a', 'echo one; printf two'), shell('b', 'echo three >&2')] }),
    ),
  );
  t.same(two.stdout.split('\n').sort(), ['', '[a] one', '[a] two']);
  t.equal(two.stderr, '[b] three\n');
  const large = podspace(['run', '-'], JSON.stringify(probePod({}, { args: ['out', '20000000'] })));
  t.equal(large.stdout.length, 20_000_000);
  t.end();
});

t.test('-i connects standard input; -- replaces the command', { skip: needsRoot }, t => {
  const file = JSON.stringify(probePod());
  const dir = t.testdir({ 'pod.json': file });
  const cat = podspace(['run', '-i', `${dir}/pod.json`, '--', '/probe', 'cat'], 'some input\n');
  t.same([cat.status, cat.stdout], [0, 'some input\n']);
  t.equal(podspace(['run', `${dir}/pod.json`, '--', '/probe', 'exit', '5']).status, 5);
  t.end();
});

t.test('several pods, a List and a Deployment of one file run side by side', { skip: needsRoot }, t => {
  const pod = probePod({ containers: [shell('c', 'echo pod')] });
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'deploy' },
    spec: {
      replicas: 3,
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [shell('c', 'echo deployment')] } },
    },
  };
  const ran = podspace(
    ['run', '-'],
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [pod, deployment] }),
  );
  t.equal(ran.status, 0);
  t.same(ran.stdout.split('\n').sort(), ['', '[deploy/c] deployment', `[${pod.metadata.name}/c] pod`]);
  t.match(ran.stderr, /Warning: Deployment "deploy"/);
  t.end();
});

t.test('a name in use', { skip: needsRoot }, async t => {
  const pod = probePod({ containers: [container('c', 'signals')] });
  const first = start(['run', '-'], JSON.stringify(pod));
  await first.waitFor('ready');
  const second = podspace(['run', '-'], JSON.stringify(pod));
  t.equal(second.status, 1);
  t.match(second.stderr, `pods "${pod.metadata.name}" already exists`);
  first.child.kill('SIGTERM');
  await first.ended;
});

t.test('nothing is left behind', { skip: needsRoot }, t => {
  t.same(leftovers(), []);
  t.end();
});
