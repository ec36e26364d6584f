import t from 'tap';
import type { Arch } from '../../../src/linux/arch.ts';
import { CAPABILITIES, type CapabilityName, DEFAULT_CAPABILITIES } from '../../../src/linux/capabilities.ts';
import { AUDIT_ARCH, ERRNO } from '../../../src/linux/constants.generated.ts';
import { compileSeccomp } from '../../../src/native/libseccomp.ts';
import { defaultProfile } from '../../../src/oci/seccomp/default-profile.ts';
import { resolveProfile } from '../../../src/oci/seccomp/profile.ts';
import { answer } from './bpf.ts';
import { type Calls, callsOf } from './kernel-calls.ts';
import { needsLibseccomp } from './needs-libseccomp.ts';

/**
 * RuntimeDefault, asked call by call. What is expected is written the other way round than the profile itself: not what is
 * allowed, but what Docker's and containerd's documentation say is not, and the capability that lets it through. Every
 * call of the kernel's headers that is not in these lists must be allowed.
 */
const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** Nobody may. */
const NEVER = words(`
  add_key keyctl request_key
  io_uring_enter io_uring_register io_uring_setup
  kexec_file_load kexec_load
  migrate_pages move_pages
  nfsservctl pivot_root swapoff swapon sysfs userfaultfd ustat uselib
  _sysctl create_module get_kernel_syms query_module
  afs_syscall getpmsg putpmsg security tuxcall vserver
`);

/** The 32-bit table has what was replaced before x86-64 was there. */
const NEVER_ON_I386 = words(`
  break ftime gtty stty prof lock mpx ulimit idle profil bdflush sgetmask ssetmask signal sigaction sigpending sigsuspend
  oldfstat oldlstat oldolduname oldstat olduname readdir nice vm86 vm86old
`);

const FREED_BY: Readonly<Partial<Record<CapabilityName, readonly string[]>>> = {
  CAP_SYS_ADMIN: words(`
    bpf clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount open_tree
    perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare
  `),
  CAP_BPF: ['bpf'],
  CAP_DAC_READ_SEARCH: ['open_by_handle_at'],
  CAP_PERFMON: ['perf_event_open'],
  CAP_SYS_BOOT: ['reboot'],
  CAP_SYS_CHROOT: ['chroot'],
  CAP_SYS_MODULE: words('delete_module finit_module init_module'),
  CAP_SYS_NICE: words('get_mempolicy mbind set_mempolicy'),
  CAP_SYS_PACCT: ['acct'],
  CAP_SYS_PTRACE: words('kcmp pidfd_getfd process_madvise'),
  CAP_SYS_RAWIO: words('ioperm iopl'),
  CAP_SYS_TIME: words('clock_settime clock_settime64 settimeofday stime'),
  CAP_SYS_TTY_CONFIG: ['vhangup'],
  CAP_SYSLOG: ['syslog'],
};

/** Asked with arguments, below. */
const BY_ARGUMENT = new Set(['clone', 'personality', 'socket']);

/** futex_waitv, Linux 5.16: what came later, libseccomp 2.5 does not know. */
const LAST = 449;
/** x32's own numbers, of what x86-64 has too. */
const X32_OWN = 0x40000200;
const isNewer = (nr: number): boolean => nr % 0x40000000 > LAST && nr < X32_OWN;

const ABIS = {
  x64: { arch: 'x64', audit: AUDIT_ARCH.AUDIT_ARCH_X86_64 },
  i386: { arch: 'x64', audit: AUDIT_ARCH.AUDIT_ARCH_I386 },
  x32: { arch: 'x64', audit: AUDIT_ARCH.AUDIT_ARCH_X86_64 },
  arm64: { arch: 'arm64', audit: AUDIT_ARCH.AUDIT_ARCH_AARCH64 },
} as const satisfies Readonly<Record<string, { arch: Arch; audit: number }>>;
type Abi = keyof typeof ABIS;

const filters = new Map<string, Uint8Array>();

function filterOf(arch: Arch, capabilities: readonly CapabilityName[], kernelRelease = '6.1.0'): Uint8Array {
  const key = [arch, kernelRelease, ...capabilities].join(' ');
  let bpf = filters.get(key);
  if (bpf === undefined) {
    bpf = compileSeccomp(resolveProfile(defaultProfile(), { capabilities, arch, kernelRelease }), arch);
    filters.set(key, bpf);
  }
  return bpf;
}

function expected(name: string, abi: Abi, capabilities: readonly CapabilityName[]): 'allow' | number {
  if (NEVER.includes(name) || (abi === 'i386' && NEVER_ON_I386.includes(name))) return ERRNO.EPERM;
  const frees = CAPABILITIES.filter(capability => FREED_BY[capability]?.includes(name));
  if (frees.length === 0 || frees.some(capability => capabilities.includes(capability))) return 'allow';
  return name === 'clone3' ? ERRNO.ENOSYS : ERRNO.EPERM;
}

const SETS: Readonly<Record<string, readonly CapabilityName[]>> = {
  'no capability': [],
  'the default capabilities': DEFAULT_CAPABILITIES,
  'every capability': CAPABILITIES,
  ...Object.fromEntries(Object.keys(FREED_BY).map(name => [name, [name as CapabilityName]])),
};

/** With arm64's headers missing there is nothing to ask about it. */
const skipOf = (calls: Calls): string | false =>
  needsLibseccomp ||
  (calls.size === 0 ? 'the kernel’s headers of this architecture are not installed' : false);

for (const abi of Object.keys(ABIS) as Abi[]) {
  const calls = callsOf(abi);
  const { arch, audit } = ABIS[abi];
  for (const [title, capabilities] of Object.entries(SETS)) {
    t.test(`every call of ${abi} with ${title}`, { skip: skipOf(calls) }, t => {
      const bpf = filterOf(arch, capabilities);
      const wrong: unknown[] = [];
      let asked = 0;
      for (const [name, nr] of calls) {
        if (BY_ARGUMENT.has(name) || isNewer(nr)) continue;
        asked++;
        const got = answer(bpf, { arch: audit, nr });
        if (got !== expected(name, abi, capabilities))
          wrong.push([name, nr, got, expected(name, abi, capabilities)]);
      }
      t.strictSame(wrong, []);
      t.ok(asked > 250, `${asked} calls`);
      t.end();
    });
  }
  t.test(`what is newer than the profile is not there for ${abi}`, { skip: skipOf(calls) }, t => {
    const base = abi === 'x32' ? 0x40000000 : 0;
    for (const nr of [600, 1000, 4095, 0xfffff])
      t.equal(answer(filterOf(arch, []), { arch: audit, nr: base + nr }), ERRNO.ENOSYS, String(nr));
    t.end();
  });
}

const HIGH = 1n << 32n;
const NEW_NAMESPACES = [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000];

/** Families that Docker blocks on purpose, and those that the kernel has removed. */
const NO_SOCKETS = [12, 19, 20, 23, 25, 34, 37, 38, 40];

/** First arguments, and whether a container without SYS_ADMIN may; where they differ, with it. */
const ARGUMENTS: Readonly<
  Record<
    string,
    readonly (readonly [values: readonly (number | bigint)[], without: boolean, with_: boolean])[]
  >
> = {
  socket: [
    [Array.from({ length: 45 }, (_, i) => i + 1).filter(family => !NO_SOCKETS.includes(family)), true, true],
    [NO_SOCKETS, false, false],
    // The kernel looks at 32 bits of the family.
    [[46, 255, 0xffffffff, HIGH + 38n, HIGH + 40n, (HIGH << 31n) + 38n], false, false],
  ],
  personality: [
    [[0, 8, 0x20000, 0x20008, 0xffffffff], true, true],
    // ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC, MMAP_PAGE_ZERO; and what only looks like one that is allowed.
    [[0x40000, 0x400000, 0x100000, 0x40008, 1, 9, HIGH, HIGH + 8n], false, false],
  ],
  clone: [
    // SIGCHLD, a thread, vfork
    [[0, 17, 0x3d0f00, 0x4111], true, true],
    [NEW_NAMESPACES, false, true],
    [NEW_NAMESPACES.map(flag => flag | 17), false, true],
    [[0x7e020000, HIGH + 0x10000000n], false, true],
  ],
};

for (const abi of Object.keys(ABIS) as Abi[]) {
  const calls = callsOf(abi);
  const { arch, audit } = ABIS[abi];
  t.test(`arguments of socket, personality and clone on ${abi}`, { skip: skipOf(calls) }, t => {
    for (const [name, rows] of Object.entries(ARGUMENTS)) {
      const nr = calls.get(name);
      if (nr === undefined) throw new Error(`no ${name}`);
      for (const [values, ...mayIt] of rows)
        for (const [i, capabilities] of [DEFAULT_CAPABILITIES, [...CAPABILITIES]].entries())
          for (const value of values) {
            // A 32-bit caller has no more bits; x32 has, and its filter passes over them as the kernel does.
            if (value >= HIGH && (abi === 'i386' || (abi === 'x32' && name !== 'socket'))) continue;
            const got = answer(filterOf(arch, capabilities), { arch: audit, nr, args: [value] });
            t.equal(got, mayIt[i] === true ? 'allow' : ERRNO.EPERM, `${name}(${value}) ${i}`);
          }
    }
    t.end();
  });
}

t.test('ptrace is for kernels that judge a call after its tracer', { skip: needsLibseccomp }, t => {
  for (const [release, capabilities, expected] of [
    ['4.7.10', [], ERRNO.EPERM],
    ['4.7.10', ['CAP_SYS_PTRACE'], 'allow'],
    ['4.8.0-rc1', [], 'allow'],
    ['5.4', [], 'allow'],
    ['10.0.1', [], 'allow'],
  ] as const)
    for (const nr of [101, 310, 311])
      t.equal(
        answer(filterOf('x64', capabilities, release), { arch: ABIS.x64.audit, nr }),
        expected,
        `${release} ${capabilities} ${nr}`,
      );
  t.end();
});

t.test('an architecture that the profile does not name is killed', { skip: needsLibseccomp }, t => {
  const { AUDIT_ARCH_AARCH64, AUDIT_ARCH_X86_64, AUDIT_ARCH_RISCV64 } = AUDIT_ARCH;
  for (const [arch, audit] of [
    ['x64', AUDIT_ARCH_AARCH64],
    ['arm64', AUDIT_ARCH_X86_64],
    ['x64', AUDIT_ARCH_RISCV64],
  ] as const)
    for (const nr of [0, 39, 1000]) t.equal(answer(filterOf(arch, []), { arch: audit, nr }), '0', arch);
  t.end();
});

t.test('32-bit programs on arm64, with the calls that are arm’s own', { skip: needsLibseccomp }, t => {
  const bpf = filterOf('arm64', []);
  const arch = AUDIT_ARCH.AUDIT_ARCH_ARM;
  for (const nr of [1, 20, 403, 0xf0001, 0xf0002, 0xf0005])
    t.equal(answer(bpf, { arch, nr }), 'allow', String(nr));
  for (const nr of [21, 88, 218, 347]) t.equal(answer(bpf, { arch, nr }), ERRNO.EPERM, String(nr));
  for (const nr of [435, 1000]) t.equal(answer(bpf, { arch, nr }), ERRNO.ENOSYS, String(nr));
  t.end();
});
