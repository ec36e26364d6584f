import t from 'tap';
import { Cleanup } from '../../../src/runtime/cleanup.ts';
import { onAbort } from '../../../src/runtime/on-abort.ts';
import { type ContainerResult, exitCodeOf } from '../../../src/runtime/pod-result.ts';
import { backOff, shouldRestart } from '../../../src/runtime/restart.ts';
import { ResultBuilder } from '../../../src/runtime/result-builder.ts';
import { podWith } from '../kube/pods.ts';

t.test('the back-off doubles from 10 seconds to five minutes', t => {
  t.strictSame([0, 1, 2, 3, 4, 5, 6, 7, 50].map(backOff), [0, 10, 20, 40, 80, 160, 300, 300, 300]);
  t.end();
});

t.test('who is started again', t => {
  const again = (pod: string | undefined, container: string | undefined, exitCode: number): boolean =>
    shouldRestart(podWith({}, { restartPolicy: pod }), { name: 'c', restartPolicy: container }, exitCode);
  t.strictSame(
    [
      again('Never', undefined, 1),
      again('OnFailure', undefined, 1),
      again('OnFailure', undefined, 0),
      again('Always', undefined, 1),
    ],
    [false, true, false, false],
  );
  t.strictSame(
    [again('Never', 'Always', 0), again('OnFailure', 'Never', 1), again('Never', 'OnFailure', 3)],
    [true, false, true],
  );
  t.end();
});

t.test(
  'undoing runs backwards, all of it, also what is registered meanwhile; the first failure is thrown',
  async t => {
    const cleanup = new Cleanup();
    const done: string[] = [];
    cleanup.add('first', () => void done.push('first'));
    cleanup.add('broken', () => {
      throw new Error('no');
    });
    cleanup.add('waits', async () => {
      await Promise.resolve();
      cleanup.add('late', () => void done.push('late'));
      done.push('waits');
    });
    await t.rejects(cleanup.run(), /^cleaning up broken: no$/);
    t.strictSame(done, ['waits', 'late', 'first']);
    await cleanup.run();
    t.strictSame(done.length, 3, 'nothing is undone twice');
  },
);

t.test('one listener for all that share a signal', t => {
  const stop = new AbortController();
  const heard: number[] = [];
  const ignore = Array.from({ length: 20 }, (_, i) => onAbort(stop.signal, () => heard.push(i)));
  ignore[3]?.();
  stop.abort();
  stop.abort();
  t.strictSame(
    heard,
    Array.from({ length: 20 }, (_, i) => i).filter(i => i !== 3),
  );
  onAbort(stop.signal, () => heard.push(99));
  t.equal(heard.at(-1), 99, 'at once when it is too late');
  onAbort(undefined, () => heard.push(100))();
  t.equal(heard.at(-1), 99);
  t.end();
});

const exit = { exitCode: 0, signal: undefined, cpuMicroseconds: 5, maxRss: 10 };

t.test('a result adds up over restarts, and characters survive being cut', t => {
  const result = new ResultBuilder({ name: 'c', init: false, sidecar: false }, true);
  const [euro] = [Buffer.from('€')];
  result.output('stdout', euro.subarray(0, 1));
  result.output('stderr', Buffer.from('e'));
  result.output('stdout', euro.subarray(1));
  result.output('stdout', euro.subarray(0, 2));
  result.ended({ ...exit, exitCode: 137, signal: 9, maxRss: 99 }, 1000, 2000, 0);
  result.ended(exit, 3000, 4000, 1);
  t.match(result.build(), {
    reason: 'Completed',
    exitCode: 0,
    signal: undefined,
    restartCount: 1,
    cpuMicroseconds: 10,
    maxRss: 99,
    startedAt: '1970-01-01T00:00:03.000Z',
    stdout: '€\uFFFD',
    stderr: 'e',
  });
  const long = new ResultBuilder({ name: 'c', init: false, sidecar: false }, true);
  const megabyte = Buffer.alloc(1 << 20, 'a');
  for (let i = 0; i < 65; i++) long.output('stdout', megabyte);
  t.match([long.build().stdout.length, long.build().truncated], [64 << 20, true]);
  t.equal(result.build().truncated, false);
  const never = new ResultBuilder({ name: 'c', init: false, sidecar: false }, false);
  never.output('stdout', euro);
  never.notStarted('StartError', 'exec: "x": permission denied');
  t.match(never.build(), { reason: 'StartError', exitCode: 128, stdout: '', startedAt: undefined });
  t.end();
});

t.test('the exit code of a pod is the first that is not zero; sidecars do not count', t => {
  const one = (exitCode: number | undefined, sidecar = false): ContainerResult => ({
    ...new ResultBuilder({ name: 'c', init: false, sidecar }, false).build(),
    exitCode,
  });
  const code = (phase: 'Succeeded' | 'Failed' | 'Pending', ...containers: ContainerResult[]): number =>
    exitCodeOf({
      name: 'p',
      namespace: 'default',
      uid: '',
      phase,
      reason: undefined,
      message: undefined,
      containers,
    });
  t.equal(code('Succeeded', one(0), one(0)), 0);
  t.equal(code('Failed', one(0), one(7), one(3)), 7);
  t.equal(code('Succeeded', one(143, true), one(0)), 0);
  t.equal(code('Pending', one(undefined)), 1);
  t.equal(code('Failed', one(0)), 1, 'a pod that failed as a whole');
  t.end();
});
