import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ImageStore } from '../../src/image/store.ts';
import type { OciConfig } from '../../src/oci/config.ts';
import { DEFAULT_ROOTS } from '../../src/oci/pod-paths.ts';
import {
  isRoot,
  leftovers,
  needsRoot,
  PODSPACE,
  podspace,
  probePod,
  type Report,
  type Result,
} from './harness.ts';
import {
  type Difference,
  differences,
  inView,
  makeBundle,
  type Normal,
  normalise,
  onTerminal,
} from './oracle.ts';

/** The OCI config that podspace makes of a pod, run by other runtimes: the guest must see the same. */
const RUNTIMES = { crun: ['crun', '--cgroup-manager=disabled'], runc: ['runc'] } as const;
type Runtime = keyof typeof RUNTIMES;

/** The probe, with a directory that only root may enter and a user named by the image. */
const IMAGE = `localhost/test-oracle-${process.pid}`;
const user = { runAsUser: 405, runAsGroup: 100, supplementalGroups: [7, 8] };
const secure = (securityContext: object): readonly [object, object] => [{}, { securityContext }];
const volume = (source: object, ...mounts: readonly object[]): readonly [object, object] => [
  { volumes: [{ name: 'v', ...source }] },
  { volumeMounts: mounts.map(mount => ({ name: 'v', ...mount })) },
];

const PODS: Readonly<Record<string, readonly [spec: object, container: object, isOnTerminal?: true]>> = {
  default: [{}, {}],
  user: [{ securityContext: user }, {}],
  fsGroup: [{ securityContext: { ...user, fsGroup: 555 } }, {}],
  privileged: secure({ privileged: true }),
  'privileged, as a user': secure({ privileged: true, runAsUser: 405 }),
  'capabilities dropped': secure({ capabilities: { drop: ['ALL'], add: ['CHOWN'] } }),
  'all capabilities': secure({ capabilities: { add: ['ALL'], drop: ['MKNOD'] } }),
  'capabilities of a user': [
    { securityContext: user },
    { securityContext: { capabilities: { add: ['NET_ADMIN'], drop: ['MKNOD'] } } },
  ],
  'no new privileges': secure({ allowPrivilegeEscalation: false, runAsUser: 405 }),
  'read-only root': secure({ readOnlyRootFilesystem: true }),
  'default masks asked for': secure({ procMount: 'Default' }),
  'host namespaces': [{ hostNetwork: true, hostPID: true, hostIPC: true }, {}],
  'host network': [{ hostNetwork: true }, {}],
  'host PIDs': [{ hostPID: true }, {}],
  'host IPC': [{ hostIPC: true }, {}],
  emptyDir: volume({ emptyDir: {} }, { mountPath: '/v' }, { mountPath: '/w', readOnly: true }),
  'emptyDir in memory': volume({ emptyDir: { medium: 'Memory' } }, { mountPath: '/m' }),
  'emptyDir as /dev/shm': volume({ emptyDir: { medium: 'Memory' } }, { mountPath: '/dev/shm' }),
  hostPath: volume({ hostPath: { path: '/usr' } }, { mountPath: '/h', mountPropagation: 'HostToContainer' }),
  'the machine’s /dev': volume({ hostPath: { path: '/dev' } }, { mountPath: '/dev' }),
  environment: [
    {},
    {
      workingDir: '/new/deep',
      env: [
        { name: 'A', value: 'b' },
        { name: 'PATH', value: '/' },
      ],
    },
  ],
  'command and arguments': [
    {},
    {
      command: ['probe', 'a b', '$(A)'],
      args: ['$$(A)', ''],
      env: [
        { name: 'A', value: '"' },
        { name: 'PATH', value: '/none:/' },
      ],
    },
  ],
  'a terminal': [{}, {}, true],
  'a terminal of a user': [{ securityContext: user }, {}, true],
  'a working directory for root only': [
    { securityContext: user },
    { workingDir: '/secret', securityContext: { capabilities: { drop: ['ALL'] } } },
  ],
};

interface Expected {
  readonly of: readonly Runtime[];
  readonly path: RegExp;
  readonly mine: RegExp;
  readonly theirs: RegExp;
  readonly why: string;
}

const BOTH = ['crun', 'runc'] as const;
const ABSENT = '(absent)';

/** Differences that are meant. One that is not here fails, and so does one that has gone. */
const EXPECTED: readonly Expected[] = [
  {
    of: BOTH,
    path: /^deathSignal$/,
    mine: /^9$/,
    theirs: /^0$/,
    why: 'an attached container must not outlive podspace; the others detach',
  },
  {
    of: BOTH,
    path: /^mounts\.\/(proc|sys)\/(acpi|asound|scsi|firmware|devices\/.*)$/,
    mine: /^tmpfs \/ nodev,noexec,nosuid,relatime,ro \(rw\)$/,
    theirs: /^tmpfs \/ relatime,ro /,
    why: 'the tmpfs that masks a directory also is nosuid, nodev and noexec',
  },
  {
    of: ['crun'],
    path: /^mounts\.\/proc\/(bus|fs|irq|sys|sysrq-trigger)$/,
    mine: /^proc \S+ nodev,noexec,nosuid,relatime,ro \(rw\)$/,
    theirs: /^proc \S+ relatime,ro \(rw\)$/,
    why: 'crun binds read-only paths without the flags that /proc has',
  },
  {
    of: ['crun'],
    path: /^cgroup$/,
    mine: /^\/\(its own\)$/,
    theirs: /^\/$/,
    why: 'crun is told to leave cgroups alone, which shows where the machine’s cgroup namespace is kept',
  },
  {
    of: ['runc'],
    path: /^mounts\.\/proc\/(interrupts|kcore|keys|latency_stats|timer_list|timer_stats|sched_debug)$/,
    mine: /^devtmpfs \/null relatime,ro /,
    theirs: /^(dev)?tmpfs \/null \S*\brw /,
    why: 'runc masks with the container’s own /dev/null, writable; podspace with the machine’s (CVE-2025-31133)',
  },
  {
    of: ['runc'],
    path: /^mounts\.\/sys$/,
    mine: /^sysfs nodev,noexec,nosuid,relatime,ro \(rw\)$/,
    theirs: /^sysfs nodev,noexec,nosuid,relatime,ro \(ro\)$/,
    why: 'runc makes the filesystem read-only, podspace the mount of it',
  },
  {
    of: ['runc'],
    path: /^devices\.core\./,
    mine: /^(link|0777|0|\/proc\/kcore)$/,
    theirs: /^\(absent\)$/,
    why: 'runc leaves /dev/core out',
  },
];

const seen = new Set<string>();
const key = (runtime: Runtime, { path }: Expected): string => `${runtime} ${path}`;

function isExpected(runtime: Runtime, { path, mine = ABSENT, theirs = ABSENT }: Difference): boolean {
  const row = EXPECTED.find(
    each =>
      each.of.includes(runtime) && each.path.test(path) && each.mine.test(mine) && each.theirs.test(theirs),
  );
  if (row !== undefined) seen.add(key(runtime, row));
  return row !== undefined;
}

const isInstalled = (runtime: Runtime): boolean => spawnSync(runtime, ['--version']).status === 0;
const missing = (runtime: Runtime): string | false =>
  isInstalled(runtime) ? false : `${runtime} is not installed`;

function importImage(): void {
  const store = new ImageStore(DEFAULT_ROOTS.state);
  const probe = store.get('localhost/probe');
  if (probe === undefined) throw new Error('no probe image');
  const directory = mkdtempSync(join(tmpdir(), 'podspace-oracle-'));
  try {
    const root = join(directory, 'rootfs');
    execFileSync('cp', ['-a', join(DEFAULT_ROOTS.state, store.rootfs(probe)), root]);
    mkdirSync(join(root, 'secret'), { mode: 0o700 });
    const config = join(directory, 'config.json');
    writeFileSync(config, JSON.stringify({ Entrypoint: ['/probe'], User: 'guest' }));
    const imported = podspace(['image', 'import', IMAGE, root, '--config', config]);
    if (imported.status !== 0) throw new Error(imported.stderr);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** A terminal turns the ends of lines into CR LF. */
const reportOf = (output: string): Report =>
  JSON.parse(output.split('\n').find(line => line.startsWith('{')) ?? output) as Report;

function underPodspace(manifest: string, isOnTerminal: boolean): Normal {
  if (isOnTerminal)
    return normalise(reportOf(onTerminal([process.execPath, PODSPACE, 'run', '-t', manifest])));
  const output = inView([process.execPath, PODSPACE, 'run', '-o', 'json', manifest]);
  return normalise(reportOf((JSON.parse(output) as Result).containers[0]?.stdout ?? ''));
}

function underOther(runtime: Runtime, bundle: string, isOnTerminal: boolean): Normal {
  const command = [...RUNTIMES[runtime], 'run', '-b', bundle, `podspace-oracle-${process.pid}`];
  return normalise(reportOf(isOnTerminal ? onTerminal(command) : inView(command)));
}

if (isRoot) {
  importImage();
  t.teardown(() => podspace(['image', 'rm', IMAGE]));
}

for (const [title, [spec, container, isOnTerminal = false]] of Object.entries(PODS)) {
  t.test(title, { skip: needsRoot }, t => {
    const directory = mkdtempSync(join(tmpdir(), 'podspace-oracle-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    const manifest = join(directory, 'pod.json');
    const pod = probePod(spec, { image: IMAGE, ...container });
    writeFileSync(manifest, JSON.stringify(pod));
    const mine = underPodspace(manifest, isOnTerminal);
    const config = JSON.parse(podspace(['compile', manifest, '--emit=oci']).stdout) as OciConfig;
    for (const runtime of BOTH) {
      t.test(`the guest sees the same under ${runtime}`, { skip: missing(runtime) }, t => {
        const bundle = join(directory, runtime);
        mkdirSync(bundle);
        makeBundle(bundle, IMAGE, config, pod.metadata.name, isOnTerminal);
        const all = differences(mine, underOther(runtime, bundle, isOnTerminal));
        t.strictSame(
          all.filter(one => !isExpected(runtime, one)),
          [],
        );
        t.end();
      });
    }
    t.strictSame(leftovers(), []);
    t.end();
  });
}

for (const runtime of BOTH) {
  t.test(
    `every difference from ${runtime} that is expected is still there`,
    { skip: needsRoot || missing(runtime) },
    t => {
      for (const row of EXPECTED.filter(({ of }) => of.includes(runtime)))
        t.ok(seen.has(key(runtime, row)), row.why);
      t.end();
    },
  );
}
