import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { NO_CGROUPS } from '../../src/oci/cgroup-plan.ts';
import { detectCgroups } from '../../src/runtime/cgroups.ts';
import { isRoot, leftovers, PODSPACE, probePod, type Result } from './harness.ts';
import { sh } from './hostile.ts';

/** The machine's cgroups as other machines have them, each in a mount namespace of the test's. */
const VIEWS = {
  hybrid: 'true',
  unified: 'mount -t cgroup2 none /sys/fs/cgroup',
  legacy: 'umount /sys/fs/cgroup/unified',
  none: 'mount -t tmpfs none /sys/fs/cgroup',
} as const;
type View = keyof typeof VIEWS;

const { mode, v1, v2Controllers } = isRoot ? detectCgroups() : NO_CGROUPS;
/** What this machine can show of a view: the controllers are in one place only, and so are not in the other. */
const needs = (isSo: boolean, what: string): string | false =>
  isRoot && isSo ? false : `needs root and ${what}`;
const needsHybrid = needs(
  mode === 'hybrid' && v1.memory !== undefined && v1.cpu !== undefined,
  'both cgroup versions',
);
const needsHugetlb = needs(v2Controllers.includes('hugetlb'), 'hugetlb in cgroup v2');

const inView = (view: View, ...command: readonly string[]): readonly string[] => [
  '-m',
  'sh',
  '-c',
  `${VIEWS[view]} && exec "$@"`,
  'sh',
  process.execPath,
  PODSPACE,
  ...command,
];

/** Runs a pod; the view's cgroups are at /host in it. */
function run(view: View, pod: object, ...args: readonly string[]): Result & { readonly stderr: string } {
  const { stdout, stderr } = spawnSync('unshare', inView(view, 'run', '-', '-o', 'json', ...args), {
    input: JSON.stringify(pod),
    encoding: 'utf8',
    timeout: 30_000,
  });
  if (!stdout.startsWith('{')) throw new Error(stderr);
  return { ...(JSON.parse(stdout) as Result), stderr };
}

interface Sizes {
  readonly cpu?: string;
  readonly memory?: string;
  readonly 'hugepages-2Mi'?: string;
}
const container = (name: string, script: string, limits?: Sizes, requests?: Sizes): object => ({
  name,
  image: 'localhost/busybox',
  ...sh(script),
  volumeMounts: [{ name: 'host', mountPath: '/host' }],
  env: [{ name: 'POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } }],
  ...(limits === undefined ? {} : { resources: { limits, ...(requests === undefined ? {} : { requests }) } }),
});
const podOf = (spec: object): ReturnType<typeof probePod> =>
  probePod({ volumes: [{ name: 'host', hostPath: { path: '/sys/fs/cgroup' } }], ...spec });
const words = (text: string | undefined): readonly string[] => (text ?? '').trim().split(/\s+/);

/** Of a directory below each hierarchy's root, what v1 has. */
const V1_FILES = ['cpu/DIR/cpu.shares', 'cpu/DIR/cpu.cfs_quota_us', 'memory/DIR/memory.limit_in_bytes'];
const read = (directory: string): string =>
  `cat ${V1_FILES.map(file => `/host/${file.replace('DIR', directory)}`).join(' ')}`;

for (const view of ['hybrid', 'legacy'] as const) {
  t.test(
    `${view}: the pod’s cgroup, by the sums of its containers or by its own resources`,
    { skip: needsHybrid },
    t => {
      const sums = run(
        view,
        podOf({
          initContainers: [container('init', 'true', { cpu: '2', memory: '16Mi' })],
          containers: [
            container(
              'a',
              `${read('podspace/$POD_UID')} ; ${read('podspace/$POD_UID/a')}`,
              { cpu: '500m', memory: '64Mi' },
              { cpu: '250m', memory: '32Mi' },
            ),
            container('b', `sleep 0.3; ${read('podspace/$POD_UID/b')}`, { cpu: '250m', memory: '32Mi' }),
          ],
        }),
      );
      const [, a, b] = sums.containers;
      // The init container asks for more cpu than both, and they ask for more memory.
      t.same(words(a?.stdout).slice(0, 3), ['2048', '200000', String(96 << 20)], sums.stderr);
      t.same(words(a?.stdout).slice(3), ['256', '50000', String(64 << 20)]);
      t.same(words(b?.stdout), ['256', '25000', String(32 << 20)]);

      const own = run(
        view,
        podOf({
          resources: { limits: { cpu: '1', memory: '128Mi' }, requests: { cpu: '500m' } },
          containers: [container('a', `${read('podspace/$POD_UID')} ; ${read('podspace/$POD_UID/a')}`)],
        }),
      );
      const [first] = own.containers;
      t.same(words(first?.stdout).slice(0, 3), ['512', '100000', String(128 << 20)], own.stderr);
      t.equal(words(first?.stdout)[4], '-1', 'the container’s own has no quota');
      t.strictSame(leftovers(), []);
      t.end();
    },
  );

  t.test(`${view}: processes of the pod together, and OOMKilled`, { skip: needsHybrid }, t => {
    const pids = run(
      view,
      podOf({ containers: [container('a', 'cat /host/pids/podspace/$POD_UID/pids.max')] }),
      '--pod-max-pids',
      '77',
    );
    t.equal(pids.containers[0]?.stdout, '77\n', pids.stderr);
    const eat = podOf({ containers: [container('a', 'tail /dev/zero', { memory: '32Mi' })] });
    t.match(run(view, eat).containers, [{ reason: 'OOMKilled', exitCode: 137 }]);
    t.strictSame(leftovers(), []);
    t.end();
  });
}

for (const [view, directory] of [
  ['hybrid', '/host/unified'],
  ['unified', '/host'],
] as const) {
  t.test(
    `${view}: huge pages by cgroup v2, of the container and of the pod`,
    { skip: needsHugetlb || needsHybrid },
    t => {
      const file = 'hugetlb.2MB.max';
      const cat = (...names: string[]): string =>
        `cat ${names.map(name => `${directory}/podspace/$POD_UID/${name}`).join(' ')}; cat ${directory}/podspace/$POD_UID/a/hugetlb.2MB.rsvd.max`;
      const limits = (pages: string): Sizes => ({ 'hugepages-2Mi': pages, memory: '64Mi', cpu: '1' });
      const { containers, stderr } = run(
        view,
        podOf({
          containers: [
            container('a', `sleep 0.3; ${cat(file, `a/${file}`, `b/${file}`)}`, limits('4Mi')),
            container('b', 'sleep 1', limits('2Mi')),
          ],
        }),
      );
      t.same(words(containers[0]?.stdout), [6 << 20, 4 << 20, 2 << 20, 4 << 20].map(String), stderr);
      t.strictSame(leftovers(), []);
      t.end();
    },
  );
}

t.test(
  'a size that the machine has pages of, and nobody asked for, is none',
  { skip: needsHugetlb || needsHybrid },
  t => {
    const pool = '/sys/kernel/mm/hugepages';
    const fake = `mount -t tmpfs none ${pool} && mkdir ${pool}/hugepages-2048kB && echo 3 > ${pool}/hugepages-2048kB/nr_hugepages`;
    const pod = podOf({
      containers: [container('a', 'cat /host/unified/podspace/$POD_UID/a/hugetlb.2MB.max')],
    });
    const command = ['-m', 'sh', '-c', `${fake} && exec "$@"`, 'sh', process.execPath, PODSPACE, 'run', '-'];
    const { stdout } = spawnSync('unshare', command, { input: JSON.stringify(pod), encoding: 'utf8' });
    t.equal(stdout, '0\n');
    t.end();
  },
);

t.test(
  'what a machine does not have is a warning that names it, once, and the pod runs',
  { skip: needsHybrid },
  t => {
    const pod = podOf({
      containers: [container('a', 'echo fine', { cpu: '500m', memory: '64Mi', 'hugepages-2Mi': '2Mi' })],
    });
    const lacks: Readonly<Record<View, readonly string[]>> = {
      hybrid: [],
      unified: ['cpu', 'memory', 'pids'].filter(name => !v2Controllers.includes(name)),
      legacy: v1.hugetlb === undefined ? ['hugetlb'] : [],
      none: ['cpu', 'memory', 'hugetlb', 'devices', 'pids'],
    };
    for (const view of Object.keys(VIEWS) as View[]) {
      const { stderr, containers } = run(view, pod, '--pod-max-pids', '50');
      t.equal(containers[0]?.stdout, 'fine\n');
      const named = [
        ...stderr.matchAll(/are not enforced: this machine has no (\w+) cgroup controller$/gm),
      ].map(([, name]) => name);
      t.same(named.sort(), [...lacks[view]].sort(), `${view}: ${stderr}`);
      t.strictSame(leftovers(), [], view);
    }
    t.end();
  },
);

for (const view of ['unified', 'legacy', 'none'] as const) {
  t.test(
    `${view}: what a killed podspace leaves is removed, exec works before`,
    { skip: needsHybrid },
    async t => {
      const pod = podOf({
        containers: [container('a', 'sleep 100 & echo up; sleep 100', { memory: '64Mi' })],
      });
      const { name } = pod.metadata;
      // All in one mount namespace, as on one machine.
      const script = [
        `${VIEWS[view]} || exit 1`,
        `echo '${JSON.stringify(pod)}' > /proc/self/fd/9`,
        '"$0" "$1" run /proc/self/fd/9 2>/dev/null & run=$!',
        'read go',
        `"$0" "$1" exec ${name} -- sh -c 'cat /proc/self/cgroup | grep -c podspace; echo exec'`,
        'kill -9 $run; wait $run 2>/dev/null; "$0" "$1" gc',
        // Pods of other tests have theirs below a cgroup of a node.
        'echo "left: $(find /sys/fs/cgroup -name podspace -not -path "*/test-node-*" | wc -l)"',
      ].join('\n');
      const shell = [
        '-m',
        'sh',
        '-c',
        `f=$(mktemp); exec 9<>"$f"; rm "$f"; ${script}`,
        process.execPath,
        PODSPACE,
      ];
      const child = spawn('unshare', shell, { stdio: ['pipe', 'pipe', 'inherit'] });
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk;
        // What runs is written down a moment after it has started.
        if (output === 'up\n') setTimeout(() => child.stdin.end('go\n'), 200);
      });
      await new Promise(resolve => child.once('close', resolve));
      t.match(
        output,
        new RegExp(`^up\n0\nexec\nremoved pod default/${name} .*\nremoved name .*\nleft: 0\n$`),
      );
      t.strictSame(leftovers(), []);
    },
  );
}

t.test('legacy: device rules are the list of a v1 cgroup', { skip: needsHybrid }, t => {
  const open = 'mknod /n c $1 $2 && { ( : < /n ) 2>/dev/null && echo opens || echo refused; rm /n; }';
  const script = `try() { ${open}; }; try 1 3; try 1 11; try 10 237; cat /proc/self/cgroup | grep -c ":devices:/$"`;
  const { containers, stderr } = run('legacy', podOf({ containers: [container('a', script)] }));
  t.equal(containers[0]?.stdout, 'opens\nrefused\nrefused\n1\n', stderr);
  t.strictSame(leftovers(), []);
  t.end();
});

// CVE-2023-25809
for (const [how, spec] of [
  ['', {}],
  [' in a user namespace', { hostUsers: false }],
] as const) {
  t.test(`no container writes to a cgroup${how}`, { skip: needsHybrid }, t => {
    const script =
      'for f in $(find /sys/fs/cgroup -name cgroup.procs -o -name tasks -o -name release_agent); do echo 1 > $f; done; for d in $(find /sys/fs/cgroup -type d); do mkdir $d/x; done; true';
    for (const view of ['hybrid', 'unified', 'legacy'] as const) {
      const { containers } = run(view, probePod(spec, { image: 'localhost/busybox', ...sh(script) }));
      const answers = (containers[0]?.stderr ?? '').trim().split('\n');
      t.ok(answers.length > 1, view);
      // Containers of other tests come and go meanwhile, in the cgroups of their nodes.
      t.same(
        answers.filter(
          line => !/Read-only file system|Permission denied|test-node-.*No such file/.test(line),
        ),
        [],
        view,
      );
    }
    t.strictSame(leftovers(), []);
    t.end();
  });
}

t.test('a view that may not be written to is an error that says so', { skip: needsHybrid }, async t => {
  const script =
    'for m in $(awk \'$5 ~ "^/sys/fs/cgroup/" {print $5}\' /proc/self/mountinfo); do mount -o remount,bind,ro $m; done; exec "$@"';
  const command = ['-m', 'sh', '-c', script, 'sh', process.execPath, PODSPACE, 'run', '-'];
  const refused = (): void => {
    const { stderr, status } = spawnSync('unshare', command, {
      input: JSON.stringify(podOf({ containers: [container('a', 'true')] })),
      encoding: 'utf8',
    });
    t.equal(status, 1);
    t.match(stderr, /^error: FailedCreatePodSandBox: .* cannot make \S+: EROFS$/m);
  };
  refused();
  // The directory of all pods is there then, and can't be removed either.
  const other = spawn(process.execPath, [PODSPACE, 'run', '-'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise(resolve => other.once('close', resolve));
  const up = container('b', 'echo up; sleep 60');
  other.stdin.end(
    JSON.stringify({
      ...podOf({ containers: [up], terminationGracePeriodSeconds: 0 }),
      metadata: { name: 'other' },
    }),
  );
  await new Promise(resolve => other.stdout.once('data', resolve));
  refused();
  other.kill('SIGTERM');
  await ended;
  t.strictSame(leftovers(), []);
});

t.test('oom_score_adj by the class of service', { skip: isRoot ? false : 'needs root' }, t => {
  const memory = Number(/MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024;
  const score = (resources?: object): number =>
    Number(
      run('hybrid', podOf({ containers: [{ ...container('a', 'cat /proc/self/oom_score_adj'), resources }] }))
        .containers[0]?.stdout,
    );
  t.equal(score(), 1000, 'BestEffort');
  t.equal(score({ requests: { cpu: '1m' } }), 999, 'Burstable');
  const gibibyte = 2 ** 30;
  t.equal(score({ requests: { memory: '1Gi' } }), 1000 - Math.floor((1000 * gibibyte) / memory));
  const can = /CapEff:\s+(\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  const lowest =
    (BigInt(`0x${can}`) >> 24n) & 1n ? -997 : Number(readFileSync('/proc/self/oom_score_adj', 'utf8'));
  t.equal(score({ limits: { cpu: '1', memory: '1Gi' } }), lowest, 'Guaranteed');
  t.end();
});
