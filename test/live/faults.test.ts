import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ERRNO } from '../../src/linux/constants.generated.ts';
import { executeInShim, ProgramError, reap } from '../../src/native/execute.ts';
import { makePipe } from '../../src/native/pipe.ts';
import type { Instruction, VerifiedProgram } from '../../src/program/program.ts';
import { leftovers, needsRoot, PODSPACE, podspace, probePod } from './harness.ts';
import { withStages } from './with-stages.ts';

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

for (const [title, spec, container] of [
  ['a container', volume, mountsOf],
  ['a container with a filter', {}, { securityContext: { runAsUser: 405, ...filter } }],
  [
    'a container with a filter and no_new_privs',
    {},
    { securityContext: { runAsUser: 405, allowPrivilegeEscalation: false, ...filter } },
  ],
  [
    'a container with a filter that joins a shared PID namespace',
    { shareProcessNamespace: true },
    { securityContext: filter },
  ],
  ['a container that joins a shared PID namespace', { shareProcessNamespace: true }, {}],
  ['a container in the machine’s PID namespace', { hostPID: true }, {}],
  ['a container in a user namespace', { ...volume, hostUsers: false }, mountsOf],
] as const) {
  t.test(`EIO from every instruction of ${title}`, { skip: needsRoot }, async t => {
    await withStages(spec, container, async ({ compiled }) => {
      const output = makePipe();
      const parameters = { stdout: output.write, stderr: output.write };
      const good = await executeInShim(compiled, { parameters });
      reap(good);
      const before = { mounts: mounts(), fds: openFds(), children: children() };
      const bad: unknown[] = [];
      for (const pc of compiled.program.instructions.keys()) {
        try {
          await executeInShim({ ...compiled, program: withFault(compiled.program, pc) }, { parameters });
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
  'seccomp',
  'bpf',
];

t.test(
  'the whole command under strace’s fault injection',
  { skip: needsRoot || (hasStrace ? false : 'needs strace') },
  t => {
    const spec = { volumes: [{ name: 'm', emptyDir: { medium: 'Memory' } }] };
    const container = { volumeMounts: [{ name: 'm', mountPath: '/m' }], args: ['exit', '0'] };
    const plain = JSON.stringify(probePod(spec, container));
    const hardened = JSON.stringify(
      probePod(
        {
          ...spec,
          hostUsers: false,
          shareProcessNamespace: true,
          securityContext: { seccompProfile: { type: 'RuntimeDefault' }, runAsUser: 405 },
        },
        { ...container, resources: { limits: { memory: '64Mi', cpu: '1' } } },
      ),
    );
    const before = mounts();
    // Of the plain pod's one half today, the other another day.
    const half = Math.floor(Math.random() * 2);
    const runs = [
      ...CALLS.filter((_, i) => i % 2 === half).map(call => ({ pod: plain, call })),
      ...CALLS.map(call => ({ pod: hardened, call })),
    ];
    for (const { pod, call } of runs.filter(one => one.call !== 'seccomp' || one.pod === hardened)) {
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

/**
 * What Node itself calls to make a pod and to unmake it; every so many of these calls are made to fail, one in each run. With
 * which one it begins is another one each time, so that all have their turn.
 */
const HOST_CALLS = {
  mkdir: 4,
  symlink: 2,
  chown: 1,
  rename: 2,
  fchmod: 2,
  mknod: 1,
  pidfd_open: 1,
  memfd_create: 1,
  pipe2: 2,
  openat: 12,
  chmod: 4,
  unlink: 12,
  rmdir: 12,
} as const;

/** Runs the pod with calls of podspace's own process traced, or failing; its children's calls are the programs'. */
function withHostFault(
  pod: string,
  calls: readonly string[],
  inject: readonly string[] = [],
): ReturnType<typeof spawnSync> & { readonly log: string } {
  const log = join(tmpdir(), `podspace-strace-${process.pid}`);
  const args = [
    '-qq',
    '-o',
    log,
    '-e',
    `trace=${calls.join()}`,
    ...inject,
    process.execPath,
    PODSPACE,
    'run',
    '-',
  ];
  const ran = spawnSync('strace', args, { input: pod, encoding: 'utf8', timeout: 30_000 });
  const text = readFileSync(log, 'utf8');
  rmSync(log);
  return { ...ran, log: text };
}

/** Of each call the first and the last that are about the pod, and not Node's own of its start. */
function rangesOf(pod: string): (call: string) => readonly [first: number, last: number] {
  const lines = withHostFault(pod, Object.keys(HOST_CALLS)).log.split('\n');
  const begin = lines.findIndex(line => line.startsWith('openat(') && line.includes('/podspace/names/'));
  const count = (call: string, some: readonly string[]): number =>
    some.filter(line => line.startsWith(`${call}(`)).length;
  // The lock of its name is the first; the directories that it is in are made just before.
  return call => [call === 'mkdir' ? 1 : count(call, lines.slice(0, begin)) + 1, count(call, lines)];
}

t.test(
  'each step on the host fails in turn, and what was made is undone',
  { skip: needsRoot || (hasStrace ? false : 'needs strace') },
  t => {
    const pod = JSON.stringify(
      probePod(
        {
          hostUsers: false,
          shareProcessNamespace: true,
          volumes: [
            { name: 'v', emptyDir: {} },
            { name: 'm', emptyDir: { medium: 'Memory' } },
          ],
        },
        {
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
          args: ['exit', '0'],
          resources: { limits: { memory: '64Mi', cpu: '1' } },
        },
      ),
    );
    const before = mounts();
    const rangeOf = rangesOf(pod);
    for (const [call, step] of Object.entries(HOST_CALLS)) {
      const [first, last] = rangeOf(call);
      const begin = Math.max(first, 1) + Math.floor(Math.random() * Math.min(step, last - first + 1));
      for (let when = begin; when <= last; when += step) {
        const title = `${call} ${when}`;
        const { stderr, status } = withHostFault(
          pod,
          [call],
          ['-e', `inject=${call}:error=ENOSPC:when=${when}`],
        );
        const said = String(stderr);
        t.not(status, null, title);
        if (status !== 0) t.match(said, /^error: .*(ENOSPC|no space left).*/im, title);
        t.notMatch(said, /^ +at /m, title);
        // What could not be undone is said, and found by gc.
        if (said.includes('error: cleaning up ')) t.equal(podspace(['gc']).status, 0, title);
        t.same(leftovers(), [], title);
      }
    }
    t.equal(mounts(), before);
    t.end();
  },
);
