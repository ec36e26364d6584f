import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { ImageStore } from '../../src/image/store.ts';
import { loadManifest } from '../../src/kube/manifest.ts';
import { ERRNO } from '../../src/linux/constants.generated.ts';
import { makeFile } from '../../src/native/exact-mode.ts';
import { execute, executeInShim, ProgramError, reap } from '../../src/native/execute.ts';
import { NO_CGROUPS, planCgroup } from '../../src/oci/cgroup-plan.ts';
import { podNames } from '../../src/oci/etc-files.ts';
import { DEFAULT_ROOTS } from '../../src/oci/pod-paths.ts';
import { acceptPod, type ContainerStages, compileStages } from '../../src/pipeline.ts';
import type { Instruction, VerifiedProgram } from '../../src/program/program.ts';
import { Cleanup } from '../../src/runtime/cleanup.ts';
import { gatherHostFacts } from '../../src/runtime/host-facts.ts';
import { PodDirectory } from '../../src/runtime/pod-directory.ts';
import { createSandbox } from '../../src/runtime/sandbox.ts';
import { pauseFilter, seccompSettings } from '../../src/runtime/seccomp.ts';
import { makePipe } from '../../src/runtime/streams.ts';
import { newUid } from '../../src/runtime/uid.ts';
import { prepareVolumes } from '../../src/runtime/volumes.ts';
import { leftovers, needsRoot, PODSPACE, podspace, probePod } from './harness.ts';

/** The program with one instruction replaced by one that fails with EIO. */
function withFault(program: VerifiedProgram, pc: number): VerifiedProgram {
  const fault: Instruction = {
    op: 'expect',
    phase: 'fault',
    ignore: [],
    operands: [
      { kind: 'data', item: program.data.length, offset: 0, text: 'fault' },
      { kind: 'imm', value: 1, text: '1' },
      { kind: 'imm', value: 1, text: '1' },
      { kind: 'imm', value: ERRNO.EIO, text: 'EIO' },
    ],
  };
  const instructions = program.instructions.map((instruction, i) => (i === pc ? fault : instruction));
  return {
    instructions,
    data: [...program.data, { bytes: new Uint8Array(1), pointers: [] }],
  } as unknown as VerifiedProgram;
}

const mounts = (): string => readFileSync('/proc/self/mountinfo', 'utf8');
const openFds = (): readonly string[] => readdirSync('/proc/self/fd');
const children = (): string => readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8');

/** Makes a pod's sandbox for real, and gives the stages of its container. */
async function withStages(
  spec: object,
  container: object,
  body: (stages: ContainerStages) => void | Promise<void>,
): Promise<void> {
  const host = gatherHostFacts();
  const { seccomp } = seccompSettings(DEFAULT_ROOTS, {});
  const [loaded] = loadManifest([{ file: 'pod', text: JSON.stringify(probePod(spec, container)) }]).pods;
  if (loaded === undefined) throw new Error('no pod');
  const { pod } = acceptPod(loaded, newUid());
  const cleanup = new Cleanup();
  try {
    const { uid = '', name = '' } = pod.metadata ?? {};
    const directory = PodDirectory.create(DEFAULT_ROOTS, uid, 'default', name);
    cleanup.add('files', () => directory.remove());
    const { paths } = directory;
    const names = podNames(pod, host);
    if ('error' in names) throw new Error(names.error);
    const volumes = prepareVolumes(pod, { configMaps: [], secrets: [] }, paths);
    for (const file of ['hosts', 'hostname', 'resolv.conf'] as const) writeFileSync(paths.etcFile(file), '');
    const image = new ImageStore(DEFAULT_ROOTS.state).get('localhost/probe');
    const [first] = pod.spec?.containers ?? [];
    if (first === undefined || image === undefined) throw new Error('no container');
    const layer = `images/roots/${image.id}/rootfs`;
    const hostRoot = pod.spec?.hostUsers === false ? 0x70000000 : 0;
    const sandbox = await createSandbox(
      {
        pod,
        paths,
        nodename: names.nodename,
        layers: [layer],
        hostRoot,
        pause: {
          cgroup: planCgroup(NO_CGROUPS, '', {}),
          filter: () => pauseFilter(host.kernelRelease, seccomp),
        },
      },
      cleanup,
    );
    const stages = compileStages({
      pod,
      container: first,
      image: {
        identity: { user: '', ...image.users },
        defaults: { entrypoint: ['/probe'], cmd: ['exit', '0'], env: [], workingDir: '' },
        layers: [layer],
      },
      objects: { configMaps: [], secrets: [] },
      host: { ...host, cgroups: NO_CGROUPS },
      paths,
      volumes,
      hostname: name,
      podIP: '127.0.0.1',
      attempt: 0,
      cgroupsPath: '/none',
      hostRoot,
      terminal: false,
      stdin: 'null',
      seccomp,
      arch: process.arch as 'x64' | 'arm64',
    });
    if ('error' in stages) throw new Error(stages.error);
    for (const part of ['upper', 'work'] as const)
      mkdirSync(paths.layer('probe', 0, part), { recursive: true });
    chownSync(paths.layer('probe', 0, 'upper'), hostRoot, hostRoot);
    makeFile(paths.terminationLog('probe', 0), 0o666);
    await body(stages);
    if (sandbox.pause !== undefined) process.kill(sandbox.pause.pid, 'SIGKILL');
  } finally {
    await cleanup.run();
  }
}

const volume = {
  volumes: [
    { name: 'v', emptyDir: {} },
    { name: 'm', emptyDir: { medium: 'Memory' } },
  ],
};
const filter = { seccompProfile: { type: 'RuntimeDefault' } };
const mountsOf = {
  volumeMounts: [
    { name: 'v', mountPath: '/v', subPath: 'a' },
    { name: 'm', mountPath: '/m', readOnly: true },
  ],
  securityContext: { readOnlyRootFilesystem: true, runAsUser: 405 },
};

for (const [title, spec, container, run] of [
  ['a container', volume, mountsOf, execute],
  ['a container with a filter', {}, { securityContext: { runAsUser: 405, ...filter } }, execute],
  [
    'a container with a filter and no_new_privs',
    {},
    { securityContext: { runAsUser: 405, allowPrivilegeEscalation: false, ...filter } },
    execute,
  ],
  [
    'a container with a filter that joins a shared PID namespace',
    { shareProcessNamespace: true },
    { securityContext: filter },
    executeInShim,
  ],
  ['a container that joins a shared PID namespace', { shareProcessNamespace: true }, {}, executeInShim],
  ['a container in a user namespace', { ...volume, hostUsers: false }, mountsOf, executeInShim],
] as const) {
  t.test(`EIO from every instruction of ${title}`, { skip: needsRoot }, async t => {
    await withStages(spec, container, async ({ compiled }) => {
      const output = makePipe();
      const parameters = { stdout: output.write, stderr: output.write };
      const good = await run(compiled, { parameters });
      reap(good);
      const before = { mounts: mounts(), fds: openFds(), children: children() };
      const bad: unknown[] = [];
      for (const pc of compiled.program.instructions.keys()) {
        try {
          await run({ ...compiled, program: withFault(compiled.program, pc) }, { parameters });
          bad.push([pc, 'did not fail']);
        } catch (error) {
          const isNamed =
            error instanceof ProgramError &&
            error.errno === ERRNO.EIO &&
            error.message.startsWith(`instruction ${pc}: `);
          if (!isNamed) bad.push([pc, String(error)]);
        }
      }
      t.ok(compiled.program.instructions.length > 200);
      t.same(bad, []);
      t.same(
        { mounts: mounts(), fds: openFds(), children: children() },
        before,
        'no mount, fd or process is left',
      );
    });
  });
}

const hasStrace = spawnSync('strace', ['-V']).status === 0;

/** Calls that only the programs make, so that what is injected hits them and not Node. */
const CALLS = [
  'setns',
  'unshare',
  'mount',
  'fsopen',
  'fsmount',
  'move_mount',
  'mount_setattr',
  'open_tree',
  'pivot_root',
  'umount2',
  'sethostname',
  'setresuid',
  'setgroups',
  'capset',
  'setsid',
  'execve',
  'clone3',
  'mknodat',
  'symlinkat',
  'openat2',
];

t.test(
  'the whole command under strace’s fault injection',
  { skip: needsRoot || (hasStrace ? false : 'needs strace') },
  t => {
    const pod = JSON.stringify(
      probePod(
        { volumes: [{ name: 'm', emptyDir: { medium: 'Memory' } }] },
        { volumeMounts: [{ name: 'm', mountPath: '/m' }], args: ['exit', '0'] },
      ),
    );
    const before = mounts();
    for (const call of CALLS) {
      const args = [
        '-f',
        '-qq',
        '-o',
        '/dev/null',
        '-e',
        `trace=${call}`,
        '-e',
        `inject=${call}:error=ENOMEM:when=1`,
        process.execPath,
        PODSPACE,
        'run',
        '-',
      ];
      const { stderr, status } = spawnSync('strace', args, { input: pod, encoding: 'utf8', timeout: 30_000 });
      // Node clones its own threads before any pod is made.
      if (call !== 'clone3' && call !== 'execve') {
        t.not(status, 0, call);
        // The first ones of these two are the runtime's own, for its procfs.
        const where = ['fsopen', 'fsmount'].includes(call) ? 'pod sandbox: ' : 'instruction \\d+: ';
        t.match(stderr, new RegExp(`${where}${call}\\b.*ENOMEM`), call);
      }
      t.same(leftovers(), [], call);
    }
    t.equal(mounts(), before);
    t.equal(podspace(['gc']).stdout, 'nothing to remove\n');
    t.end();
  },
);
