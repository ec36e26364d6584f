import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { leftovers, needsRoot, podspace, probePod, start } from './harness.ts';

const shell = (name: string, script: string): object => ({
  name,
  image: 'localhost/busybox',
  command: ['sh', '-c', script],
});
const list = (...items: readonly object[]): string =>
  JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
const waits = 'trap "echo TERM; exit 5" TERM; echo ready; while :; do sleep 0.05; done';

t.test(
  'a pod that cannot be tried ends those beside it, and nothing of them is left',
  { skip: needsRoot },
  t => {
    // It may be ended before its trap, when PID 1 ignores SIGTERM: then the grace period passes.
    const good = probePod({ containers: [shell('c', waits)], terminationGracePeriodSeconds: 1 });
    const bad: Readonly<Record<string, readonly [pod: ReturnType<typeof probePod>, message: RegExp]>> = {
      'an image that is not there': [
        probePod({ containers: [{ name: 'c', image: 'localhost/nosuch' }] }),
        /^error: pod "NAME": container "c": image "localhost\/nosuch" is not in the local store\nhint: /m,
      ],
      'a name that is none': [
        probePod({ containers: [{ name: 'c', image: 'No:Such' }] }),
        /^error: pod "NAME": container "c": InvalidImageName: Failed to apply default image tag "No:Such": couldn't parse image name "No:Such": /m,
      ],
    };
    for (const [title, [pod, message]] of Object.entries(bad)) {
      const { status, stderr } = podspace(['run', '-'], list(good, pod));
      t.equal(status, 1, title);
      t.match(stderr.replace(pod.metadata.name, 'NAME'), message, title);
      t.strictSame(leftovers(), [], title);
    }
    t.end();
  },
);

t.test('an init container that fails is named', { skip: needsRoot }, t => {
  const { status, stderr, stdout } = podspace(
    ['run', '-'],
    JSON.stringify(
      probePod({
        initContainers: [shell('prepare', 'echo no; exit 3')],
        containers: [shell('app', 'echo app')],
      }),
    ),
  );
  t.strictSame([status, stdout], [3, '[prepare] no\n']);
  t.equal(stderr, 'error: init container "prepare" ended with exit code 3\n');
  t.end();
});

t.test('signals that come together are one wish: the grace period is kept', { skip: needsRoot }, async t => {
  for (const [first, second] of [
    ['SIGINT', 'SIGTERM'],
    ['SIGTERM', 'SIGINT'],
    ['SIGTERM', 'SIGTERM'],
  ] as const) {
    const running = start(['run', '-'], JSON.stringify(probePod({ containers: [shell('c', waits)] })));
    await running.waitFor('ready');
    running.child.kill(first);
    running.child.kill(second);
    t.equal(await running.ended, 5, `${first} and ${second}`);
    t.match(running.output(), 'TERM');
  }
});

t.test('Ctrl-C at any moment of a start leaves nothing', { skip: needsRoot }, async t => {
  for (let milliseconds = 0; milliseconds < 120; milliseconds += 6) {
    const pod = probePod({
      initContainers: [shell('i', 'true')],
      containers: [shell('a', waits), shell('b', waits)],
    });
    const running = start(['run', '-'], JSON.stringify(pod));
    await sleep(milliseconds);
    running.child.kill('SIGINT');
    await sleep(80);
    // A container that ignores SIGTERM, as PID 1 does before its trap, is not waited for.
    running.child.kill('SIGINT');
    await running.ended;
    t.strictSame(leftovers(), [], `after ${milliseconds} ms`);
  }
});

t.test('nothing is left behind', { skip: needsRoot }, t => {
  t.strictSame(leftovers(), []);
  t.end();
});
