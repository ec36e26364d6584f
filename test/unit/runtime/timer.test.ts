import { mock } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { startTimer } from '../../../src/runtime/timer.ts';

/** Node's own timers call at once if they are to wait longer than this. */
const LONGEST = 2 ** 31 - 1;

t.test('a timer of many days does not call at once', async t => {
  const calls: number[] = [];
  const stops = [LONGEST + 1, 1e12, Number.MAX_SAFE_INTEGER, 1e30].map(wait =>
    startTimer(wait, () => calls.push(wait)),
  );
  await sleep(30);
  t.same(calls, []);
  for (const stop of stops) stop();
});

t.test('a timer calls once, after the whole time', t => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.teardown(() => mock.timers.reset());
  for (const wait of [0, 10, LONGEST, LONGEST + 1, 5 * LONGEST]) {
    let calls = 0;
    startTimer(wait, () => calls++);
    // Time goes on from one of Node's timers to the next.
    for (let left = wait - 1; left > 0; left -= LONGEST) mock.timers.tick(Math.min(left, LONGEST));
    t.equal(calls, 0, `not before ${wait} ms`);
    mock.timers.tick(1);
    t.equal(calls, 1, `after ${wait} ms`);
    mock.timers.tick(LONGEST);
    t.equal(calls, 1, 'only once');
  }
  t.end();
});

t.test('a stopped timer does not call, in whatever part of its time it is stopped', t => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.teardown(() => mock.timers.reset());
  let calls = 0;
  const stop = startTimer(4 * LONGEST, () => calls++);
  for (let i = 0; i < 3; i++) mock.timers.tick(LONGEST);
  stop();
  for (let i = 0; i < 3; i++) mock.timers.tick(LONGEST);
  t.equal(calls, 0);
  t.end();
});
