import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { Pod, PodStatus } from '../../src/kube/types.generated.ts';
import { rounds } from '../rounds.ts';
import { agentFor, container, scripts, shimOf, type TestAgent } from './agent.ts';
import { checkLog, counting, lines, volumeMounts, volumes } from './counting.ts';
import { needsRoot } from './harness.ts';

type Test = typeof import('tap').default;

const forever = counting('forever', 'i=0; while true; do echo line $i; i=$((i + 1)); sleep 0.05; done');
const failing = counting('failing', `${lines(20, '0.05')} exit 1`);
const exec = (command: string) => ({ exec: { command: ['sh', '-c', command] } });

/** What there is of pods: restarts, output, init containers, sidecars, probes, ports that are taken, volumes that change. */
const SPECS: readonly object[] = [
  scripts({ forever, failing }, { volumes }),
  {
    ...scripts({ forever }, { volumes }),
    initContainers: [
      { name: 'first', image: 'localhost/busybox', ...counting('first', lines(10, '0.05')) },
      {
        name: 'side',
        image: 'localhost/busybox',
        restartPolicy: 'Always',
        ...counting('side', `${lines(30, '0.05')} exit 3`),
      },
    ],
  },
  scripts(
    {
      forever: {
        ...forever,
        readinessProbe: { ...exec('true'), periodSeconds: 1 },
        startupProbe: { ...exec('true'), periodSeconds: 1 },
      },
      unwell: counting(
        'unwell',
        'trap "exit 0" TERM; i=0; while true; do echo line $i; i=$((i + 1)); sleep 0.05; done',
        {
          livenessProbe: { ...exec('false'), periodSeconds: 1, failureThreshold: 2 },
        },
      ),
    },
    { volumes, restartPolicy: 'OnFailure' },
  ),
  scripts({ forever: { ...forever, ports: [{ containerPort: 80, hostPort: 18080 }] } }, { volumes }),
  scripts({ forever: { ...forever, ports: [{ containerPort: 80, hostPort: 18080 }] } }, { volumes }),
  scripts(
    { forever: { ...forever, volumeMounts: [...volumeMounts, { name: 'c', mountPath: '/c' }] } },
    { volumes: [...volumes, { name: 'c', configMap: { name: 'settings' } }] },
  ),
];

const statuses = ({ containerStatuses = [], initContainerStatuses = [] }: PodStatus) => [
  ...initContainerStatuses,
  ...containerStatuses,
];

/** Restart counts never go back, and are what containers count themselves. */
class Counts {
  readonly #known = new Map<string, number>();

  check(t: Pick<Test, 'fail'>, pods: readonly (Pod & { status: PodStatus })[]): void {
    for (const { metadata, status } of pods)
      for (const { name, restartCount } of statuses(status ?? {})) {
        const key = `${metadata?.name} ${name}`;
        if (restartCount < (this.#known.get(key) ?? 0))
          t.fail(`${key}: restart count ${restartCount} after ${this.#known.get(key)}`);
        this.#known.set(key, restartCount);
      }
  }
}

t.test('kill -9 of the agent during the life of pods', { skip: needsRoot }, async t => {
  const agent = await agentFor(t);
  const podCount = Number(process.env.PODSPACE_TEST_PODS ?? 6);
  const setting = (value: string) => ({ data: { value } });
  await agent.create('settings', setting('0'), 'ConfigMap');
  for (let i = 0; i < podCount; i++) await agent.create(`pod-${i}`, SPECS[i % SPECS.length] ?? {});
  // A loaded machine takes its time; half of them are being made even so when the first kill comes.
  await agent.until('pod-0', ({ phase }) => phase === 'Running', 30);
  const counts = new Counts();
  const kills = rounds(12);
  for (let i = 1; i <= kills; i++) {
    await delay(Math.random() * 600);
    await agent.restart();
    counts.check(t, await agent.pods());
  }
  await agent.until('pod-0', status => (container(status, 'failing')?.restartCount ?? 0) > 0, 30);
  // What was begun last has its time to come to rest.
  await delay(1500);
  let count = 0;
  let restarts = 0;
  for (const pod of await agent.pods())
    for (const { name, restartCount, state } of statuses(pod.status)) {
      const log = checkLog(t, agent, pod, name);
      count += log.count;
      restarts += restartCount;
      if (log.attempt !== undefined)
        t.equal(restartCount, log.attempt, `${pod.metadata?.name} ${name}: ${JSON.stringify(state)}`);
    }
  t.comment(`${kills} kills, ${podCount} pods: ${count} lines, ${restarts} restarts`);
  t.ok(restarts > 0);
  const pods = await agent.pods();
  t.equal(pods.filter(({ status }) => status.phase === 'Pending').length >= Math.floor(podCount / 6), true);
  await agent.clear();
  t.strictSame(await agent.left(), []);
});

t.test('kill -9 of the agent while pods start, and while they end', { skip: needsRoot }, async t => {
  const agent = await agentFor(t);
  const spec = scripts(
    { main: counting('main', 'trap "sleep 0.3; exit 0" TERM; while true; do sleep 0.05; done') },
    { volumes, terminationGracePeriodSeconds: 5 },
  );
  for (let i = 0; i < rounds(3); i++) {
    const names = [`a-${i}`, `b-${i}`, `c-${i}`];
    for (const name of names) await agent.create(name, spec);
    await delay(Math.random() * 150);
    await agent.restart();
    await delay(Math.random() * 150);
    await agent.restart();
    for (const name of names) {
      const pod = await agent.until(name, ({ phase }) => phase === 'Running');
      t.equal(container(pod.status, 'main')?.restartCount, 0);
      t.strictSame(checkLog(t, agent, pod, 'main').attempt ?? 0, 0);
    }
    for (const name of names) await agent.delete(name);
    await delay(Math.random() * 400);
    await agent.restart();
    await delay(Math.random() * 400);
    await agent.restart();
    await agent.clear(5);
    t.strictSame(await agent.left(), [], `round ${i}`);
  }
});

/** Ends a pod's shim, and all that it holds. */
function killShim(agent: TestAgent, pod: Pod): void {
  const pid = shimOf(agent.roots, pod.metadata?.uid ?? '');
  if (pid === undefined) throw new Error(`${pod.metadata?.name} has no shim`);
  process.kill(pid, 'SIGKILL');
}

const isUp = ({ phase, containerStatuses = [] }: PodStatus): boolean =>
  phase === 'Running' && containerStatuses.every(({ state }) => state?.running !== undefined);

/** What pods of each policy, whose containers run or have ended well, come to when their shims are lost. */
async function lose(
  t: Pick<Test, 'match' | 'ok' | 'strictSame'>,
  agent: TestAgent,
  lose: (pods: readonly Pod[]) => Promise<void>,
): Promise<void> {
  const stay = counting('stay', 'while true; do sleep 0.05; done');
  const once = counting('once', 'exit 0');
  const specs = {
    always: scripts({ stay }, { volumes }),
    'on-failure': scripts({ stay, once }, { volumes, restartPolicy: 'OnFailure' }),
    never: scripts({ stay }, { volumes, restartPolicy: 'Never' }),
    done: scripts({ once }, { volumes, restartPolicy: 'Never' }),
  };
  for (const [name, spec] of Object.entries(specs)) await agent.create(name, spec);
  await agent.until('done', ({ phase }) => phase === 'Succeeded');
  const pods = await Promise.all([
    agent.until('always', isUp),
    agent.until(
      'on-failure',
      status => container(status, 'stay')?.state?.running && container(status, 'once')?.state?.terminated,
    ),
    agent.until('never', isUp),
  ]);
  for (let round = 1; round <= 2; round++) {
    await lose(round === 1 ? pods : [await agent.pod('always'), await agent.pod('on-failure')]);
    for (const name of ['always', 'on-failure']) {
      const { status } = await agent.until(name, status => {
        const stay = container(status, 'stay');
        return stay?.restartCount === round && stay.state?.running;
      });
      t.match(container(status, 'stay'), {
        restartCount: round,
        lastState: { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown' } },
      });
      t.match(status, { phase: 'Running' });
      t.ok((await agent.events(name)).some(event => event.startsWith('SandboxChanged: ')));
    }
  }
  t.match(container((await agent.pod('on-failure')).status, 'once'), {
    restartCount: 0,
    state: { terminated: { exitCode: 0, reason: 'Completed' } },
  });
  t.match((await agent.until('never', ({ phase }) => phase === 'Failed')).status.containerStatuses, [
    { restartCount: 0, state: { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown' } } },
  ]);
  t.match((await agent.pod('done')).status, { phase: 'Succeeded' });
  await agent.clear();
  t.strictSame(await agent.left(), []);
}

t.test('kill -9 of the shims of pods', { skip: needsRoot }, async t => {
  const agent = await agentFor(t);
  await lose(t, agent, async pods => {
    for (const pod of pods) killShim(agent, pod);
  });
});

t.test('a reboot: nothing runs any more, and /run is empty', { skip: needsRoot }, async t => {
  const agent = await agentFor(t);
  await lose(t, agent, async pods => {
    await agent.kill();
    // One that has ended just now may still have its own.
    for (const pid of agent.shims()) process.kill(pid, 'SIGKILL');
    await delay(50);
    for (const { metadata } of pods) agent.endAll(metadata?.uid ?? '');
    rmSync(agent.roots.run, { recursive: true, force: true });
    await agent.start();
  });
});

t.test('two agents at once: the second one refuses', { skip: needsRoot }, async t => {
  const agent = await agentFor(t);
  const { status, stderr } = agent.command(['agent', '--foreground']);
  t.equal(status, 1);
  t.match(stderr, /^error: an agent runs already\n/);
  t.strictSame(await agent.pods(), []);
});

t.test('damaged files are moved aside, or done without', { skip: needsRoot }, async t => {
  const agent = await agentFor(t);
  const names = ['sound', 'status', 'detached', 'attempt', 'record', 'object', 'nameless'];
  const spec = scripts({ forever }, { volumes });
  for (const name of names) await agent.create(name, spec);
  const uids = new Map<string, string>();
  for (const name of names) uids.set(name, (await agent.until(name, isUp)).metadata?.uid ?? '');
  await agent.kill();
  const { state, run } = agent.roots;
  const damages = [
    join(state, 'agent', 'status', `${uids.get('status')}.json`),
    join(run, 'pods', uids.get('detached') ?? '', 'detached.json'),
    join(run, 'pods', uids.get('attempt') ?? '', 'attempts', 'forever.0.json'),
    join(run, 'pods', uids.get('record') ?? '', 'pod.json'),
    join(state, 'objects', 'Pod', 'default', 'object.json'),
  ];
  // Of this one there is neither the object nor what it was made of.
  rmSync(join(state, 'objects', 'Pod', 'default', 'nameless.json'));
  rmSync(join(run, 'pods', uids.get('nameless') ?? '', 'pod.json'), { force: true });
  for (const file of damages) writeFileSync(file, readFileSync(file).subarray(0, 40));
  await agent.start();
  const restarted = (status: PodStatus) => container(status, 'forever')?.restartCount === 1 && isUp(status);
  for (const name of ['sound', 'status', 'record'])
    t.equal(container((await agent.until(name, isUp)).status, 'forever')?.restartCount, 0, name);
  for (const name of ['detached', 'attempt']) await agent.until(name, restarted);
  await t.rejects(agent.pod('object'), /pods "object" not found/);
  t.match(agent.said, /its status file was damaged; it is now /);
  t.match(agent.said, /the stored object .*object\.json\\" is damaged: .*it is now /);
  t.match(agent.said, /detached\.json is damaged/);
  const left = readdirSync(join(state, 'damaged'));
  t.ok(left.some(name => name.startsWith('Pod_default_object.json.')));
  t.ok(left.some(name => name.startsWith('status_')));
  await agent.clear();
  t.strictSame(await agent.left(), []);
});
