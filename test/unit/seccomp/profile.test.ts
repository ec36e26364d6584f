import { readFileSync } from 'node:fs';
import t from 'tap';
import type { Arch } from '../../../src/linux/arch.ts';
import type { CapabilityName } from '../../../src/linux/capabilities.ts';
import { formatSeccomp } from '../../../src/oci/config.ts';
import { decodeProfile } from '../../../src/oci/seccomp/decode-profile.ts';
import { defaultProfile } from '../../../src/oci/seccomp/default-profile.ts';
import { describeFilter, summarise } from '../../../src/oci/seccomp/describe.ts';
import { resolveProfile, type SeccompProfile } from '../../../src/oci/seccomp/profile.ts';

const target = (
  capabilities: readonly CapabilityName[] = [],
  arch: Arch = 'x64',
  kernelRelease = '6.1.0',
) => ({
  capabilities,
  arch,
  kernelRelease,
});
const namesOf = (...args: Parameters<typeof resolveProfile>): readonly string[] =>
  resolveProfile(...args).syscalls.flatMap(({ names }) => names);

const rule = (name: string, conditions: object = {}): object => ({
  names: [name],
  action: 'SCMP_ACT_ALLOW',
  ...conditions,
});
const profileOf = (...syscalls: readonly object[]): SeccompProfile =>
  decodeProfile(JSON.stringify({ defaultAction: 'SCMP_ACT_ERRNO', syscalls }));

const CONDITIONS: readonly (readonly [
  title: string,
  conditions: object,
  target: ReturnType<typeof target>,
  isThere: boolean,
])[] = [
  ['nothing said', {}, target(), true],
  ['null is nothing', { includes: null, excludes: null, args: null, errnoRet: null }, target(), true],
  ['empty lists, as in Docker’s first profiles', { includes: {}, excludes: [], args: [] }, target(), true],
  ['a capability that is there', { includes: { caps: ['CAP_BPF'] } }, target(['CAP_BPF']), true],
  ['a capability that is not', { includes: { caps: ['CAP_BPF'] } }, target(['CAP_CHOWN']), false],
  ['one of two', { includes: { caps: ['CAP_BPF', 'CAP_CHOWN'] } }, target(['CAP_CHOWN']), false],
  ['excluded by one of two', { excludes: { caps: ['CAP_BPF', 'CAP_CHOWN'] } }, target(['CAP_CHOWN']), false],
  ['excluded by neither', { excludes: { caps: ['CAP_BPF'] } }, target(['CAP_CHOWN']), true],
  ['an architecture of the list', { includes: { arches: ['arm64', 'amd64'] } }, target(), true],
  ['another architecture', { includes: { arches: ['arm64'] } }, target(), false],
  ['excluded architecture', { excludes: { arches: ['arm64'] } }, target([], 'arm64'), false],
  ['the kernel it needs', { includes: { minKernel: '6.1' } }, target(), true],
  ['an older kernel', { includes: { minKernel: '6.2' } }, target(), false],
  ['numbers, not text', { includes: { minKernel: '5.9' } }, target([], 'x64', '5.10.0-8-amd64'), true],
  ['a release with a word in it', { includes: { minKernel: '4.8' } }, target([], 'x64', '4.8-rc1'), true],
  ['excluded from a kernel on', { excludes: { minKernel: '6.1' } }, target(), false],
  [
    'both must do',
    { includes: { caps: ['CAP_BPF'] }, excludes: { minKernel: '6.1' } },
    target(['CAP_BPF']),
    false,
  ],
];

t.test('a rule is there if its conditions hold', t => {
  for (const [title, conditions, machine, isThere] of CONDITIONS)
    t.strictSame(namesOf(profileOf(rule('x', conditions)), machine), isThere ? ['x'] : [], title);
  const [first] = resolveProfile(
    profileOf(rule('x', { includes: { minKernel: '4.8' }, comment: 'c' })),
    target(),
  ).syscalls;
  t.strictSame(first, { names: ['x'], action: 'SCMP_ACT_ALLOW' }, 'only what the runtime-spec knows is left');
  t.end();
});

t.test('architectures: a list as it is, or the row of this machine', t => {
  const base = { defaultAction: 'SCMP_ACT_ALLOW' };
  const archMap = [
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] },
    { architecture: 'SCMP_ARCH_RISCV64', subArchitectures: null },
  ];
  const of = (more: object, arch: Arch): readonly string[] =>
    resolveProfile(decodeProfile(JSON.stringify({ ...base, ...more })), target([], arch)).architectures;
  t.strictSame(of({ archMap }, 'x64'), ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86']);
  t.strictSame(of({ archMap }, 'arm64'), ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM']);
  t.strictSame(of({ archMap: archMap.slice(0, 1) }, 'x64'), []);
  t.strictSame(of({ architectures: ['SCMP_ARCH_X86'] }, 'x64'), ['SCMP_ARCH_X86']);
  t.strictSame(of({}, 'x64'), []);
  t.end();
});

t.test('RuntimeDefault depends on capabilities, architecture and kernel', t => {
  const names = (...args: Parameters<typeof target>): readonly string[] =>
    namesOf(defaultProfile(), target(...args));
  const rows: readonly (readonly [name: string, args: Parameters<typeof target>, isThere: boolean])[] = [
    ['mount', [], false],
    ['mount', [['CAP_SYS_ADMIN']], true],
    ['chroot', [['CAP_SYS_CHROOT']], true],
    ['bpf', [['CAP_BPF']], true],
    ['bpf', [['CAP_SYS_ADMIN']], true],
    ['arch_prctl', [], true],
    ['arch_prctl', [[], 'arm64'], false],
    ['set_tls', [[], 'arm64'], true],
    ['ptrace', [[], 'x64', '4.7.0'], false],
    ['ptrace', [[], 'x64', '4.8.0'], true],
    ['io_uring_setup', [['CAP_SYS_ADMIN']], false],
  ];
  for (const [name, args, isThere] of rows)
    t.equal(names(...args).includes(name), isThere, `${name} ${args}`);
  for (const [capabilities, expected] of [
    [[], { action: 'SCMP_ACT_ERRNO', errnoRet: 38 }],
    [['CAP_SYS_ADMIN'], { action: 'SCMP_ACT_ALLOW', errnoRet: undefined }],
  ] as const) {
    const clone3 = resolveProfile(defaultProfile(), target(capabilities)).syscalls.filter(one =>
      one.names.includes('clone3'),
    );
    t.strictSame(
      clone3.map(({ action, errnoRet }) => ({ action, errnoRet })),
      [expected],
    );
  }
  t.end();
});

t.test(
  'numbers of 64 bits survive from the file to the config, and text that looks like one is left alone',
  t => {
    const [docker] = ['test/profiles/docker.json'].map(file => decodeProfile(readFileSync(file, 'utf8')));
    const values = docker?.syscalls.flatMap(({ args = [] }) => args.map(({ value }) => value));
    t.strictSame(values, [18446744073709551615n]);
    if (docker === undefined) throw new Error('no profile');
    const text = formatSeccomp(resolveProfile(docker, target()));
    t.match(text, /"value":18446744073709551615,/);
    t.match(
      decodeProfile(text).syscalls,
      docker.syscalls.slice(0, 1).map(({ names }) => ({ names })),
      'it is a profile again',
    );
    const odd = decodeProfile(
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["\\"value\\": 99999999999999999"],"action":"SCMP_ACT_LOG"}]}',
    );
    t.strictSame(odd.syscalls[0]?.names, ['"value": 99999999999999999']);
    t.end();
  },
);

const args = (more: object): object =>
  rule('x', { args: [{ index: 0, value: 1, op: 'SCMP_CMP_EQ', ...more }] });
const WRONG: readonly (readonly [profile: unknown, message: RegExp])[] = [
  [[], /^profile: expected an object$/],
  [null, /^profile: expected an object$/],
  [{}, /^defaultAction: string "" is not a valid action for seccomp$/],
  [{ defaultAction: 'SCMP_ACT_FLY' }, /string "SCMP_ACT_FLY" is not a valid action/],
  [{ defaultAction: 'toString' }, /string "toString" is not a valid action/],
  [{ defaultAction: 5 }, /^defaultAction: expected a string$/],
  [{ defaultAction: 'SCMP_ACT_NOTIFY' }, /needs a listener/],
  [{ defaultAction: 'SCMP_ACT_ALLOW', listenerPath: '/run/x' }, /^listenerPath: /],
  [
    { defaultAction: 'SCMP_ACT_ALLOW', architectures: ['x86'] },
    /architectures\[0\]: string "x86" is not a valid arch/,
  ],
  [
    {
      defaultAction: 'SCMP_ACT_ALLOW',
      architectures: ['SCMP_ARCH_X86'],
      archMap: [{ architecture: 'SCMP_ARCH_X86', subArchitectures: [] }],
    },
    /^both 'architectures' and 'archMap'/,
  ],
  [{ defaultAction: 'SCMP_ACT_ALLOW', flags: ['FAST'] }, /flags\[0\]: seccomp flag "FAST" is not known/],
  [{ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: -1 }, /^defaultErrnoRet: expected an unsigned/],
  [{ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 70000 }, /^defaultErrnoRet: 70000 is not an errno$/],
  [{ defaultAction: 'SCMP_ACT_ALLOW', syscalls: {} }, /^syscalls: expected a list$/],
  ...(
    [
      [{ action: 'SCMP_ACT_LOG', names: 'x' }, /names: expected a list$/],
      [{ action: 'SCMP_ACT_LOG', names: ['x'], name: 'y' }, /^both 'name' and 'names'/],
      [{ action: 'SCMP_ACT_LOG', names: [''] }, /empty string is not a valid syscall$/],
      [{ action: 'SCMP_ACT_LOG', names: ['a\0b'] }, /names\[0\]: expected a string$/],
      [{ names: ['x'] }, /action: string "" is not a valid action/],
      [rule('x', { errnoRet: 1.5 }), /errnoRet: expected an unsigned integer/],
      [args({ index: 6 }), /args\[0\]\.index: a system call has 6 arguments$/],
      [args({ value: '1' }), /value: expected an unsigned integer of 64 bits$/],
      [args({ value: -1 }), /value: expected an unsigned integer of 64 bits$/],
      [args({ op: 'SCMP_CMP_FOO' }), /op: string "SCMP_CMP_FOO" is not a valid operator for seccomp$/],
      [rule('x', { includes: { minKernel: '6' } }), /minKernel: invalid kernel version: "6"/],
      [rule('x', { includes: ['amd64'] }), /includes: expected an object$/],
      [rule('x', { excludes: { caps: 'CAP_BPF' } }), /excludes.caps: expected a list$/],
    ] as const
  ).map(([one, message]) => [{ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [one] }, message] as const),
];

t.test('what is no profile is named with its place', t => {
  for (const [profile, message] of WRONG)
    t.throws(() => decodeProfile(JSON.stringify(profile)), { message }, String(message));
  for (const text of ['', '{', '{"defaultAction": "SCMP_ACT_ALLOW"} x', '\u0000'])
    t.throws(() => decodeProfile(text), { message: /./ }, JSON.stringify(text));
  const big =
    '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"x","action":"SCMP_ACT_LOG","args":[{"index":0,"op":"SCMP_CMP_EQ","value":18446744073709551616}]}]}';
  t.throws(() => decodeProfile(big), { message: /unsigned integer of 64 bits/ });
  t.end();
});

t.test('a filter in words', t => {
  const words = (profile: object): string =>
    describeFilter(resolveProfile(decodeProfile(JSON.stringify(profile)), target()));
  const allow = {
    defaultAction: 'SCMP_ACT_KILL_PROCESS',
    syscalls: [rule('read'), rule('ptrace'), args({})],
  };
  t.match(
    words(allow),
    /^3 system calls are let through, any other kills the process; x by their arguments; kept back: .*mount/,
  );
  t.match(words(allow), /though dangerous: ptrace$/);
  const deny = {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [rule('mount', { action: 'SCMP_ACT_ERRNO' }), rule('read')],
  };
  t.match(
    words(deny),
    /^all system calls but 1 are let through; kept back: mount; let through, though dangerous: .*ptrace/,
  );
  t.match(
    words({ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 38 }),
    /any other fails with ENOSYS; kept back/,
  );
  const all = describeFilter(resolveProfile(defaultProfile(), target()));
  t.match(all, /^369 system calls .* fails with EPERM \(with ENOSYS where it is newer/);
  t.equal(summarise(resolveProfile(defaultProfile(), target())), '{default=SCMP_ACT_ERRNO(EPERM), rules=36}');
  t.end();
});
