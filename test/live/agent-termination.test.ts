import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { PodStatus } from '../../src/kube/types.generated.ts';
import { agentFor, container, scripts, type TestAgent } from './agent.ts';
import { needsRoot } from './harness.ts';
import { STAY, sh } from './pod-expected.ts';
import { PodWatcher, type Seen, soon } from './pod-rows.ts';

type Test = Pick<typeof import('tap').default, 'teardown'>;

/** Tells the pod's log who does what, and when, in hundredths of a second. */
const log = (what: string): string => `echo "$(cut -d " " -f 1 /proc/uptime) ${what}" >>/v/log`;
const untilLogged = (...all: readonly string[]): string =>
  all.map(what => `while ! grep -q "${what}$" /v/log; do sleep 0.05; done`).join('; ');
/** Says that it has been told to go, and that it goes. */
const polite = (name: string, before = 'true'): string =>
  `trap '${log(`${name} TERM`)}; ${before}; ${log(`${name} ends`)}; exit 0' TERM; ${log(`${name} begins`)}; while true; do sleep 0.05; done`;
const stubborn = (name: string): string =>
  `trap '${log(`${name} TERM`)}' TERM; ${log(`${name} begins`)}; while true; do sleep 0.05; done`;

const mounted = { volumeMounts: [{ name: 'v', mountPath: '/v' }] };
const shell = (script: string, more: object = {}): object => sh(script, { ...mounted, ...more });
const preStop = (script: string): object => ({
  lifecycle: { preStop: { exec: { command: ['sh', '-c', script] } } },
});
const sidecar = (name: string, more: object = {}): object => ({
  name,
  image: 'localhost/busybox',
  restartPolicy: 'Always',
  ...shell(polite(name), more),
});

class Ending {
  readonly agent: TestAgent;
  readonly watcher: PodWatcher;
  readonly directory: string;

  private constructor(agent: TestAgent, watcher: PodWatcher) {
    this.agent = agent;
    this.watcher = watcher;
    this.directory = mkdtempSync(join(agent.root, 'log-'));
  }

  static async start(t: Test): Promise<Ending> {
    const agent = await agentFor(t);
    const watcher = await PodWatcher.start(agent);
    t.teardown(() => watcher.end());
    return new Ending(agent, watcher);
  }

  /** A pod whose containers have begun. */
  async run(name: string, spec: object): Promise<Seen> {
    const path = join(this.directory, name);
    const volumes = [{ name: 'v', hostPath: { path, type: 'DirectoryOrCreate' } }];
    await this.agent.create(name, { ...spec, volumes });
    const { containers, initContainers = [] } = spec as { containers: []; initContainers?: [] };
    const count = containers.length + initContainers.length;
    await soon(() => this.log(name).filter(({ what }) => what === 'begins').length === count || undefined);
    // A status is told a moment after what it is about.
    const isUp = ({ containerStatuses = [] }: PodStatus) =>
      containerStatuses.every(({ state }) => state?.running);
    return this.agent.until(name, isUp, 30);
  }

  /** What a pod's log says. */
  log(name: string): readonly { readonly at: number; readonly who: string; readonly what: string }[] {
    const file = join(this.directory, name, 'log');
    if (!existsSync(file)) return [];
    return [...readFileSync(file, 'utf8').matchAll(/^([\d.]+) (\S+) (\S+)$/gm)].map(
      ([, at, who = '', what = '']) => ({ at: Number(at), who, what }),
    );
  }

  /** The last that was seen of a pod, when it has gone. */
  async gone(name: string): Promise<Seen> {
    const isGone = async () =>
      (await this.agent.pods()).some(each => each.metadata?.name === name) ? undefined : true;
    if ((await soon(isGone)) === undefined) throw new Error(`${name} does not go`);
    const pod = this.watcher.versions(name).at(-1);
    if (pod === undefined) throw new Error(`${name} was never seen`);
    return pod;
  }
}

const exitCodes = ({ status }: Seen): object =>
  Object.fromEntries(
    [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])].map(({ name, state }) => [
      name,
      state?.terminated?.exitCode,
    ]),
  );
const finished = ({ status }: Seen, name: string): number =>
  Date.parse(container(status, name)?.state?.terminated?.finishedAt ?? '');

t.test('the order of the end, with times', { skip: needsRoot }, async t => {
  const ending = await Ending.start(t);
  const { agent, watcher } = ending;
  await ending.run(
    'pod',
    scripts(
      {
        // Its hook ends when those of the sidecars have begun, and another one has been told to go.
        app: shell(polite('app', untilLogged('bare ends')), {
          ...preStop(
            `${log('app preStop')}; ${untilLogged('one preStop', 'two preStop', 'bare TERM')}; ${log('app stopped')}`,
          ),
        }),
        bare: shell(polite('bare')),
      },
      {
        terminationGracePeriodSeconds: 60,
        initContainers: [
          sidecar('one', preStop(log('one preStop'))),
          sidecar('two', preStop(log('two preStop'))),
        ],
      },
    ),
  );
  await watcher.shown('pod', ['4/4 Running 0']);
  const before = Date.now();
  await agent.delete('pod');
  const after = Date.now();
  const terminating = await watcher.shown('pod', ['4/4 Running 0', '4/4 Terminating 0']);
  t.equal(terminating.status.phase, 'Running');
  t.equal(terminating.metadata?.deletionGracePeriodSeconds, 60);
  // It has whole seconds.
  const due = Date.parse(terminating.metadata?.deletionTimestamp ?? '') - 60_000;
  t.ok(due >= before - 1000 && due <= after, `${before} ${due} ${after}`);
  const pod = await ending.gone('pod');
  const entries = ending.log('pod');
  /** One after the other in the log, and by the clock. */
  const order = (...all: readonly string[]): void => {
    const found = all.map(what => entries.findIndex(each => `${each.who} ${each.what}` === what));
    for (const [i, place] of found.entries()) {
      const last = found[i - 1] ?? 0;
      const isAfter = place >= last && (entries[place]?.at ?? -1) >= (entries[last]?.at ?? 0);
      t.ok(isAfter, `${all[i]} after ${all[i - 1] ?? 'nothing'}: ${JSON.stringify(entries)}`);
    }
  };
  order('one begins', 'two begins', 'app begins');
  order('app preStop', 'app stopped', 'app TERM', 'app ends', 'two TERM', 'two ends', 'one TERM', 'one ends');
  order('bare TERM', 'app stopped');
  order('bare ends', 'two TERM');
  order('one preStop', 'app stopped');
  order('two preStop', 'app stopped');
  t.same(exitCodes(pod), { one: 0, two: 0, app: 0, bare: 0 });
  t.ok(finished(pod, 'app') <= finished(pod, 'two'));
  t.ok(finished(pod, 'two') <= finished(pod, 'one'));
  t.ok(
    await watcher.wasPrinted('pod', [
      '4/4 Running 0',
      '4/4 Terminating 0',
      '2/4 Terminating 0',
      '0/4 Terminating 0',
    ]),
  );
  const events = await agent.events('pod');
  for (const name of ['one', 'two', 'app', 'bare'])
    t.ok(events.includes(`Killing: Stopping container ${name}`), name);
  await agent.clear();
  t.strictSame(await agent.left(), []);
});

t.test('the grace period', { skip: needsRoot }, async t => {
  const ending = await Ending.start(t);
  const { agent, watcher } = ending;
  const specs: Readonly<Record<string, object>> = {
    killed: scripts({ app: shell(stubborn('app')) }),
    // A container that is not process 1 need not ask for the signal to end by it.
    terminated: scripts(
      { app: shell(`${log('app begins')}; exec sleep 1000`) },
      { shareProcessNamespace: true },
    ),
    'hook-outlasts': scripts(
      { app: shell(polite('app'), preStop(`${log('app preStop')}; sleep 1000; ${log('app stopped')}`)) },
      { terminationGracePeriodSeconds: 2 },
    ),
    'sleep-outlasts': scripts(
      { app: shell(polite('app'), { lifecycle: { preStop: { sleep: { seconds: 2 } } } }) },
      { terminationGracePeriodSeconds: 2 },
    ),
    'sidecar-waits': scripts({ app: shell(stubborn('app')) }, { initContainers: [sidecar('side')] }),
  };
  for (const [name, spec] of Object.entries(specs)) await ending.run(name, spec);
  await Promise.all(Object.keys(specs).map(name => agent.delete(name)));
  const [killed, terminated, hooked, slept, waited] = await Promise.all(
    Object.keys(specs).map(name => ending.gone(name)),
  );
  const words = (name: string): readonly string[] =>
    ending.log(name).map(({ who, what }) => `${who} ${what}`);
  t.same(killed && exitCodes(killed), { app: 137 });
  t.match(killed?.status.containerStatuses, [{ state: { terminated: { reason: 'Error' } } }]);
  t.same(words('killed'), ['app begins', 'app TERM']);
  t.same(terminated && exitCodes(terminated), { app: 143 });
  t.same(hooked && exitCodes(hooked), { app: 0 });
  t.same(words('hook-outlasts'), ['app begins', 'app preStop', 'app TERM', 'app ends']);
  t.same(slept && exitCodes(slept), { app: 0 });
  t.same(waited && exitCodes(waited), { side: 0, app: 137 });
  t.same(words('sidecar-waits').slice(2), ['app TERM', 'side TERM', 'side ends']);
  await agent.clear();
  t.strictSame(await agent.left(), []);
  watcher.end();
});

t.test('less patience than before', { skip: needsRoot }, async t => {
  const ending = await Ending.start(t);
  const { agent, watcher } = ending;
  await ending.run('pod', scripts({ app: shell(stubborn('app')) }, { terminationGracePeriodSeconds: 3600 }));
  for (const seconds of [undefined, 7200, 1]) await agent.delete('pod', seconds);
  t.same(exitCodes(await ending.gone('pod')), { app: 137 });
  const periods = watcher.versions('pod').map(({ metadata }) => metadata?.deletionGracePeriodSeconds);
  t.same([...new Set(periods)], [undefined, 3600, 1]);
  await agent.clear();
  t.strictSame(await agent.left(), []);
});

t.test(
  '--grace-period=0 --force: another one of that name may come at once',
  { skip: needsRoot },
  async t => {
    const ending = await Ending.start(t);
    const { agent } = ending;
    const spec = scripts({ app: shell(stubborn('app')) }, { terminationGracePeriodSeconds: 3600 });
    const { metadata } = await ending.run('pod', spec);
    const { status, stdout, stderr } = agent.command(['delete', 'pod', 'pod', '--grace-period=0', '--force']);
    t.equal(status, 0);
    t.equal(stdout, 'pod "pod" force deleted\n');
    t.match(
      stderr,
      /^Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated\./,
    );
    t.match(agent.command(['get', 'pod', 'pod']), {
      status: 1,
      stderr: 'Error from server (NotFound): pods "pod" not found\n',
    });
    await agent.create('pod', scripts({ app: STAY }));
    const pod = await agent.until('pod', ({ phase }) => phase === 'Running', 90);
    t.not(pod.metadata?.uid, metadata?.uid);
    await agent.clear();
    t.strictSame(await agent.left(), []);
  },
);

t.test('pods that do not run, or not yet', { skip: needsRoot }, async t => {
  const { agent, watcher } = await Ending.start(t);
  const image = { image: 'localhost/busybox' };
  const specs: Readonly<Record<string, readonly [spec: object, shows: string]>> = {
    pulling: [scripts({ app: { image: 'localhost/nosuch' } }), '0/1 ImagePullBackOff 0'],
    mounting: [
      scripts({ app: STAY }, { volumes: [{ name: 'v', secret: { secretName: 'nosuch' } }] }),
      '0/1 ContainerCreating 0',
    ],
    refused: [
      scripts({ app: STAY }, { securityContext: { runAsNonRoot: true } }),
      '0/1 CreateContainerConfigError 0',
    ],
    crashing: [scripts({ app: 'exit 1' }), '0/1 CrashLoopBackOff 1'],
    initialising: [
      scripts({ app: STAY }, { initContainers: [{ name: 'i', ...image, ...sh('exit 1') }] }),
      '0/1 Init:CrashLoopBackOff 1',
    ],
    preparing: [
      scripts({ app: STAY }, { initContainers: [{ name: 'i', ...image, ...sh(STAY) }] }),
      '0/1 Init:0/1 0',
    ],
    hooked: [
      scripts({
        app: sh(STAY, { lifecycle: { postStart: { exec: { command: ['sleep', '1000'] } } } }),
      }),
      '0/1 Running 0',
    ],
    done: [scripts({ app: 'exit 0' }, { restartPolicy: 'Never' }), '0/1 Completed 0'],
  };
  for (const [name, [spec]] of Object.entries(specs)) await agent.create(name, spec);
  for (const [name, [, shows]] of Object.entries(specs)) await watcher.shown(name, [shows]);
  const names = Object.keys(specs);
  const { status, stdout } = agent.command(['delete', 'pod', ...names, '--grace-period=20']);
  t.equal(status, 0);
  t.equal(stdout, names.map(name => `pod "${name}" deleted\n`).join(''));
  for (const [name, [, shows]] of Object.entries(specs)) {
    const isDone = name === 'done';
    const wanted = isDone ? [shows, shows] : [shows, shows.replace(/ .* /, ' Terminating ')];
    t.ok(
      await watcher.wasPrinted(name, wanted),
      `${wanted.join(', ')} in ${watcher.printed(name).join(', ')}`,
    );
    t.equal(
      watcher.printed(name).some(each => each.includes('Terminating')),
      !isDone,
      name,
    );
  }
  await agent.clear();
  t.strictSame(await agent.left(), []);
});
