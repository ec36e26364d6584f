import t from 'tap';
import type { Container, Probe } from '../../../../src/kube/types.generated.ts';
import { failure, type Outcome, success } from '../../../../src/runtime/handlers/outcome.ts';
import {
  ContainerProbes,
  type ContainerProbesOptions,
} from '../../../../src/runtime/probes/container-probes.ts';
import { FakeClock } from './fake-clock.ts';

const EVERY_SECOND: Probe = { periodSeconds: 1, failureThreshold: 1 };
const PROBES = ['startupProbe', 'livenessProbe', 'readinessProbe'] as const;

/** Probes of a container, answered by what `answers` says at that moment. */
function probes(
  wanted: readonly (typeof PROBES)[number][],
  options: Partial<ContainerProbesOptions> = {},
  settings: Probe = EVERY_SECOND,
) {
  const clock = new FakeClock();
  const start = clock.now();
  const answers: Partial<Record<(typeof PROBES)[number], Outcome>> = {};
  const seen = { changes: [] as string[], unhealthy: [] as string[], ran: [] as string[] };
  const container: Container = { name: 'c' };
  const own = Object.fromEntries(wanted.map(name => [name, { ...settings }]));
  const all = { ...container, ...own } as Container;
  const made = new ContainerProbes({
    container: all,
    clock,
    run: async probe => {
      const name = PROBES.find(each => all[each] === probe) ?? 'livenessProbe';
      seen.ran.push(`${name} ${(clock.now() - start) / 1000}`);
      return answers[name] ?? success();
    },
    onEvent: () => {},
    onChange: () => seen.changes.push(`${made.started} ${made.ready}`),
    onUnhealthy: kind => seen.unhealthy.push(kind),
    ...options,
  });
  return { clock, answers, seen, probes: made };
}

t.test('without probes a container is started and ready as long as it runs', t => {
  const { probes: made, clock } = probes([]);
  made.start();
  t.same([made.started, made.ready, clock.waiting], [true, true, 0]);
  made.end();
  t.same([made.started, made.ready], [false, false]);
  t.end();
});

t.test('readiness comes and goes', async t => {
  const { probes: made, clock, answers, seen } = probes(['readinessProbe']);
  made.start();
  t.same([made.started, made.ready], [true, false], 'not before it was asked');
  await clock.pass(600);
  t.ok(made.ready);
  answers.readinessProbe = failure('no');
  await clock.pass(1000);
  t.notOk(made.ready);
  answers.readinessProbe = success();
  await clock.pass(3000);
  t.ok(made.ready);
  t.same(seen.changes, ['true true', 'true false', 'true true'], 'told once for each change');
  t.same(seen.unhealthy, []);
});

t.test('startup comes first, and readiness is asked for right after it', async t => {
  const {
    probes: made,
    clock,
    answers,
    seen,
  } = probes([...PROBES], {}, { periodSeconds: 2, failureThreshold: 9 });
  answers.startupProbe = failure('not yet');
  made.start();
  await clock.pass(5000);
  t.same(seen.ran, ['startupProbe 0.5', 'startupProbe 2.5', 'startupProbe 4.5']);
  t.same([made.started, made.ready], [false, false]);
  answers.startupProbe = success();
  seen.ran.length = 0;
  await clock.pass(4000);
  t.same(seen.ran.slice(0, 2), ['startupProbe 6.5', 'readinessProbe 6.5']);
  t.same(seen.ran.slice(2).sort(), ['livenessProbe 8.5', 'readinessProbe 8.5']);
  t.same(seen.changes, ['true false', 'true true']);
});

t.test(
  'liveness and startup failures are told once; nothing is asked until there is a new container',
  async t => {
    for (const [name, kind] of [
      ['livenessProbe', 'liveness'],
      ['startupProbe', 'startup'],
    ] as const) {
      const { probes: made, clock, answers, seen } = probes([name]);
      answers[name] = failure('dead');
      made.start();
      await clock.pass(10_000);
      t.same(seen.unhealthy, [kind]);
      t.equal(seen.ran.length, 1);
      t.equal(made.started, kind === 'liveness');
    }
  },
);

t.test('while the pod ends liveness is not asked for, readiness is', async t => {
  const { probes: made, clock, answers, seen } = probes(['livenessProbe', 'readinessProbe']);
  made.start();
  await clock.pass(600);
  made.podEnds();
  answers.livenessProbe = failure('it ends');
  answers.readinessProbe = failure('it ends');
  await clock.pass(3000);
  t.same(seen.unhealthy, []);
  t.notOk(made.ready);
  made.end();
  t.equal(clock.waiting, 0);
});

t.test('a container that was found running keeps what is known of it, and is asked at once', async t => {
  const {
    probes: made,
    clock,
    answers,
    seen,
  } = probes(['startupProbe', 'readinessProbe'], {
    ranFor: 60_000,
    known: { started: true, ready: true },
  });
  t.same([made.started, made.ready], [true, true]);
  answers.readinessProbe = failure('no');
  made.start();
  await clock.pass(1);
  t.same(seen.ran, ['readinessProbe 0']);
  t.notOk(made.ready);
});
