import t from 'tap';
import { leftovers, needsRoot, podspace, probePod, runPod } from './harness.ts';
import { link, withCanary, withImage } from './hostile.ts';

const containers = (count: number, args: readonly string[]): object[] =>
  Array.from({ length: count }, (_, i) => ({ name: `c${i}`, image: 'localhost/probe', args }));

t.test('more containers than threads or calls of the FFI at a time', { skip: needsRoot }, t => {
  const result = runPod(probePod({ containers: containers(400, ['exit', '0']) }));
  t.equal(result.phase, 'Succeeded', result.stderr);
  t.equal(result.containers.filter(({ exitCode }) => exitCode === 0).length, 400);
  t.end();
});

// openat2(2) gives up then, and has to be asked again.
t.test('links of an image that go up, while a hundred containers are mounting', { skip: needsRoot }, t =>
  withCanary(t, canary =>
    withImage({ build: link('var/run', '../run') }, canary, image => {
      const volumeMounts = ['a', 'b', 'c', 'd'].map(name => ({ name: 'v', mountPath: `/var/run/${name}` }));
      const all = containers(100, []).map(one => ({ ...one, image, command: ['true'], volumeMounts }));
      const result = runPod(probePod({ volumes: [{ name: 'v', emptyDir: {} }], containers: all }));
      t.strictSame(
        result.containers.filter(({ exitCode }) => exitCode !== 0),
        [],
      );
    }),
  ),
);

t.test('a pod whose containers end while it is ended', { skip: needsRoot }, t => {
  for (let i = 0; i < 5; i++) {
    // One that cannot be tried ends the others as they start, and they end by themselves just then.
    const ends = containers(60, ['exit', '0']);
    const pods = [probePod({ containers: ends }), probePod({ containers: ends })];
    const bad = probePod({ containers: [{ name: 'c', image: 'localhost/nosuch' }] });
    const { status, stderr } = podspace(
      ['run', '-'],
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [...pods, bad] }),
    );
    t.equal(status, 1);
    t.match(
      stderr,
      /^error: pod ".*": container "c": image "localhost\/nosuch" is not in the local store\nhint: .*\n$/,
    );
  }
  t.strictSame(leftovers(), []);
  t.end();
});

t.test('a pod with the longest name', { skip: needsRoot }, t => {
  const pod = probePod({}, { args: ['exit', '0'] });
  const name = `${'a'.repeat(63)}.`.repeat(4).slice(0, 252);
  const result = runPod({ ...pod, metadata: { name: `${name}x`, namespace: 'n'.repeat(63) } });
  t.equal(result.status, 0, result.stderr);
  t.strictSame(leftovers(), []);
  t.end();
});

t.test('a message about thousands of things is one line', { skip: needsRoot }, t => {
  const supplementalGroups = Array.from({ length: 70_000 }, (_, i) => 1000 + i);
  const { containers } = runPod(probePod({ securityContext: { supplementalGroups } }));
  t.match(containers[0]?.message, /^instruction \d+: setgroups\(7\d+, \[.*…: EINVAL/);
  t.ok((containers[0]?.message ?? '').length < 500);
  t.end();
});
