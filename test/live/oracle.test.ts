import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ImageStore } from '../../src/image/store.ts';
import type { OciConfig, OciMount } from '../../src/oci/config.ts';
import { DEFAULT_ROOTS } from '../../src/oci/pod-paths.ts';
import { needsRoot, PODSPACE, probePod, type Report, type Result } from './harness.ts';
import { type Difference, differences, normalise } from './oracle.ts';

/**
 * The OCI config that podspace makes of a pod, run by other runtimes: the guest must see the same. Debian's crun refuses
 * a machine that has cgroup v1 and v2, so everybody runs in a private view of cgroup v2 alone.
 */
const RUNTIMES: Readonly<Record<string, readonly string[]>> = {
  crun: ['crun', '--cgroup-manager=disabled'],
  runc: ['runc'],
};

const user = { runAsUser: 405, runAsGroup: 100, supplementalGroups: [7, 8] };
const PODS: Readonly<Record<string, readonly [spec: object, container: object]>> = {
  default: [{}, {}],
  user: [{ securityContext: user }, {}],
  privileged: [{}, { securityContext: { privileged: true } }],
  'capabilities dropped': [{}, { securityContext: { capabilities: { drop: ['ALL'], add: ['CHOWN'] } } }],
  'capabilities of a user': [
    { securityContext: user },
    { securityContext: { capabilities: { add: ['NET_ADMIN'], drop: ['MKNOD'] } } },
  ],
  'no new privileges': [{}, { securityContext: { allowPrivilegeEscalation: false } }],
  'read-only root': [{}, { securityContext: { readOnlyRootFilesystem: true } }],
  'host namespaces': [{ hostNetwork: true, hostPID: true, hostIPC: true }, {}],
  volumes: [
    { volumes: [{ name: 'v', emptyDir: {} }] },
    {
      volumeMounts: [
        { name: 'v', mountPath: '/v' },
        { name: 'v', mountPath: '/w', readOnly: true },
      ],
    },
  ],
  environment: [{}, { workingDir: '/tmp', env: [{ name: 'A', value: 'b' }] }],
};

/** Differences that are meant, each with its reason. One that does not occur any more fails the test too. */
const EXPECTED: readonly (readonly [runtime: string, path: RegExp, reason: string])[] = [
  ['*', /^deathSignal$/, 'an attached container must not outlive podspace; the others detach'],
  [
    '*',
    /^mounts\.\/(proc|sys)\/(acpi|scsi|asound|firmware|devices\/virtual\/powercap)$/,
    'a mask is a tmpfs that also is nosuid, nodev and noexec',
  ],
  [
    'crun',
    /^mounts\.\/proc\/(bus|fs|irq|sys|sysrq-trigger)$/,
    'crun binds read-only paths without the flags that /proc has',
  ],
  [
    'runc',
    /^mounts\.\/proc\/(interrupts|kcore|keys|latency_stats|timer_list|timer_stats|sched_debug)$/,
    'runc masks with the container’s own /dev/null, podspace with the host’s (CVE-2025-31133)',
  ],
  ['runc', /^devices\.core/, 'runc leaves /dev/core out'],
];

const has = (command: string): boolean => spawnSync(command, ['--version']).status === 0;

/** Runs a command in a view of the machine that has cgroup v2 only. */
function inView(command: readonly string[], input = ''): string {
  const script = 'mount -t cgroup2 none /sys/fs/cgroup && exec "$@"';
  const view = existsSync('/sys/fs/cgroup/cgroup.controllers')
    ? []
    : ['unshare', '-m', 'sh', '-c', script, 'sh'];
  const [first = '', ...args] = [...view, ...command];
  const { status, stdout, stderr } = spawnSync(first, args, { input, encoding: 'utf8', timeout: 30_000 });
  if (status !== 0) throw new Error(`${command.join(' ')}: ${status} ${stderr}`);
  return stdout;
}

/** What of a pod exists only while it runs, replaced by the like. */
function standalone(config: OciConfig, hostname: string, directory: string): object {
  const mounts = config.mounts.map((mount): OciMount => {
    const isOfPod =
      mount.source.startsWith(DEFAULT_ROOTS.run) || mount.source.startsWith(DEFAULT_ROOTS.state);
    if (!isOfPod) return mount;
    if (mount.destination === '/dev/shm')
      return {
        ...mount,
        type: 'tmpfs',
        source: 'shm',
        options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'],
      };
    const source = join(directory, mount.source.replaceAll('/', '_'));
    if (mount.destination.startsWith('/etc/')) writeFileSync(source, '');
    else mkdirSync(source, { recursive: true });
    return { ...mount, source };
  });
  return {
    ...config,
    ...(config.linux.namespaces.some(({ type }) => type === 'uts') ? { hostname } : {}),
    root: { ...config.root, path: join(directory, 'rootfs') },
    mounts,
    linux: {
      ...config.linux,
      namespaces: config.linux.namespaces.map(({ type }) => ({ type })),
      cgroupsPath: '/podspace-oracle',
      resources: { devices: [{ allow: true, access: 'rwm' }] },
    },
  };
}

const seen = new Set<RegExp>();
const hostNamespace = (type: string): string => readlinkSync(`/proc/self/ns/${type}`);
const explained = (runtime: string, { path }: Difference): boolean =>
  EXPECTED.some(([name, pattern]) => {
    const isIt = (name === '*' || name === runtime) && pattern.test(path);
    if (isIt) seen.add(pattern);
    return isIt;
  });

for (const [title, [spec, container]] of Object.entries(PODS)) {
  t.test(`${title}: the guest sees the same under other runtimes`, { skip: needsRoot }, t => {
    const pod = probePod(spec, container);
    const text = JSON.stringify(pod);
    const result = JSON.parse(inView([process.execPath, PODSPACE, 'run', '-', '-o', 'json'], text)) as Result;
    const mine = normalise(JSON.parse(result.containers[0]?.stdout ?? '') as Report, hostNamespace);
    const config = JSON.parse(
      inView([process.execPath, PODSPACE, 'compile', '-', '--emit=oci'], text),
    ) as OciConfig;
    for (const [runtime, command] of Object.entries(RUNTIMES)) {
      if (!has(command[0] ?? '')) {
        t.comment(`${runtime} is not installed`);
        continue;
      }
      const directory = mkdtempSync(join(tmpdir(), 'podspace-oracle-'));
      try {
        const store = new ImageStore(DEFAULT_ROOTS.state);
        const image = store.get('localhost/probe');
        if (image === undefined) throw new Error('no probe image');
        cpSync(join(DEFAULT_ROOTS.state, store.rootfs(image)), join(directory, 'rootfs'), {
          recursive: true,
          verbatimSymlinks: true,
        });
        writeFileSync(
          join(directory, 'config.json'),
          JSON.stringify(standalone(config, pod.metadata.name, directory)),
        );
        const report = inView([...command, 'run', '-b', directory, `podspace-oracle-${process.pid}`]);
        const theirs = normalise(JSON.parse(report) as Report, hostNamespace);
        t.strictSame(
          differences(mine, theirs).filter(one => !explained(runtime, one)),
          [],
          runtime,
        );
      } finally {
        rmSync(directory, { recursive: true });
      }
    }
    t.end();
  });
}

t.test(
  'every difference that is explained is still there',
  { skip: needsRoot || !has('crun') || !has('runc') },
  t => {
    for (const [runtime, pattern, reason] of EXPECTED) t.ok(seen.has(pattern), `${runtime}: ${reason}`);
    t.end();
  },
);
