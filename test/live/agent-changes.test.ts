import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { RESOURCES } from '../../src/admission/rbac/resources.ts';
import type { ApiObject } from '../../src/agent/objects.ts';
import { ImageStore } from '../../src/image/store.ts';
import type { Pod } from '../../src/kube/types.generated.ts';
import { DEFAULT_ROOTS } from '../../src/oci/pod-paths.ts';
import { agentFor, container, scripts, type TestAgent } from './agent.ts';
import { KUBECTL, needsKubectl, needsRoot, start } from './harness.ts';

type Test = typeof import('tap').default;

/** kubectl with files of its own, told where the agent listens. */
function kubectlFor(t: Pick<Test, 'teardown'>, agent: TestAgent) {
  const home = mkdtempSync(join(agent.root, 'kubectl-'));
  t.teardown(() => rmSync(home, { recursive: true, force: true }));
  const file = join(home, 'kubeconfig');
  writeFileSync(file, agent.command(['kubeconfig', '--listen', '127.0.0.1:0']).stdout);
  return (args: readonly string[], input = '') =>
    new Promise<{ code: number | null; out: string; err: string }>(resolve => {
      const env = { PATH: process.env.PATH, HOME: home, KUBECONFIG: file };
      const child = spawn(KUBECTL ?? '', args, { env, timeout: 60_000 });
      let [out, err] = ['', ''];
      child.stdout.on('data', chunk => (out += chunk));
      child.stderr.on('data', chunk => (err += chunk));
      child.on('close', code => resolve({ code, out, err }));
      child.stdin.on('error', () => {}).end(input);
    });
}

/** The same image by another name. */
function importAs(agent: TestAgent, name: string): void {
  const store = new ImageStore(DEFAULT_ROOTS.state);
  const image = store.get('localhost/busybox');
  if (image === undefined) throw new Error('no busybox image');
  const rootfs = join(DEFAULT_ROOTS.state, store.layers(image)[0] ?? '');
  const { status, stderr } = agent.command(['image', 'import', name, rootfs]);
  if (status !== 0) throw new Error(stderr);
}

/** What a client does that replaces a pod's spec. */
async function replace(agent: TestAgent, name: string, change: (spec: Pod['spec']) => object) {
  const type = RESOURCES.find(({ kind }) => kind === 'Pod');
  if (type === undefined) throw new Error('no pods');
  const pod = await agent.pod(name);
  const path = `/api/v1/namespaces/default/pods/${name}`;
  // Whatever has become of its status meanwhile.
  const metadata = { ...pod.metadata, resourceVersion: undefined };
  return agent.client.json<ApiObject>('PUT', path, { body: { ...pod, metadata, spec: change(pod.spec) } });
}

const stay = (word: string): string =>
  `echo ${word} $((n = 1)); trap "echo bye; exit 0" TERM; while true; do sleep 0.05; done`;

t.test('another image: the pod is made anew, and goes on counting', { skip: needsRoot }, async t => {
  const agent = await agentFor(t);
  importAs(agent, 'localhost/other');
  await agent.create('web', scripts({ a: stay('a'), b: stay('b') }, { terminationGracePeriodSeconds: 5 }));
  const before = await agent.until('web', ({ phase, containerStatuses = [] }) => {
    return phase === 'Running' && containerStatuses.every(({ ready }) => ready);
  });
  const withImage = (image: string) => (spec: Pod['spec']) => ({
    ...spec,
    containers: spec?.containers.map(each => (each.name === 'a' ? { ...each, image } : each)),
  });
  for (let round = 1; round <= 2; round++) {
    const image = round === 1 ? 'localhost/other' : 'localhost/busybox';
    await replace(agent, 'web', withImage(image));
    const after = await agent.until('web', status => {
      const a = container(status, 'a');
      return a?.restartCount === round && a.state?.running !== undefined && container(status, 'b')?.ready;
    });
    t.equal(after.metadata?.uid, before.metadata?.uid);
    t.match(container(after.status, 'a'), {
      image: `${image}:latest`,
      lastState: { terminated: { exitCode: 0 } },
    });
    t.match(container(after.status, 'b'), { image: 'localhost/busybox:latest', restartCount: round });
    t.match(after.status, { phase: 'Running', startTime: before.status.startTime });
  }
  const changed = 'Killing: Container a definition changed, will be restarted';
  t.ok((await agent.events('web')).includes(changed));
  t.notOk((await agent.events('web')).some(event => event.startsWith('Killing: Container b definition')));
  t.match(agent.command(['logs', 'web', '-c', 'a', '-p']).stdout, 'a 1\nbye\n');
  // One that is not there yet is waited for, as that of a new pod; also by the next agent.
  await replace(agent, 'web', withImage('localhost/missing'));
  const isMissing = /^(ErrImage|ImagePull)/;
  await agent.until('web', status => isMissing.test(container(status, 'a')?.state?.waiting?.reason ?? ''));
  await agent.kill();
  importAs(agent, 'localhost/missing');
  await agent.start();
  await agent.until('web', status => container(status, 'a')?.state?.running && container(status, 'b')?.ready);
  await agent.clear();
  t.strictSame(await agent.left(), []);
});

t.test('another image, whatever the policy, and whoever is killed', { skip: needsRoot }, async t => {
  const agent = await agentFor(t);
  importAs(agent, 'localhost/other');
  const done = { command: ['true'], image: 'localhost/busybox' };
  const slow = 'trap "sleep 0.5; exit 0" TERM; while true; do sleep 0.05; done';
  for (const restartPolicy of ['Never', 'OnFailure'])
    await agent.create(
      restartPolicy.toLowerCase(),
      scripts({ main: slow, done }, { restartPolicy, terminationGracePeriodSeconds: 10 }),
    );
  const phases = new Set<string>();
  let isOver = false;
  const look = async (): Promise<void> => {
    while (!isOver) {
      phases.add((await agent.pod('never').catch(() => undefined))?.status.phase ?? '');
      await delay(20);
    }
  };
  const looking = look();
  t.teardown(() => {
    isOver = true;
  });
  for (const name of ['never', 'onfailure']) {
    await agent.until(
      name,
      status => container(status, 'main')?.state?.running && container(status, 'done')?.state?.terminated,
      30,
    );
    await replace(agent, name, spec => ({
      ...spec,
      containers: spec?.containers.map(each =>
        each.name === 'main' ? { ...each, image: 'localhost/other' } : each,
      ),
    }));
  }
  // They are being ended.
  await agent.restart();
  for (const name of ['never', 'onfailure']) {
    const { status } = await agent.until(
      name,
      status => container(status, 'main')?.restartCount === 1 && container(status, 'main')?.state?.running,
    );
    t.match(container(status, 'main'), {
      image: /^localhost\/other/,
      lastState: { terminated: { exitCode: 0 } },
    });
    t.match(container(status, 'done'), { restartCount: 0, state: { terminated: { exitCode: 0 } } });
  }
  isOver = true;
  await looking;
  t.notOk(phases.has('Failed') || phases.has('Succeeded'), 'it never had ended');
  await agent.clear();
  t.strictSame(await agent.left(), []);
});

t.test('kill -9 of the agent while a pod is deleted: it has its time', { skip: needsRoot }, async t => {
  const agent = await agentFor(t);
  const directory = mkdtempSync(join(agent.root, 'said-'));
  const saying = (name: string): object => ({
    command: [
      'sh',
      '-c',
      `trap "echo ${name} hears >>/said/log; sleep 1; echo ${name} ends >>/said/log; exit 0" TERM; while true; do sleep 0.05; done`,
    ],
    volumeMounts: [{ name: 'said', mountPath: '/said' }],
  });
  await agent.create('slow', {
    ...scripts(
      { main: saying('main') },
      { terminationGracePeriodSeconds: 20, volumes: [{ name: 'said', hostPath: { path: directory } }] },
    ),
    initContainers: [
      { name: 'side', image: 'localhost/busybox', restartPolicy: 'Always', ...saying('side') },
    ],
  });
  await agent.until('slow', status => container(status, 'main')?.ready, 30);
  const said = (): string => {
    const file = join(directory, 'log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  };
  await agent.delete('slow');
  for (let i = 0; i < 500 && !said().includes('main hears'); i++) await delay(20);
  await agent.restart();
  t.strictSame(await agent.left(), []);
  t.equal(
    said().replace(/(main hears\n)+/, 'main hears\n'),
    'main hears\nmain ends\nside hears\nside ends\n',
  );
});

t.test('a deadline for a pod that runs', { skip: needsRoot }, async t => {
  const agent = await agentFor(t);
  const specs = {
    shortened: scripts({ main: stay('a') }, { activeDeadlineSeconds: 1000 }),
    set: scripts({ main: stay('a') }),
    past: scripts({ main: stay('a') }),
    longer: scripts({ main: stay('a') }, { activeDeadlineSeconds: 1000 }),
  };
  for (const [name, spec] of Object.entries(specs)) await agent.create(name, spec);
  for (const name of Object.keys(specs)) await agent.until(name, ({ phase }) => phase === 'Running', 30);
  const deadline = (activeDeadlineSeconds: number) => (spec: Pod['spec']) => ({
    ...spec,
    activeDeadlineSeconds,
  });
  await t.rejects(replace(agent, 'longer', deadline(1001)), {
    message:
      'The Pod "longer" is invalid: spec.activeDeadlineSeconds: Invalid value: 1001: must be less than or equal to previous value',
  });
  const started = Date.parse((await agent.pod('set')).status.startTime ?? '');
  await Promise.all([
    replace(agent, 'shortened', deadline(3)),
    replace(agent, 'set', deadline(3)),
    replace(agent, 'past', deadline(1)),
    replace(agent, 'longer', deadline(900)),
  ]);
  for (const name of ['shortened', 'set', 'past']) {
    const { status } = await agent.until(name, ({ phase }) => phase === 'Failed');
    t.match(status, {
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
    });
    t.equal(container(status, 'main')?.state?.running, undefined);
  }
  t.ok(Date.now() - started >= 2000, 'not before');
  t.match((await agent.pod('longer')).status, { phase: 'Running' });
  await agent.clear();
  t.strictSame(await agent.left(), []);
});

t.test(
  'what has gone by force, and the next of its name, whoever is killed',
  { skip: needsRoot },
  async t => {
    const agent = await agentFor(t);
    const deaf = 'trap "" TERM; while true; do sleep 0.05; done';
    const spec = scripts({ main: deaf }, { terminationGracePeriodSeconds: 3 });
    await agent.create('web', spec);
    const first = await agent.until('web', ({ phase }) => phase === 'Running', 30);
    await agent.delete('web', 0);
    await agent.create('web', spec);
    await agent.kill();
    const logs = join(agent.roots.state, 'logs', 'default_gone_00000000-0000-4000-8000-000000000000');
    mkdirSync(logs);
    await agent.start();
    t.notOk(existsSync(logs), 'logs of no pod go');
    const second = await agent.until('web', ({ phase }) => phase === 'Running', 30);
    t.not(second.metadata?.uid, first.metadata?.uid);
    t.match(agent.said, new RegExp(`pod ${first.metadata?.uid} runs, but there is no object of it`));
    await agent.clear();
    t.strictSame(await agent.left(), []);
  },
);

t.test(
  'a pod that waits for its new image, or has ended, is not changed by more',
  { skip: needsRoot },
  async t => {
    const agent = await agentFor(t);
    const never = { restartPolicy: 'Never' };
    await agent.create('waits', scripts({ main: stay('a') }, never));
    await agent.create('done', scripts({ main: 'exit 0' }, never));
    await agent.until('waits', ({ phase }) => phase === 'Running', 30);
    await agent.until('done', ({ phase }) => phase === 'Succeeded', 30);
    const withImage = (image: string) => (spec: Pod['spec']) => ({
      ...spec,
      containers: spec?.containers.map(each => ({ ...each, image })),
    });
    await replace(agent, 'waits', withImage('localhost/missing'));
    await agent.until('waits', status =>
      /^(ErrImage|ImagePull)/.test(container(status, 'main')?.state?.waiting?.reason ?? ''),
    );
    await replace(agent, 'done', spec => ({ ...spec, activeDeadlineSeconds: 1 }));
    await agent.restart();
    await replace(agent, 'waits', withImage('localhost/busybox'));
    const { status } = await agent.until('waits', status => container(status, 'main')?.state?.running, 40);
    t.match(container(status, 'main'), { restartCount: 1 });
    t.match((await agent.pod('done')).status, { phase: 'Succeeded' });
    t.notOk((await agent.events('done')).some(event => event.startsWith('DeadlineExceeded')));
    await agent.clear();
    t.strictSame(await agent.left(), []);
  },
);

t.test('stdinOnce: the input ends with the first who was attached', { skip: needsRoot }, async t => {
  const agent = await agentFor(t);
  const reads = { command: ['sh', '-c', 'echo ready; cat; echo over'], stdin: true };
  await agent.create('once', scripts({ main: { ...reads, stdinOnce: true } }, { restartPolicy: 'Never' }));
  await agent.create('open', scripts({ main: reads }, { restartPolicy: 'Never' }));
  for (const name of ['once', 'open']) await agent.until(name, ({ phase }) => phase === 'Running', 30);
  const attach = async (name: string, input: string, echo = input) => {
    const attached = start(['--root', agent.root, 'attach', name, '-i']);
    attached.child.stdin?.write(input);
    await attached.waitFor(echo);
    attached.child.stdin?.end();
    return attached;
  };
  const first = await attach('once', 'one\n');
  t.equal(await first.ended, 0);
  const { status } = await agent.until('once', ({ phase }) => phase === 'Succeeded');
  t.match(container(status, 'main')?.state, { terminated: { exitCode: 0 } });
  t.equal(agent.command(['logs', 'once']).stdout, 'ready\none\nover\n');

  const left = await attach('open', 'one\n');
  left.child.kill();
  await left.ended;
  // Who comes next finds it open, also after an agent has gone.
  await agent.restart();
  const next = await attach('open', 'two\n');
  next.child.kill();
  await next.ended;
  t.match((await agent.pod('open')).status, { phase: 'Running' });
  t.equal(agent.command(['logs', 'open']).stdout, 'ready\none\ntwo\n');
  await agent.clear();
  t.strictSame(await agent.left(), []);
});

t.test('kubectl: set image, run', { skip: needsKubectl }, async t => {
  const agent = await agentFor(t);
  const kubectl = kubectlFor(t, agent);
  importAs(agent, 'localhost/other');
  await agent.create('web', scripts({ a: stay('a') }));
  await agent.until('web', ({ phase }) => phase === 'Running', 30);
  t.match(await kubectl(['set', 'image', 'pod/web', 'a=localhost/other']), {
    code: 0,
    out: 'pod/web image updated\n',
  });
  await agent.until('web', status => {
    const a = container(status, 'a');
    return a?.image === 'localhost/other:latest' && a.restartCount === 1 && a.state?.running;
  });
  const pullNever = ['--image', 'localhost/busybox', '--image-pull-policy', 'Never', '--restart', 'Never'];
  const ran = await kubectl(
    ['run', 'cat', '-i', '--rm', ...pullNever, '--', 'sh', '-c', 'cat; exit 3'],
    'one\ntwo\n',
  );
  t.match(ran.out, /one\ntwo\n/);
  t.equal(ran.code, 3, ran.err);
  // kubectl does not wait for the end of what it deletes.
  await agent.untilGone('cat');
  await agent.clear();
  t.strictSame(await agent.left(), []);
});
