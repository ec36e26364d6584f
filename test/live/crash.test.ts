import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { leftovers, needsRoot, podspace, probePod, start } from './harness.ts';

const rounds = Number(process.env.PODSPACE_KILLS ?? 12);
const volumes = [
  { name: 'disk', emptyDir: {} },
  { name: 'memory', emptyDir: { medium: 'Memory' } },
];
const volumeMounts = volumes.map(({ name }) => ({ name, mountPath: `/${name}` }));
const specs: readonly object[] = [{}, { shareProcessNamespace: true }, { hostPID: true }];

const mounts = (): string => readFileSync('/proc/self/mountinfo', 'utf8');

t.test(
  `kill -9 at ${rounds} moments leaves nothing that gc does not remove`,
  { skip: needsRoot },
  async t => {
    const before = mounts();
    for (let round = 0; round < rounds; round++) {
      const containers = ['a', 'b'].map(name => ({
        name,
        image: 'localhost/probe',
        args: ['sleep', '100'],
        volumeMounts,
      }));
      const running = start(
        ['run', '-'],
        JSON.stringify(probePod({ ...specs[round % specs.length], volumes, containers })),
      );
      // Spread over the start-up of Node, the making of the pod, and its life.
      await new Promise(done => setTimeout(done, 25 + Math.random() * 120));
      running.child.kill('SIGKILL');
      await running.ended;
      const collected = podspace(['gc']);
      t.equal(collected.status, 0, collected.stderr);
      t.same(leftovers(), [], `round ${round}`);
      t.equal(mounts(), before);
    }
    t.equal(podspace(['gc']).stdout, 'nothing to remove\n');
  },
);

t.test('gc does not touch a pod that is alive', { skip: needsRoot }, async t => {
  const pod = probePod({}, { args: ['signals'] });
  const running = start(['run', '-'], JSON.stringify(pod));
  await running.waitFor('ready');
  t.equal(podspace(['gc']).stdout, 'nothing to remove\n');
  t.equal(podspace(['exec', pod.metadata.name, '--', '/probe', 'exit', '0']).status, 0);
  running.child.kill('SIGTERM');
  t.equal(await running.ended, 7);
});

t.test('containers die with podspace', { skip: needsRoot }, async t => {
  const pod = probePod({}, { args: ['signals'] });
  const running = start(['run', '-'], JSON.stringify(pod));
  await running.waitFor('ready');
  const [main] = JSON.parse(podspace(['ps', pod.metadata.name, '-o', 'json']).stdout) as { pid: number }[];
  running.child.kill('SIGKILL');
  await running.ended;
  await new Promise(done => setTimeout(done, 100));
  // Its new parent may not have reaped it yet.
  const status = `/proc/${main?.pid}/status`;
  t.ok(!existsSync(status) || /State:\s+Z/.test(readFileSync(status, 'utf8')));
  t.match(podspace(['gc']).stdout, `removed pod default/${pod.metadata.name}`);
  t.same(leftovers(), []);
});
