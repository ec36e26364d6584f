import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import t from 'tap';
import { needsRoot, podspace, probePod, type Ran, start } from './harness.ts';

type Test = Pick<typeof import('tap').default, 'teardown'>;

interface Node {
  readonly root: string;
  readonly run: (...words: readonly string[]) => Ran;
  /** The command line of the same, for one that goes on. */
  readonly words: (...words: readonly string[]) => readonly string[];
}

/** A state root with the image of the tests, and an agent as soon as somebody asks for one. */
function node(t: Test): Node {
  // A socket's path has 107 bytes.
  const root = mkdtempSync(join(tmpdir(), 'ps-'));
  const words = (...rest: readonly string[]): readonly string[] => ['--root', root, ...rest];
  const run = (...rest: readonly string[]): Ran => podspace(words(...rest));
  t.teardown(() => {
    run('delete', 'pods', '--all', '-A', '--now');
    run('agent', 'stop');
    run('gc');
    rmSync(root, { recursive: true, force: true });
  });
  const image = join(root, 'image.tar');
  podspace(['image', 'export', 'localhost/busybox', image]);
  run('image', 'import', image);
  return { root, run, words };
}

const SCRIPT = 'echo started; trap "echo ended; exit 3" TERM; while true; do sleep 1 & wait $!; done';

function manifest(root: string, more: object = {}): string {
  const spec = { terminationGracePeriodSeconds: 5, restartPolicy: 'Never', ...more };
  const container = {
    name: 'main',
    image: 'localhost/busybox',
    imagePullPolicy: 'Never',
    command: ['sh', '-c', SCRIPT],
  };
  const file = join(root, 'web.json');
  const pod = probePod(spec, container);
  writeFileSync(file, JSON.stringify({ ...pod, metadata: { name: 'web', labels: { app: 'web' } } }));
  return file;
}

t.test('a pod by kubectl’s verbs, from apply to delete', { skip: needsRoot }, async t => {
  const { root, run, words } = node(t);
  const file = manifest(root);
  t.match(run('agent', 'status'), { status: 1, stdout: 'agent is not running\n' });
  t.match(run('apply', '-f', file), { status: 0, stdout: 'pod/web created\n' });
  t.match(run('agent', 'status'), {
    status: 0,
    stdout: /^agent is running \(pid \d+\), and listens on .*\/agent\.sock\n$/,
  });
  t.match(run('wait', '--for=condition=Ready', 'pod/web'), { status: 0, stdout: 'pod/web condition met\n' });
  t.match(run('get', 'pods'), {
    stdout: /^NAME +READY +STATUS +RESTARTS +AGE\nweb +1\/1 +Running +0 +\d+s\n$/,
  });
  t.match(run('apply', '-f', file), { stdout: 'pod/web unchanged\n' });
  t.match(run('get', 'pod', 'web', '-o', 'jsonpath={.status.phase} {.spec.nodeName}'), {
    stdout: /^Running \S+$/,
  });
  t.match(run('exec', 'pod/web', '-n', 'default', '--', 'echo', 'inside'), { status: 0, stdout: 'inside\n' });
  t.match(run('logs', 'web'), { stdout: 'started\n' });
  t.match(run('top', 'pod', 'web', '--containers'), {
    status: 0,
    stdout: /^POD +NAME +CPU\(cores\) +MEMORY\(bytes\)\nweb +main +\d+m +\d+Mi\n$/,
  });
  const described = run('describe', 'pod', 'web').stdout;
  t.match(described, /^Name: +web\n/);
  t.match(described, /\n {4}State: +Running\n {6}Started: +\w{3}, \d\d \w{3} \d{4} /);
  t.match(
    described,
    /\n {2}Normal +Scheduled +\d+s +default-scheduler +Successfully assigned default\/web to /,
  );
  t.match(described, /\n {2}Normal +Started +\d+s +kubelet +Container started\n/);

  const following = start(words('logs', '-f', 'web'));
  await following.waitFor('started');
  const watching = start(words('get', 'pods', '-w'));
  await watching.waitFor('Running');
  t.match(run('delete', 'pod', 'web'), { status: 0, stdout: 'pod "web" deleted\n', stderr: '' });
  await following.ended;
  t.match(following.output(), /started\nended\n/, 'to its last word');
  await watching.waitFor('Terminating');
  watching.child.kill();
  t.match(run('get', 'pods'), { status: 0, stderr: 'No resources found in default namespace.\n' });
  t.match(run('agent', 'stop'), { status: 0, stdout: 'agent stopped\n' });
});

t.test('attach: what is typed is read, what is printed is seen', { skip: needsRoot }, async t => {
  const { root, run, words } = node(t);
  const container = {
    name: 'main',
    image: 'localhost/busybox',
    imagePullPolicy: 'Never',
    stdin: true,
    command: ['sh', '-c', 'while read line; do echo "got $line"; done; echo over; sleep 1000'],
  };
  const pod = { ...probePod({ terminationGracePeriodSeconds: 1 }, container), metadata: { name: 'web' } };
  writeFileSync(join(root, 'web.json'), JSON.stringify(pod));
  run('apply', '-f', join(root, 'web.json'));
  run('wait', '--for=condition=Ready', 'pod/web');
  const attached = start(words('attach', 'web', '-i'));
  attached.child.stdin?.write('one\n');
  await attached.waitFor('got one');
  t.equal(run('logs', 'web').stdout, 'got one\n');
  const watching = start(words('attach', 'web'));
  // Nobody says when it is there.
  for (let i = 0; i < 20 && !watching.output().includes('got two'); i++) {
    attached.child.stdin?.write('two\n');
    await new Promise(done => setTimeout(done, 200));
  }
  t.match(watching.output(), 'got two');
  t.match(run('delete', 'pod', 'web'), { status: 0 });
  t.equal(await watching.ended, 0);
  t.equal(await attached.ended, 0);
});

t.test('pods outlive the agent; two commands at once start one', { skip: needsRoot }, async t => {
  const { root, run, words } = node(t);
  run('create', '-f', manifest(root));
  t.match(run('wait', '--for=condition=Ready', 'pod/web'), { status: 0 });
  const uid = run('get', 'pod', 'web', '-o', 'jsonpath={.metadata.uid}').stdout;
  const started = run(
    'get',
    'pod',
    'web',
    '-o',
    'jsonpath={.status.containerStatuses[0].state.running.startedAt}',
  ).stdout;
  t.equal(run('agent', 'stop').status, 0);
  const both = [start(words('get', 'pods', '-o', 'name')), start(words('get', 'pods', '-o', 'name'))];
  for (const each of both) {
    await each.ended;
    t.equal(each.output(), 'pod/web\n');
  }
  t.match(
    run(
      'get',
      'pod',
      'web',
      '-o',
      'jsonpath={.metadata.uid} {.status.containerStatuses[0].state.running.startedAt} {.status.containerStatuses[0].restartCount}',
    ),
    {
      stdout: `${uid} ${started} 0`,
    },
  );
});

t.test('the units are of this program', { skip: needsRoot }, t => {
  const { stdout, status } = podspace(['agent', 'install', '--print']);
  t.equal(status, 0);
  const [, program = ''] = /^ExecStart="[^"]+" "([^"]+)" "agent" "--foreground"$/m.exec(stdout) ?? [];
  t.equal(program, resolve('dist/podspace.js'));
  t.ok(existsSync(program) && readFileSync(program, 'utf8').startsWith('#!'));
  t.end();
});
