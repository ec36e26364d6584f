import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { libraryFile } from '../../src/native/libseccomp.ts';
import type { OciConfig } from '../../src/oci/config.ts';
import { callsOf } from '../unit/seccomp/kernel-calls.ts';
import { needsLibseccomp } from '../unit/seccomp/needs-libseccomp.ts';
import { leftovers, needsRoot, PODSPACE, podspace, probePod, type Result } from './harness.ts';
import { inView, makeBundle, withoutFlags } from './oracle.ts';
import { BOTH, RUNTIMES, type Runtime } from './oracle-expected.ts';

/** Real system calls under podspace, crun and runc, by the same OCI config: each must have the same errno. */
const calls = callsOf(process.arch as 'x64' | 'arm64');

/** Calls that fail in every container, or do nothing: which errno tells who has answered. */
const CALLS: readonly (readonly [name: string, ...args: readonly (string | number)[]])[] = [
  ...['getpid', 'getuid', 'sched_yield', 'umask'].map(name => [name] as const),
  ...['bpf', 'keyctl', 'add_key', 'request_key', 'userfaultfd', 'perf_event_open'].map(
    name => [name, -1] as const,
  ),
  ...['io_uring_setup', 'io_uring_enter', 'io_uring_register'].map(name => [name, -1] as const),
  ...['init_module', 'finit_module', 'delete_module', 'reboot', 'swapon', 'acct', 'quotactl'].map(
    name => [name] as const,
  ),
  ...['pivot_root', 'mount', 'umount2', 'setns', 'fsopen', 'move_mount', 'open_tree'].map(
    name => [name] as const,
  ),
  ...['mount_setattr', 'unshare', 'chroot', 'kcmp', 'pidfd_getfd', 'process_madvise'].map(
    name => [name] as const,
  ),
  ...['open_by_handle_at', 'name_to_handle_at', 'ptrace', 'process_vm_readv', 'syslog'].map(
    name => [name, -1] as const,
  ),
  ...['clone3', 'landlock_create_ruleset', 'memfd_create', 'vhangup', 'clock_settime'].map(
    name => [name] as const,
  ),
  ...['set_mempolicy', 'get_mempolicy', 'mbind', 'migrate_pages', 'move_pages'].map(
    name => [name, -1] as const,
  ),
  ...[1, 2, 10, 16, 17, 38, 40, 44].map(family => ['socket', family, 1] as const),
  ['socket', '0x100000026', 5],
  ...['0xffffffff', 0x40000, 0x20008].map(persona => ['personality', persona] as const),
  // With CLONE_SIGHAND, which is EINVAL without CLONE_VM: nothing is cloned where it is allowed.
  ...[0, 0x10000000, 0x20000, 0x40000000].map(flag => ['clone', flag | 0x800] as const),
  ['mkdirat', -1],
];

/** Through the 32-bit entry: getpid, reboot, io_uring_setup, unshare, bpf, and nothing. */
const CALLS32 = process.arch === 'x64' ? ['i20', 'i88', 'i425', 'i310', 'i357', 'i1000'] : [];
/** Newer than any profile. crun 1.8 has no ENOSYS for these: they are asked for apart. */
const NEWER = ['1000', '0xfffff'];

const PODS: Readonly<Record<string, readonly [spec: object, securityContext: object]>> = {
  'no profile': [{}, {}],
  RuntimeDefault: [{}, { seccompProfile: { type: 'RuntimeDefault' } }],
  'RuntimeDefault of a strict user': [
    {},
    {
      seccompProfile: { type: 'RuntimeDefault' },
      runAsUser: 405,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
    },
  ],
  'RuntimeDefault with capabilities': [
    {},
    {
      seccompProfile: { type: 'RuntimeDefault' },
      capabilities: { add: ['SYS_ADMIN', 'SYS_PTRACE', 'SYS_TIME', 'SYS_NICE', 'DAC_READ_SEARCH'] },
    },
  ],
  'a deny-list': [{}, { seccompProfile: { type: 'Localhost', localhostProfile: 'deny.json' } }],
};

/** `bpf -1` → `321,-1` */
function numbered(call: string): string {
  const [name = '', ...args] = call.split(' ');
  const nr = calls.get(name);
  if (nr === undefined) throw new Error(`no ${name}`);
  return [nr, ...args].join(',');
}

const missing = (runtime: Runtime): string | false =>
  spawnSync(runtime, ['--version']).status === 0 ? false : `${runtime} is not installed`;

for (const [title, [spec, securityContext]] of Object.entries(PODS)) {
  t.test(`the same answers: ${title}`, { skip: needsRoot }, t => {
    const directory = mkdtempSync(join(tmpdir(), 'podspace-seccomp-oracle-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    const profileRoot = ['--seccomp-profile-root', 'test/profiles'];
    // The deny-list kills for chroot, and any filter without other architectures for the 32-bit entry.
    const isDenyList = title === 'a deny-list';
    const asked = CALLS.map(call => call.join(' ')).filter(name => !(isDenyList && name === 'chroot'));
    const calls32 = isDenyList ? [] : CALLS32;
    const args = ['calls', ...asked.map(numbered), ...calls32, ...NEWER];
    const pod = probePod(spec, { args, securityContext });
    const manifest = join(directory, 'pod.json');
    writeFileSync(manifest, JSON.stringify(pod));
    const ran = inView([process.execPath, PODSPACE, 'run', ...profileRoot, '-o', 'json', manifest]);
    const mine = JSON.parse((JSON.parse(ran) as Result).containers[0]?.stdout ?? '') as number[];
    const names = [...asked, ...calls32, ...NEWER];
    const named = (errnos: readonly number[]): object =>
      Object.fromEntries(names.map((name, i) => [name, errnos[i]] as const));
    const isFiltered = title.startsWith('RuntimeDefault');
    t.match(
      named(mine),
      isFiltered ? { 'io_uring_setup -1': 1, 'socket 38 1': 1, '1000': 38 } : { '1000': 38 },
    );
    const config = JSON.parse(
      podspace(['compile', ...profileRoot, manifest, '--emit=oci']).stdout,
    ) as OciConfig;
    for (const runtime of BOTH) {
      t.test(`under ${runtime}`, { skip: missing(runtime) }, t => {
        const bundle = join(directory, runtime);
        mkdirSync(bundle);
        makeBundle(bundle, 'localhost/probe', withoutFlags(config), pod.metadata.name, false);
        const command = [...RUNTIMES[runtime], 'run', '-b', bundle, `podspace-seccomp-${process.pid}`];
        const theirs = JSON.parse(inView(command)) as number[];
        const compared = runtime === 'crun' && isFiltered ? names.length - NEWER.length - 1 : names.length;
        t.strictSame(named(mine.slice(0, compared)), named(theirs.slice(0, compared)));
        t.end();
      });
    }
    t.strictSame(leftovers(), []);
    t.end();
  });
}

/** Runs podspace where libseccomp is no library, and nothing of it is in the cache. */
function withoutLibseccomp(
  args: readonly string[],
  pod?: object,
): { readonly stdout: string; readonly stderr: string } {
  const script = `mount -t tmpfs none /var/lib/podspace/cache && mount --bind /dev/null "$0" && exec "$@"`;
  const command = ['-m', 'sh', '-c', script, libraryFile(), process.execPath, PODSPACE, ...args];
  const { stdout, stderr } = spawnSync('unshare', command, { input: JSON.stringify(pod), encoding: 'utf8' });
  return { stdout, stderr };
}

t.test(
  'without libseccomp no pod runs unfiltered that asks for a filter',
  { skip: needsRoot || needsLibseccomp },
  t => {
    podspace(
      ['run', '-'],
      JSON.stringify(probePod({}, { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } })),
    );
    t.ok(
      readdirSync('/var/lib/podspace/cache/seccomp').length > 0,
      'otherwise there would be nothing to hide',
    );
    const asks = { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } };
    const run = (spec: object, ...args: string[]): Result =>
      JSON.parse(withoutLibseccomp(['run', '-o', 'json', '-', ...args], probePod(spec)).stdout) as Result;
    const message = /^cannot make the seccomp filter: libseccomp.so.2 cannot be loaded/;
    t.match(run(asks), { phase: 'Pending', containers: [{ reason: 'CreateContainerError', message }] });
    t.match(run({}, '--seccomp-default'), { containers: [{ reason: 'CreateContainerError', message }] });
    t.match(run({ shareProcessNamespace: true }), {
      phase: 'Pending',
      reason: 'FailedCreatePodSandBox',
      message: /^Failed to create pod sandbox: cannot make the seccomp filter: libseccomp/,
    });
    t.match(run({}), { phase: 'Succeeded' }, 'who does not ask does not need it');
    t.match(withoutLibseccomp(['doctor']).stdout, /^libseccomp +limited +/m);
    t.match(podspace(['doctor']).stdout, /^libseccomp +ok +\d+\.\d+\.\d+/m);
    const explained = withoutLibseccomp(['explain', '-'], probePod(asks)).stdout;
    t.match(
      explained,
      /seccomp +pod +RuntimeDefault: \d+ system calls/,
      'what is only printed does not either',
    );
    t.strictSame(leftovers(), []);
    t.end();
  },
);

t.test(
  'a cache file that was replaced by garbage is made anew',
  { skip: needsRoot || needsLibseccomp },
  t => {
    const directory = '/var/lib/podspace/cache/seccomp';
    const pod = probePod({ securityContext: { seccompProfile: { type: 'RuntimeDefault' } } });
    podspace(['run', '-'], JSON.stringify(pod));
    const before = readdirSync(directory).map(name => [name, readFileSync(join(directory, name))] as const);
    for (const [name] of before) writeFileSync(join(directory, name), Buffer.alloc(4096, 0x06));
    const { stdout } = podspace(['run', '-'], JSON.stringify(pod));
    t.equal(JSON.parse(stdout).seccomp, '2');
    const after = new Map(readdirSync(directory).map(name => [name, readFileSync(join(directory, name))]));
    t.ok(
      before.some(([name, bytes]) => after.get(name)?.equals(bytes)),
      'it is as it was',
    );
    t.end();
  },
);
