import { mkdtempSync } from 'node:fs';
import { mock } from 'node:test';
import t from 'tap';
import { EventFile } from '../../../src/agent/event-file.ts';
import { EventRecorder } from '../../../src/agent/event-recorder.ts';
import { ObjectTable } from '../../../src/agent/object-table.ts';
import { Versions } from '../../../src/agent/versions.ts';
import { watchLimits } from '../../../src/runtime/pod-limits.ts';
import { BackOff } from '../../../src/runtime/restart.ts';
import { type Running, RunningContainers } from '../../../src/runtime/running-containers.ts';
import { steadyTime } from '../../../src/runtime/timer.ts';

type Test = typeof import('tap').default;

const HOUR = 3_600_000;
const STEPS = [-5 * HOUR, 5 * HOUR];

/** A clock that can be set, until the test's end. */
function settableClock(t: Pick<Test, 'teardown'>): (milliseconds: number) => void {
  let offset = 0;
  const { now } = Date;
  const mocked = mock.method(Date, 'now', () => now() + offset);
  t.teardown(() => mocked.mock.restore());
  return milliseconds => {
    offset += milliseconds;
  };
}

/** How long what is done asks to wait, each time; nothing waits. */
function waits(t: Pick<Test, 'teardown'>): number[] {
  const asked: number[] = [];
  const mocked = mock.method(globalThis, 'setTimeout', ((callback: () => void, milliseconds: number) => {
    asked.push(milliseconds);
    return setImmediate(callback);
  }) as never);
  t.teardown(() => mocked.mock.restore());
  return asked;
}

const isNear = (milliseconds: number | undefined, expected: number): boolean =>
  milliseconds !== undefined && milliseconds <= expected && milliseconds > expected - 1000;

t.test('times on record are never later than now', t => {
  const now = performance.now();
  t.ok(isNear(steadyTime(Date.now() - HOUR) + HOUR, performance.now() + 1));
  for (const later of [0, 1, HOUR, 1e12]) {
    const time = steadyTime(Date.now() + later);
    t.ok(time >= now && time <= performance.now(), `${later}`);
  }
  t.end();
});

t.test('the clock is set while a container is being ended: its grace period stays', async t => {
  for (const step of STEPS)
    await t.test(`${step / HOUR} h`, async t => {
      const set = settableClock(t);
      const asked = waits(t);
      const killed = new AbortController();
      let end = (): void => {};
      const ended = new Promise<void>(resolve => {
        end = resolve;
      });
      const container = { name: 'main' };
      const containers = new RunningContainers(
        { containers: [container], terminationGracePeriodSeconds: 30 },
        killed.signal,
        () => {},
        () => {},
      );
      const preStop = async (): Promise<void> => set(step);
      containers.add({
        container,
        started: { child: { pidfd: -1 } },
        ended,
        supervision: { preStop },
      } as unknown as Running);
      const all = containers.end();
      await new Promise(resolve => setImmediate(resolve));
      end();
      await all;
      t.equal(asked.length, 1);
      t.ok(isNear(asked[0], 30_000), `${asked[0]} ms`);
    });
});

t.test('activeDeadlineSeconds of a pod that was begun "later"', t => {
  const set = settableClock(t);
  const asked = waits(t);
  const begun = Date.now();
  for (const [step, left] of [
    [-5 * HOUR, 60_000],
    [5 * HOUR + 20_000, 40_000],
    [HOUR, 0],
  ] as const) {
    set(step);
    asked.length = 0;
    const pod = { spec: { containers: [], activeDeadlineSeconds: 60 } };
    const stop = watchLimits(
      { pod, observer: {} } as never,
      { paths: {} as never, startedAt: steadyTime(begun) },
      { attempt: () => 0, fail: () => {} },
    );
    stop();
    t.ok(Math.abs((asked[0] ?? -HOUR) - left) < 1000, `${asked[0]} ms, not ${left}`);
  }
  t.end();
});

t.test('back-off: what is left is never more than it is, and runs count as long as they were', t => {
  const set = settableClock(t);
  for (const step of [0, ...STEPS]) {
    const backOff = new BackOff();
    backOff.next(0);
    const ended = { is: 'terminated', finishedAt: Date.now() } as never;
    set(step);
    const { wanted, seconds } = backOff.after(ended, 1000);
    t.equal(wanted, 10, 'a short run');
    t.ok(seconds >= 0 && seconds <= 10, `${seconds} s`);
  }
  t.equal(new BackOff().after({ is: 'waiting', reason: '' } as never, 1000).wanted, 0);
  t.end();
});

t.test('events count on, and stay for their hour', t => {
  const set = settableClock(t);
  const directory = mkdtempSync(`${t.testdir({})}/events-`);
  const file = `${directory}/events.jsonl`;
  const table = (): ObjectTable => new ObjectTable(new Versions(`${directory}/version`));
  const objects = table();
  const recorder = new EventRecorder(objects, 'node', new EventFile(file));
  const about = { apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'default', name: 'p', uid: 'u' } };
  const tell = (to: EventRecorder, reason: string): void =>
    void to.record({ about, type: 'Normal', reason, message: 'm', source: { component: 'kubelet' } });
  const counts = (of: ObjectTable) =>
    Object.fromEntries(of.list('Event').map(({ reason, count }) => [reason, count]));
  for (const step of [0, ...STEPS]) {
    set(step);
    tell(recorder, 'A');
    recorder.dropOld();
  }
  tell(recorder, 'B');
  set(2 * HOUR);
  recorder.dropOld();
  t.strictSame(counts(objects), { A: 3, B: 1 });
  // Beyond a number those go that were told first, whatever they say of their time.
  set(-4 * HOUR);
  tell(recorder, 'C');
  recorder.dropOld(1);
  t.strictSame(counts(objects), { C: 1 });
  // The next agent has only the times that are written down: what was "later" is now.
  set(-HOUR);
  const next = table();
  tell(new EventRecorder(next, 'node', new EventFile(file)), 'C');
  t.match(counts(next), { C: 2 });
  t.end();
});
