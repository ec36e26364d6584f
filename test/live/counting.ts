import type { Pod } from '../../src/kube/types.generated.ts';
import type { TestAgent } from './agent.ts';

type Test = typeof import('tap').default;

/** Counts its starts in a volume, and says which one this is. */
const COUNT = 'n=$(cat /v/$0 2>/dev/null || echo 0); echo $((n + 1)) >/v/$0; echo start $n;';
export const volumes = [{ name: 'v', emptyDir: {} }];
export const volumeMounts = [{ name: 'v', mountPath: '/v' }];
export const counting = (name: string, script: string, more: object = {}): object => ({
  command: ['sh', '-c', `${COUNT} ${script}`, name],
  volumeMounts,
  ...more,
});
/** So many lines, fast, in two streams: the numbers go on in each. */
export const lines = (count: number, pause: string): string =>
  `i=0; while [ $i -lt ${count} ]; do echo line $i; i=$((i + 1)); sleep ${pause}; done;`;

/** Each attempt's log begins with its number, and its lines go on without a gap. Returns the last attempt, and the lines. */
export function checkLog(t: Pick<Test, 'equal' | 'fail'>, agent: TestAgent, pod: Pod, name: string) {
  let attempt: number | undefined;
  let next = 0;
  const texts = agent.log(pod, name).map(line => line.split(' ').slice(3).join(' '));
  for (const text of texts) {
    const [word, number] = text.split(' ');
    if (word === 'start') {
      if (attempt !== undefined && Number(number) !== attempt + 1)
        t.fail(`${pod.metadata?.name} ${name}: start ${number} after start ${attempt}`);
      attempt = Number(number);
      next = 0;
    } else if (text !== `line ${next++}`) {
      t.fail(`${pod.metadata?.name} ${name}: "${text}" instead of line ${next - 1}`);
      break;
    }
  }
  return { attempt, count: texts.length };
}
