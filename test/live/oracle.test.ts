import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
  differences,
  inView,
  makeBundle,
  type Normal,
  normalise,
  onTerminal,
  withoutFlags,
} from './oracle.ts';
import { BOTH, isExpected, RUNTIMES, type Runtime, unmet } from './oracle-expected.ts';

/**
 * The OCI config that podspace makes of a pod, run by other runtimes: the guest must see the same. For that, the probe's
 * image has a directory that only root may enter and a user.
 */
const IMAGE = `localhost/test-oracle-${process.pid}`;
const user = { runAsUser: 405, runAsGroup: 100, supplementalGroups: [7, 8] };
const secure = (securityContext: object): readonly [object, object] => [{}, { securityContext }];
const filtered = { seccompProfile: { type: 'RuntimeDefault' } };
const restricted = {
  ...filtered,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
};
const limits = {
  resources: { requests: { memory: '1Gi', cpu: '100m' }, limits: { memory: '2Gi', cpu: '500m' } },
};
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
  'a user namespace': [{ hostUsers: false }, {}],
  'a user namespace, as a user': [{ hostUsers: false, securityContext: { ...user, fsGroup: 555 } }, {}],
  'a user namespace with all in the open': [
    { hostUsers: false },
    { securityContext: { procMount: 'Unmasked', capabilities: { add: ['ALL'] } } },
  ],
  'a user namespace and a volume': [
    { hostUsers: false, volumes: [{ name: 'v', emptyDir: {} }] },
    { volumeMounts: [{ name: 'v', mountPath: '/v' }], securityContext: { readOnlyRootFilesystem: true } },
  ],
  'a user namespace and a terminal': [{ hostUsers: false }, {}, true],
  filter: secure(filtered),
  'filter, as a user with all of his own': [
    { securityContext: { ...user, ...filtered } },
    { securityContext: { capabilities: { add: ['SYS_ADMIN'] } } },
  ],
  'all that restricts': [
    { securityContext: { ...user, fsGroup: 555 } },
    { ...limits, securityContext: restricted },
  ],
  'all that restricts, and a volume': [
    { securityContext: user, volumes: [{ name: 'v', emptyDir: {} }] },
    { volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: true }], securityContext: restricted },
  ],
  'all that restricts, at a terminal': [{ securityContext: user }, { securityContext: restricted }, true],
  limits: [{}, limits],
  'privileged, with a read-only root': secure({ privileged: true, readOnlyRootFilesystem: true }),
  'privileged, with a filter and dropped capabilities': secure({
    privileged: true,
    capabilities: { drop: ['ALL'] },
    ...filtered,
  }),
  'privileged, with all of the machine’s namespaces': [
    { hostNetwork: true, hostPID: true, hostIPC: true },
    { securityContext: { privileged: true } },
  ],
  'mounts both ways': [
    { volumes: [{ name: 'v', hostPath: { path: '/usr' } }] },
    {
      volumeMounts: [{ name: 'v', mountPath: '/h', mountPropagation: 'Bidirectional' }],
      securityContext: { privileged: true },
    },
  ],
  'read-only root and a volume in memory': [
    { volumes: [{ name: 'v', emptyDir: { medium: 'Memory' } }] },
    {
      volumeMounts: [{ name: 'v', mountPath: '/m', readOnly: true }],
      securityContext: { readOnlyRootFilesystem: true },
    },
  ],
  'a user namespace and a filter': [{ hostUsers: false }, { securityContext: filtered }],
  'a user namespace without capabilities': [
    { hostUsers: false },
    { securityContext: { capabilities: { drop: ['ALL'], add: ['CHOWN'] } } },
  ],
  'a user namespace, privileged': [{ hostUsers: false }, { securityContext: { privileged: true } }],
  'a user namespace, unmasked and read-only': [
    { hostUsers: false },
    {
      securityContext: {
        procMount: 'Unmasked',
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
      },
    },
  ],
  'a user namespace with limits': [{ hostUsers: false }, limits],
  'a user namespace and all that restricts': [
    { hostUsers: false, securityContext: { ...user, fsGroup: 555 } },
    { ...limits, securityContext: restricted },
  ],
  'a user namespace and all that restricts, at a terminal': [
    { hostUsers: false, securityContext: user },
    { securityContext: restricted },
    true,
  ],
  'a working directory for root only': [
    { securityContext: user },
    { workingDir: '/secret', securityContext: { capabilities: { drop: ['ALL'] } } },
  ],
};

const isInstalled = (runtime: Runtime): boolean => spawnSync(runtime, ['--version']).status === 0;
/** Debian's crun leaves empty files in the place of devices that it cannot bind into a user namespace. */
const WITHOUT_CRUN = ['a user namespace, privileged'];
const missing = (runtime: Runtime): string | false =>
  isInstalled(runtime) ? false : `${runtime} is not installed`;

function importImage(): void {
  const store = new ImageStore(DEFAULT_ROOTS.state);
  const probe = store.get('localhost/probe');
  if (probe === undefined) throw new Error('no probe image');
  const directory = mkdtempSync(join(tmpdir(), 'podspace-oracle-'));
  try {
    const root = join(directory, 'rootfs');
    execFileSync('cp', ['-a', join(DEFAULT_ROOTS.state, store.layers(probe)[0] ?? ''), root]);
    mkdirSync(join(root, 'secret'), { mode: 0o700 });
    const config = join(directory, 'config.json');
    writeFileSync(config, JSON.stringify({ Entrypoint: ['/probe'], User: 'guest' }));
    const imported = podspace(['image', 'import', IMAGE, root, '--config', config]);
    if (imported.status !== 0) throw new Error(imported.stderr);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What crun has not copied when a container ends, it prints as if it were an error of its own: 255 characters a line, red. */
const CRUN_ERROR = /\p{Cc}\[1;31m[-:.\dT]+Z: (.*?)\p{Cc}\[0m\r?\n/gsu;

/** The carriage returns that a terminal adds are no part of JSON. */
function reportOf(output: string): Report {
  const text = output.replaceAll(CRUN_ERROR, '$1').replaceAll(/\p{Cc}/gu, '');
  try {
    return JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)) as Report;
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${JSON.stringify(output)}`);
  }
}

async function underPodspace(manifest: string, isOnTerminal: boolean): Promise<Normal> {
  if (isOnTerminal)
    return normalise(reportOf(await onTerminal([process.execPath, PODSPACE, 'run', '-t', manifest])));
  const output = inView([process.execPath, PODSPACE, 'run', '-o', 'json', manifest]);
  return normalise(reportOf((JSON.parse(output) as Result).containers[0]?.stdout ?? ''));
}

async function underOther(runtime: Runtime, bundle: string, isOnTerminal: boolean): Promise<Normal> {
  const command = [...RUNTIMES[runtime], 'run', '-b', bundle, `podspace-oracle-${process.pid}`];
  return normalise(reportOf(isOnTerminal ? await onTerminal(command) : inView(command)));
}

if (isRoot) {
  importImage();
  t.teardown(() => podspace(['image', 'rm', IMAGE]));
}

for (const [title, [spec, container, isOnTerminal = false]] of Object.entries(PODS)) {
  t.test(title, { skip: needsRoot }, async t => {
    const directory = mkdtempSync(join(tmpdir(), 'podspace-oracle-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    const manifest = join(directory, 'pod.json');
    const pod = probePod(spec, { image: IMAGE, ...container });
    writeFileSync(manifest, JSON.stringify(pod));
    const mine = await underPodspace(manifest, isOnTerminal);
    const config = JSON.parse(podspace(['compile', manifest, '--emit=oci']).stdout) as OciConfig;
    for (const runtime of BOTH.filter(one => one !== 'crun' || !WITHOUT_CRUN.includes(title))) {
      await t.test(`the guest sees the same under ${runtime}`, { skip: missing(runtime) }, async t => {
        const bundle = join(directory, runtime);
        mkdirSync(bundle);
        // A runtime that has become root of a user namespace looks its root up by path.
        chmodSync(directory, 0o711);
        makeBundle(bundle, IMAGE, withoutFlags(config), pod.metadata.name, isOnTerminal);
        const all = differences(mine, await underOther(runtime, bundle, isOnTerminal));
        t.strictSame(
          all.filter(one => !isExpected(runtime, one)),
          [],
        );
      });
    }
    t.strictSame(leftovers(), []);
  });
}

for (const runtime of BOTH) {
  t.test(
    `every difference from ${runtime} that is expected is still there`,
    { skip: needsRoot || missing(runtime) },
    t => {
      t.strictSame(unmet(runtime), []);
      t.end();
    },
  );
}
