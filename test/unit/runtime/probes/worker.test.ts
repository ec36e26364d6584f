import t from 'tap';
import type { Probe } from '../../../../src/kube/types.generated.ts';
import {
  failedToRun,
  failure,
  type Outcome,
  success,
  warning,
} from '../../../../src/runtime/handlers/outcome.ts';
import { type ProbeKind, ProbeWorker } from '../../../../src/runtime/probes/worker.ts';
import { FakeClock } from './fake-clock.ts';

/** A worker whose probe has these outcomes, the last one for ever; `at` is when it ran, in seconds. */
function worker(probe: Probe, outcomes: readonly Outcome[], kind: ProbeKind = 'readiness') {
  const clock = new FakeClock();
  const start = clock.now();
  const seen = { at: [] as number[], results: [] as boolean[], events: [] as string[], isTurn: true };
  const made = new ProbeWorker({
    kind,
    probe,
    clock,
    startedAt: start,
    run: async () => {
      seen.at.push((clock.now() - start) / 1000);
      return outcomes[Math.min(seen.at.length, outcomes.length) - 1] ?? success();
    },
    isTurn: () => seen.isTurn,
    onResult: isSuccess => seen.results.push(isSuccess),
    onEvent: (reason, message) => seen.events.push(`${reason} ${message}`),
  });
  return { clock, seen, worker: made };
}

t.test('a turn every period, the first one soon after the start', async t => {
  const { clock, seen, worker: made } = worker({ periodSeconds: 2 }, [success()]);
  made.start();
  t.same(seen.at, []);
  await clock.pass(5000);
  t.same(seen.at, [0.5, 2.5, 4.5]);
  t.same(seen.results, [true, true, true]);
  made.stop();
  await clock.pass(60_000);
  t.equal(seen.at.length, 3);
  t.equal(clock.waiting, 0);
});

t.test('initialDelaySeconds, and the default period of ten seconds', async t => {
  const { clock, seen, worker: made } = worker({ initialDelaySeconds: 5 }, [success()]);
  made.turn();
  made.start();
  await clock.pass(30_000);
  t.same(seen.at, [5, 15, 25]);
});

t.test('thresholds: so many in a row, counted anew at each change', async t => {
  const outcomes = [
    failure('1'),
    failure('2'),
    success(),
    failure('3'),
    failure('4'),
    failure('5'),
    failure('6'),
  ];
  const {
    clock,
    seen,
    worker: made,
  } = worker({ periodSeconds: 1, failureThreshold: 3, successThreshold: 2 }, [...outcomes, success()]);
  made.start();
  await clock.pass(5400);
  t.same(seen.results, [], 'five turns, none of them three failures or two successes in a row');
  await clock.pass(2000);
  t.same(seen.results, [false, false]);
  await clock.pass(2000);
  t.same(seen.results, [false, false, true]);
  t.same(
    seen.events,
    [1, 2, 3, 4, 5, 6].map(n => `Unhealthy Readiness probe failed: ${n}`),
  );
});

t.test('a warning is a success that says something', async t => {
  const { clock, seen, worker: made } = worker({}, [warning('moved')], 'liveness');
  made.start();
  await clock.pass(600);
  t.same(seen.results, [true]);
  t.same(seen.events, ['ProbeWarning Liveness probe warning: moved']);
});

t.test('what could not be run is tried three times, and counts neither way', async t => {
  const broken = failedToRun('no such command');
  const {
    clock,
    seen,
    worker: made,
  } = worker(
    { periodSeconds: 1, failureThreshold: 2 },
    [failure('x'), broken, broken, broken, failure('y')],
    'startup',
  );
  made.start();
  await clock.pass(2600);
  t.same(seen.at, [0.5, 1.5, 1.5, 1.5, 2.5]);
  t.same(seen.results, [false], 'the second failure in a row, though an error lies between');
  t.same(seen.events, [
    'Unhealthy Startup probe failed: x',
    'Unhealthy Startup probe errored and resulted in unknown state: no such command',
    'Unhealthy Startup probe failed: y',
  ]);
});

t.test('a bug in an action is an error of the probe, not of the pod', async t => {
  const clock = new FakeClock();
  const events: string[] = [];
  const made = new ProbeWorker({
    kind: 'liveness',
    probe: {},
    clock,
    startedAt: clock.now(),
    run: async () => {
      throw new Error('oops');
    },
    isTurn: () => true,
    onResult: () => t.fail('no result'),
    onEvent: (_, message) => events.push(message),
  });
  made.start();
  await clock.pass(600);
  t.same(events, ['Liveness probe errored and resulted in unknown state: Error: oops']);
});

t.test('one at a time: a turn that came meanwhile is taken at once, and more than one are one', async t => {
  const clock = new FakeClock();
  let finish = (): void => {};
  let runs = 0;
  const made = new ProbeWorker({
    kind: 'readiness',
    probe: { periodSeconds: 1 },
    clock,
    startedAt: clock.now(),
    run: () => {
      runs++;
      return new Promise(resolve => {
        finish = () => resolve(success());
      });
    },
    isTurn: () => true,
    onResult: () => {},
    onEvent: () => {},
  });
  made.start();
  await clock.pass(5000);
  t.equal(runs, 1);
  finish();
  await clock.pass(0);
  t.equal(runs, 2);
  finish();
  await clock.pass(0);
  t.equal(runs, 2, 'no turn is owed');
  await clock.pass(1000);
  t.equal(runs, 3);
  made.stop();
  finish();
});

t.test('after a sleep of the machine there is one turn, not hundreds', async t => {
  const { clock, seen, worker: made } = worker({ periodSeconds: 1 }, [success()]);
  made.start();
  await clock.pass(1600);
  t.equal(seen.at.length, 2);
  await clock.sleep(3_600_000);
  t.ok(seen.at.length <= 4, `${seen.at.length} turns`);
});

t.test('while it is not its turn nothing is run; turns keep their times', async t => {
  const { clock, seen, worker: made } = worker({ periodSeconds: 2 }, [success()]);
  seen.isTurn = false;
  made.start();
  await clock.pass(3000);
  t.same(seen.at, []);
  seen.isTurn = true;
  await clock.pass(4000);
  t.same(seen.at, [4.5, 6.5]);
});

t.test('a result that comes after the end is nobody’s', async t => {
  const clock = new FakeClock();
  const results: boolean[] = [];
  let signal: AbortSignal | undefined;
  const made = new ProbeWorker({
    kind: 'liveness',
    probe: { failureThreshold: 1 },
    clock,
    startedAt: clock.now(),
    run: (_, given) => {
      signal = given;
      return new Promise(resolve => given.addEventListener('abort', () => resolve(failure('ended'))));
    },
    isTurn: () => true,
    onResult: isSuccess => results.push(isSuccess),
    onEvent: () => t.fail('no event'),
  });
  made.start();
  await clock.pass(600);
  made.stop();
  await clock.pass(600);
  t.equal(signal?.aborted, true);
  t.same(results, []);
});
