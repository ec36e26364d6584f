import t from 'tap';
import { BackOff, shouldRestart } from '../../../src/runtime/restart.ts';
import { podWith } from '../kube/pods.ts';

/** What a container waits before each restart, if its runs take so many seconds. */
function waits(...runs: readonly number[]): readonly number[] {
  const backOff = new BackOff();
  return runs.map(seconds => backOff.next(seconds));
}

t.test('the kubelet’s back-off: at once, then 10 s, doubled to five minutes', t => {
  t.same(waits(...Array<number>(10).fill(1)), [0, 10, 20, 40, 80, 160, 300, 300, 300, 300]);
  t.equal(waits(...Array<number>(2000).fill(0)).at(-1), 300, 'for ever');
  t.end();
});

t.test('a run of more than ten minutes starts it anew', t => {
  t.same(waits(1, 1, 1, 601, 1, 1), [0, 10, 20, 0, 10, 20]);
  t.same(waits(1, 1, 600, 1), [0, 10, 20, 40], 'not one of ten minutes');
  t.same(waits(601, 601, 601), [0, 0, 0]);
  t.end();
});

t.test('who is restarted by an attached run', t => {
  const cases: readonly (readonly [pod: string, container: string | undefined, exitCode: number, boolean])[] =
    [
      ['Never', undefined, 0, false],
      ['Never', undefined, 1, false],
      ['OnFailure', undefined, 0, false],
      ['OnFailure', undefined, 1, true],
      ['OnFailure', undefined, 137, true],
      ['Always', undefined, 0, false],
      ['Always', undefined, 1, false],
      ['Never', 'Always', 0, true],
      ['Never', 'OnFailure', 1, true],
      ['Never', 'OnFailure', 0, false],
      ['OnFailure', 'Never', 1, false],
    ];
  for (const [restartPolicy, own, exitCode, expected] of cases) {
    const pod = podWith(own === undefined ? {} : { restartPolicy: own }, { restartPolicy });
    const [container] = pod.spec?.containers ?? [];
    if (container === undefined) throw new Error('no container');
    t.equal(shouldRestart(pod, container, exitCode), expected, `${restartPolicy}, ${own}, exit ${exitCode}`);
  }
  t.end();
});
