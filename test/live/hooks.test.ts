import t from 'tap';
import { leftovers, needsRoot, podspace, probePod, runPod, start } from './harness.ts';

const script = (...lines: readonly string[]): readonly string[] => ['sh', '-c', lines.join('\n')];
const exec = (...lines: readonly string[]): object => ({ exec: { command: script(...lines) } });
/** Tells the shared log who does what, and when, in hundredths of a second. */
const log = (what: string): string => `set -- $(cat /proc/uptime); echo "$1 ${what}" >>/v/log`;
const shell = (name: string, ...lines: readonly string[]): object => ({
  name,
  image: 'localhost/busybox',
  command: script(...lines),
  volumeMounts: [{ name: 'v', mountPath: '/v' }],
});
const withLog = (spec: object): ReturnType<typeof probePod> =>
  probePod({ volumes: [{ name: 'v', emptyDir: {} }], ...spec });
/** Goes when it is told to, after so many seconds. */
const polite = (name: string, seconds = 0): string =>
  `trap '${log(`${name} TERM`)}; sleep ${seconds}; ${log(`${name} ends`)}; exit 0' TERM; echo ready; while :; do sleep 0.05; done`;

t.test('postStart: before the probes, with what a command in the container has', { skip: needsRoot }, t => {
  const result = runPod(
    withLog({
      containers: [
        {
          ...shell('c', 'while ! test -e /v/done; do sleep 0.05; done; cat /v/log; id -u'),
          securityContext: { runAsUser: 405 },
          env: [{ name: 'X', value: 'from the spec' }],
          lifecycle: { postStart: exec('echo "$X $(id -u)" >>/v/log; sleep 0.7; echo hooked >>/v/log') },
          readinessProbe: { periodSeconds: 1, ...exec('echo probed >>/v/log; touch /v/done') },
        },
      ],
    }),
  );
  t.equal(result.containers[0]?.stdout, 'from the spec 405\nhooked\nprobed\n405\n');
  t.end();
});

t.test('postStart that fails: the container is ended, the reason told', { skip: needsRoot }, t => {
  const result = runPod(
    withLog({
      containers: [
        {
          ...shell('c', polite('c')),
          lifecycle: {
            postStart: exec('while ! grep -q "[s]leep" /proc/*/cmdline; do :; done; echo no; exit 3'),
            preStop: exec(log('preStop')),
          },
        },
      ],
    }),
    '-v',
  );
  const uid = /\(([\w-]+)\)/.exec(result.containers[0]?.message ?? '')?.[1];
  t.match(result.containers[0], {
    reason: 'PostStartHookError',
    exitCode: 0,
    message: `in Pod "test-`,
  });
  t.match(
    result.containers[0]?.message ?? '',
    /^Exec lifecycle hook \(\[sh -c .*\]\) for Container "c" in Pod "[\w-]+_default\([\w-]+\)" failed - error: command 'sh -c .*' exited with 3: no\n, message: "no\\n"$/,
  );
  t.ok(uid);
  t.match(result.stderr, /^Warning\tFailedPostStartHook\t\S+\tPostStartHook failed$/m);
  t.match(result.stderr, /^Normal\tKilling\t\S+\tFailedPostStartHook$/m);
  t.end();
});

t.test(
  'hooks by httpGet: any answer will do, none will not; tcpSocket never does',
  { skip: needsRoot },
  t => {
    const run = (postStart: object) => {
      const { containers } = runPod(
        withLog({
          terminationGracePeriodSeconds: 1,
          // It is there before the hook, which has one try.
          initContainers: [
            {
              ...shell('server', 'trap "exit 0" TERM; httpd -p 80 -h /v; sleep 60 & wait'),
              restartPolicy: 'Always',
              startupProbe: { periodSeconds: 1, failureThreshold: 30, tcpSocket: { port: 80 } },
            },
          ],
          containers: [{ ...shell('c', 'trap "exit 0" TERM; sleep 1 & wait'), lifecycle: { postStart } }],
        }),
      );
      return { containers: containers.filter(({ name }) => name === 'c') };
    };
    t.match(run({ httpGet: { port: 80, path: '/nothing' } }), { containers: [{ reason: 'Completed' }] });
    t.match(run({ httpGet: { port: 9, path: '/x' } }), {
      containers: [
        {
          reason: 'PostStartHookError',
          message:
            /^HTTP lifecycle hook \(\/x\) for .* failed - error: Get "http:\/\/[\d.]+:9\/x": dial tcp [\d.]+:9: connect: connection refused$/,
        },
      ],
    });
    const never = { ...shell('c', polite('c')), lifecycle: { postStart: { tcpSocket: { port: 80 } } } };
    const ran = podspace(['run', '-'], JSON.stringify(withLog({ containers: [never] })));
    t.match(ran.stderr, /^error: container "c": PostStartHookError: .*invalid handler: tcpSocket$/m);
    t.end();
  },
);

/** What the shared log says: `who what` in order, and when, in seconds. */
function entries(text: string): ReadonlyMap<string, number> {
  const lines = [...text.matchAll(/^(\d+\.\d+) (\w+ \w+)$/gm)];
  return new Map(lines.map(([, at, what]) => [what ?? '', Number(at)]));
}

t.test('the order of the end, with times', { skip: needsRoot }, async t => {
  const sidecar = (name: string, preStop: string): object => ({
    ...shell(name, polite(name), 'x'),
    restartPolicy: 'Always',
    lifecycle: { preStop: exec(log(`${name} preStop`), preStop) },
  });
  const reader = {
    ...shell(
      'last',
      'trap "" TERM; trap "cat /v/log; exit 0" USR1; echo ready; while :; do sleep 0.05; done',
    ),
    restartPolicy: 'Always',
    lifecycle: { stopSignal: 'SIGUSR1' },
  };
  const running = start(
    ['run', '-v', '-'],
    JSON.stringify(
      withLog({
        os: { name: 'linux' },
        terminationGracePeriodSeconds: 20,
        // The first sidecar ends last: it has seen everything.
        initContainers: [reader, sidecar('one', 'true'), sidecar('two', 'sleep 0.2')],
        containers: [
          {
            ...shell('app', polite('app', 0.5)),
            lifecycle: { preStop: exec(log('app preStop'), 'sleep 0.3') },
          },
          { ...shell('bare', polite('bare')), lifecycle: { preStop: { sleep: { seconds: 1 } } } },
        ],
      }),
    ),
  );
  await running.waitFor('[app] ready');
  await running.waitFor('[bare] ready');
  running.child.kill('SIGTERM');
  t.equal(await running.ended, 0);
  const output = running.output();
  const at = entries(output.replaceAll('[last] ', ''));
  const time = (what: string): number => at.get(what) ?? Number.NaN;
  const before = (first: string, second: string, least = 0): void => {
    t.ok(
      time(second) - time(first) >= least,
      `${first} (${time(first)}) ${least} s before ${second} (${time(second)})`,
    );
  };
  before('app preStop', 'app TERM', 0.28);
  before('app TERM', 'app ends', 0.48);
  t.ok(time('one preStop') < time('app TERM'), 'hooks of all begin at once');
  t.ok(time('two preStop') < time('app TERM'));
  before('app preStop', 'bare TERM', 0.9);
  before('app ends', 'two TERM');
  before('bare ends', 'two TERM');
  before('two ends', 'one TERM');
  t.ok(output.lastIndexOf('[last] ') > output.lastIndexOf('Stopping container'));
  t.equal((output.match(/Killing\t\S+\tStopping container \w+$/gm) ?? []).length, 5);
});

t.test(
  'preStop is within the grace period; the stop signal comes all the same',
  { skip: needsRoot },
  async t => {
    const running = start(
      ['run', '-v', '-'],
      JSON.stringify(
        withLog({
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              ...shell('c', 'trap "echo TERM; exit 0" TERM; echo ready; while :; do sleep 0.05; done'),
              lifecycle: {
                preStop: exec('trap "" TERM; echo begun >/proc/1/fd/1; while :; do sleep 1; done'),
              },
            },
          ],
        }),
      ),
    );
    await running.waitFor('ready');
    const startedAt = Date.now();
    running.child.kill('SIGTERM');
    t.equal(await running.ended, 0);
    const took = Date.now() - startedAt;
    t.ok(took >= 950 && took < 4000, `${took} ms`);
    t.match(running.output(), /begun\n(.*\n)*TERM\n/);
  },
);

t.test('a second signal does not wait for preStop', { skip: needsRoot }, async t => {
  const running = start(
    ['run', '-v', '-'],
    JSON.stringify(
      withLog({
        containers: [{ ...shell('c', polite('c')), lifecycle: { preStop: { sleep: { seconds: 20 } } } }],
      }),
    ),
  );
  await running.waitFor('ready');
  const startedAt = Date.now();
  running.child.kill('SIGTERM');
  await running.waitFor('Stopping container c');
  await new Promise(done => setTimeout(done, 200));
  running.child.kill('SIGTERM');
  t.equal(await running.ended, 137);
  t.ok(Date.now() - startedAt < 10_000);
});

t.test('restart rules: by exit code', { skip: needsRoot }, t => {
  const result = runPod(
    withLog({
      restartPolicy: 'Never',
      containers: [
        {
          ...shell('c', 'test -e /v/tried && exit 5; touch /v/tried; exit 42'),
          restartPolicy: 'Never',
          restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }],
        },
      ],
    }),
  );
  t.match(result, { phase: 'Failed', status: 5, containers: [{ restartCount: 1, exitCode: 5 }] });
  t.end();
});

t.test('nothing is left behind', { skip: needsRoot }, t => {
  t.same(leftovers(), []);
  t.end();
});
