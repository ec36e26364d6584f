import { existsSync } from 'node:fs';
import t from 'tap';
import { leftovers, needsRoot, podspace, probePod, runPod, start } from './harness.ts';

const shell = (script: string, container: object = {}, spec: object = {}) =>
  probePod(spec, { image: 'localhost/busybox', command: ['sh', '-c', script], ...container });

/** Node → whether it may be opened, by an unprivileged container that may make any node. */
const NODES: readonly (readonly [type: string, major: number, minor: number, opens: boolean])[] = [
  ['c', 1, 3, true],
  ['c', 1, 5, true],
  ['c', 1, 9, true],
  ['c', 1, 11, false],
  ['c', 1, 1, false],
  ['c', 10, 237, false],
  ['b', 7, 0, false],
];
const attempt = NODES.map(
  ([type, major, minor]) =>
    `mknod /n ${type} ${major} ${minor} && { ( : < /n ) 2>/dev/null; echo $?; rm /n; }`,
).join('; ');
const expected = NODES.map(([, , , opens]) => (opens ? '0' : '1')).join('\n');

for (const [title, spec] of [
  ['', {}],
  [' in a pod that shares its processes', { shareProcessNamespace: true }],
] as const) {
  t.test(
    `a container opens only the devices it was given, whatever nodes it makes${title}`,
    { skip: needsRoot },
    t => {
      const [container] = runPod(shell(attempt, {}, spec)).containers;
      t.equal(container?.stdout.trim(), expected);
      t.same(leftovers(), []);
      t.end();
    },
  );
}

t.test('exec is under the same rules', { skip: needsRoot }, async t => {
  const pod = shell('echo up; sleep 60') as { metadata: { name: string } };
  const run = start(['run', '-'], JSON.stringify(pod));
  await run.waitFor('up');
  await new Promise(resolve => setTimeout(resolve, 300));
  t.equal(podspace(['exec', pod.metadata.name, '--', 'sh', '-c', attempt]).stdout.trim(), expected);
  run.child.kill('SIGKILL');
  await run.ended;
  podspace(['gc']);
  t.same(leftovers(), []);
});

t.test('privileged is under none; a volume gives a node, not the right to it', { skip: needsRoot }, t => {
  const node = ['/dev/kmsg', '/dev/loop-control', '/dev/kvm'].find(existsSync);
  const open = `( : < ${node} ) 2>/dev/null && echo opened || echo refused`;
  t.equal(runPod(shell(open, { securityContext: { privileged: true } })).containers[0]?.stdout, 'opened\n');
  const volumes = { volumes: [{ name: 'v', hostPath: { path: node, type: 'CharDevice' } }] };
  const mounts = { volumeMounts: [{ name: 'v', mountPath: node }] };
  t.equal(runPod(shell(open, mounts, volumes)).containers[0]?.stdout, 'refused\n');
  t.same(leftovers(), []);
  t.end();
});
