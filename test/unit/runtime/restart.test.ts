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

t.test('rules: the first that matches, before the policy', t => {
  const rule = (operator: string, ...values: number[]) => ({
    action: 'Restart',
    exitCodes: { operator, values },
  });
  const cases: readonly (readonly [ReturnType<typeof rule>[], string, number, boolean])[] = [
    [[rule('In', 42)], 'Never', 42, true],
    [[rule('In', 42)], 'Never', 1, false],
    [[rule('In', 42, 43)], 'Never', 43, true],
    [[rule('NotIn', 0, 1)], 'Never', 2, true],
    [[rule('NotIn', 0, 1)], 'Never', 1, false],
    [[rule('In', 42), rule('In', 1)], 'Never', 1, true],
    [[rule('In')], 'Never', 0, false],
    [[rule('NotIn')], 'Never', 0, true],
    [[rule('In', 42)], 'OnFailure', 1, true],
    [[rule('In', 0)], 'OnFailure', 0, true],
  ];
  for (const [restartPolicyRules, restartPolicy, exitCode, expected] of cases) {
    const pod = podWith({ restartPolicy, restartPolicyRules }, { restartPolicy: 'Never' });
    const [container] = pod.spec?.containers ?? [];
    if (container === undefined) throw new Error('no container');
    const name = `${JSON.stringify(restartPolicyRules)}, ${restartPolicy}, exit ${exitCode}`;
    t.equal(shouldRestart(pod, container, exitCode), expected, name);
  }
  t.end();
});

t.test('one that its probes had ended follows the policy as it is, whatever its exit code', t => {
  const cases: readonly (readonly [pod: string, container: string | undefined, boolean])[] = [
    ['Always', undefined, true],
    ['OnFailure', undefined, true],
    ['Never', undefined, false],
    ['Never', 'Always', true],
    ['Never', 'OnFailure', true],
    ['Always', 'Never', false],
  ];
  for (const [restartPolicy, own, expected] of cases) {
    const pod = podWith(own === undefined ? {} : { restartPolicy: own }, { restartPolicy });
    const [container] = pod.spec?.containers ?? [];
    if (container === undefined) throw new Error('no container');
    t.equal(shouldRestart(pod, container, 0, { wasUnhealthy: true }), expected, `${restartPolicy}, ${own}`);
  }
  t.end();
});
