import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { OciConfig } from '../../src/oci/config.ts';
import { isRoot, leftovers, needsRoot, PODSPACE, podspace, probePod, runPod, start } from './harness.ts';
import { inView } from './oracle.ts';

/** v1 has the controllers on this machine, beside v2 or alone. */
const hasV1 = existsSync('/sys/fs/cgroup/memory/tasks') && existsSync('/sys/fs/cgroup/cpu/tasks');
const needsV1 = isRoot && hasV1 ? false : 'needs root and cgroup v1 controllers';
const FILES = [
  'memory/memory.limit_in_bytes',
  'memory/memory.memsw.limit_in_bytes',
  'cpu/cpu.shares',
  'cpu/cpu.cfs_quota_us',
  'cpu/cpu.cfs_period_us',
].map(file => `/sys/fs/cgroup/${file}`);
const shell = (script: string, container: object = {}, spec: object = {}) =>
  probePod(spec, { image: 'localhost/busybox', command: ['sh', '-c', script], ...container });
const RESOURCES = {
  limits: { cpu: '500m', memory: '64Mi' },
  requests: { cpu: '250m', memory: '32Mi' },
};
const read = `cat ${FILES.join(' ')}; cat /proc/self/oom_score_adj`;

t.test('a container sees its limits, as runc sets them from the same config', { skip: needsV1 }, t => {
  const manifest = shell(read, { resources: RESOURCES });
  const [mine] = runPod(manifest).containers;
  const text = podspace(['compile', '-', '--emit=oci'], JSON.stringify(manifest)).stdout;
  const config = JSON.parse(text) as OciConfig;
  const bundle = mkdtempSync(join(tmpdir(), 'podspace-test-'));
  try {
    const devices = [{ allow: true, access: 'rwm' }];
    writeFileSync(
      join(bundle, 'config.json'),
      JSON.stringify({
        ...config,
        root: { path: 'rootfs', readonly: false },
        mounts: config.mounts.filter(({ type }) => type !== 'bind'),
        linux: {
          ...config.linux,
          resources: { ...config.linux.resources, unified: undefined, devices },
          cgroupsPath: '/podspace-oracle',
          namespaces: config.linux.namespaces.map(({ type }) => ({ type })),
        },
      }),
    );
    const image = podspace(['image', 'ls']).stdout.match(/localhost\/busybox:latest +(\S+)/)?.[1];
    const rootfs = `/var/lib/podspace/images/roots/${image}/rootfs`;
    mkdirSync(join(bundle, 'rootfs'));
    spawnSync('cp', ['-a', `${rootfs}/.`, join(bundle, 'rootfs')]);
    const theirs = spawnSync('runc', ['run', '-b', bundle, `podspace-${process.pid}`], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    t.equal(mine?.stdout, theirs.stdout, theirs.stderr);
    t.match(mine?.stdout, /^67108864\n67108864\n256\n50000\n100000\n\d+\n$/);
  } finally {
    rmSync(bundle, { recursive: true });
  }
  t.end();
});

t.test('out of memory: OOMKilled, and only then', { skip: needsV1 }, t => {
  const eat = 'tail /dev/zero';
  const limited = { resources: { limits: { memory: '32Mi' } } };
  const [killed] = runPod(shell(`${eat}`, limited)).containers;
  t.match(killed, { reason: 'OOMKilled', exitCode: 137 });
  const [survived] = runPod(shell(`${eat}; exit 3`, limited)).containers;
  t.match(survived, { reason: 'Error', exitCode: 3 }, 'a child was killed, and the container went on');
  const [other] = runPod(shell('kill -9 $$$$', limited, { hostPID: true })).containers;
  t.match(other, { reason: 'Error', exitCode: 137 }, 'killed by something else');
  const ran = podspace(['run', '-'], JSON.stringify(shell(eat, limited)));
  t.equal(ran.status, 137);
  t.match(ran.stderr, /OOMKilled/);
  t.same(leftovers(), []);
  t.end();
});

t.test('a limit of the pod holds its containers together', { skip: needsV1 }, t => {
  const pod = shell('tail /dev/zero', {}, {}) as unknown as { spec: { containers: object[] } };
  const spec = { ...pod.spec, resources: { limits: { memory: '32Mi' } } };
  const [killed] = runPod({ ...pod, spec }).containers;
  t.match(killed, { reason: 'OOMKilled', exitCode: 137 });
  t.same(leftovers(), []);
  t.end();
});

t.test('processes: a fork bomb meets --pod-max-pids and not the machine', { skip: needsRoot }, t => {
  const bomb = 'b() { b | b & }; b; i=0; while [ $i -lt 50 ]; do sleep 100 & i=$((i+1)); done; echo alive';
  const pod = shell(bomb, { command: ['timeout', '-s', 'KILL', '2', 'sh', '-c', bomb] });
  const ran = runPod(pod, '--pod-max-pids', '20');
  t.match(ran.stderr + ran.containers[0]?.stderr, /can't fork|Resource temporarily unavailable/);
  t.same(leftovers(), []);
  for (const wrong of ['0', 'x', '-2', '1.5', '']) {
    const refused = podspace(['run', '-', `--pod-max-pids=${wrong}`], JSON.stringify(shell('true')));
    t.equal(refused.status, 1, wrong);
    t.match(refused.stderr, /--pod-max-pids/);
  }
  t.end();
});

t.test('exec goes where the container is', { skip: needsV1 }, async t => {
  const pod = shell('echo up; sleep 60', { resources: RESOURCES }) as { metadata: { name: string } };
  const run = start(['run', '-'], JSON.stringify(pod));
  await run.waitFor('up');
  await new Promise(resolve => setTimeout(resolve, 300));
  const own = podspace(['exec', pod.metadata.name, '--', 'sh', '-c', read]);
  t.match(own.stdout, /^67108864\n67108864\n256\n50000\n100000\n\d+\n$/);
  const paths = podspace(['exec', pod.metadata.name, '--', 'cat', '/proc/self/cgroup']).stdout;
  t.notMatch(paths, /:(memory|cpu):\/\.\./, 'below its own cgroup namespace');
  const [{ pid = 0 } = {}] = JSON.parse(podspace(['inspect', pod.metadata.name, '-o', 'json']).stdout)
    .containers as { pid?: number }[];
  t.match(readFileSync(`/proc/${pid}/cgroup`, 'utf8'), /:memory:\/podspace\/[-0-9a-f]+\/probe$/m);
  run.child.kill('SIGKILL');
  await run.ended;
  t.ok(leftovers().some(path => path.includes('/memory/podspace')));
  podspace(['gc']);
  t.same(leftovers(), [], 'gc cleans every hierarchy');
});

t.test('too much on disk: the pod is evicted in the kubelet’s words', { skip: needsRoot }, t => {
  const fill = (file: string): string => `head -c 3000000 /dev/zero > ${file}; sleep 30`;
  const volume = { volumes: [{ name: 'v', emptyDir: { sizeLimit: '1Mi' } }] };
  const mounts = { volumeMounts: [{ name: 'v', mountPath: '/v' }] };
  const limits = { resources: { limits: { 'ephemeral-storage': '1Mi' } } };
  for (const [pod, message] of [
    [shell(fill('/v/file'), mounts, volume), 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '],
    [
      shell(fill('/file'), limits),
      'Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ',
    ],
    [
      shell(
        fill('/file'),
        { ...limits, name: 'probe' },
        {
          initContainers: [
            {
              name: 'other',
              image: 'localhost/busybox',
              command: ['true'],
              resources: { limits: { 'ephemeral-storage': '1Gi' } },
            },
          ],
        },
      ),
      'Container probe exceeded its local ephemeral storage limit "1Mi". ',
    ],
  ] as const) {
    const ran = runPod(pod);
    t.match(ran, { phase: 'Failed', reason: 'Evicted', message });
  }
  t.equal(runPod(shell('head -c 900000 /dev/zero > /v/file; sleep 2', mounts, volume)).phase, 'Succeeded');
  t.same(leftovers(), []);
  t.end();
});

t.test(
  'a machine with cgroup v2 only: limits where its controllers are, else a warning',
  {
    skip: needsV1,
  },
  t => {
    const manifest = JSON.stringify(shell('cat /sys/fs/cgroup/cgroup.controllers', { resources: RESOURCES }));
    const script = `exec "$0" "$1" run - 2>&1`;
    const out = inView(['sh', '-c', script, process.execPath, PODSPACE], manifest);
    const controllers = readFileSync('/sys/fs/cgroup/unified/cgroup.controllers', 'utf8');
    for (const [controller, what] of [
      ['cpu', 'cpu requests and limits'],
      ['memory', 'memory limits'],
    ] as const) {
      const warning = `Warning: container "probe": ${what} are not enforced: this machine has no ${controller} cgroup controller`;
      t.equal(out.includes(warning), !controllers.includes(controller), warning);
    }
    t.same(leftovers(), []);
    t.end();
  },
);
