import t from 'tap';
import { CLONE } from '../../../src/linux/constants.generated.ts';
import { letsThrough } from '../../../src/oci/audit/decide.ts';
import { mergeObservations } from '../../../src/oci/audit/merge.ts';
import type { Observation, ObservedCall } from '../../../src/oci/audit/observation.ts';
import { observedProfile } from '../../../src/oci/audit/observed-profile.ts';
import { decodeProfile } from '../../../src/oci/seccomp/decode-profile.ts';
import { defaultProfile } from '../../../src/oci/seccomp/default-profile.ts';
import { resolveProfile } from '../../../src/oci/seccomp/profile.ts';

const call = (name: string, ...firstArguments: number[]): ObservedCall => ({
  architecture: 'SCMP_ARCH_X86_64',
  name,
  count: 1,
  firstArguments,
});
const runtimeDefault = resolveProfile(defaultProfile(), {
  capabilities: [],
  arch: 'x64',
  kernelRelease: '6.1.0',
});

t.test('RuntimeDefault, asked by name and first argument', t => {
  const rows: readonly (readonly [ObservedCall, boolean])[] = [
    [call('read'), true],
    [call('mount'), false],
    [call('socket', 1, 2, 10), true],
    [call('socket', 2, 38), false],
    [call('personality', 0x20008), true],
    [call('personality', 0x40000), false],
    [call('clone', CLONE.CLONE_VM | CLONE.CLONE_VFORK), true],
    [call('clone', CLONE.CLONE_NEWUSER), false],
    // It answers ENOSYS, and libc takes clone.
    [call('clone3', CLONE.CLONE_VM), true],
    [call('nobody_knows'), false],
  ];
  for (const [each, is] of rows)
    t.equal(letsThrough(runtimeDefault, each), is, `${each.name} ${each.firstArguments}`);
  t.end();
});

t.test('every operator', t => {
  const filter = (op: string, value: number, valueTwo = 0): ReturnType<typeof decodeProfile> =>
    decodeProfile(
      JSON.stringify({
        defaultAction: 'SCMP_ACT_ERRNO',
        syscalls: [
          { names: ['socket'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, op, value, valueTwo }] },
        ],
      }),
    );
  const rows = [
    ['SCMP_CMP_NE', 5, 6, 5],
    ['SCMP_CMP_LT', 5, 4, 5],
    ['SCMP_CMP_LE', 5, 5, 6],
    ['SCMP_CMP_EQ', 5, 5, 6],
    ['SCMP_CMP_GE', 5, 5, 4],
    ['SCMP_CMP_GT', 5, 6, 5],
    ['SCMP_CMP_MASKED_EQ', 4, 3, 7],
  ] as const;
  for (const [op, value, yes, no] of rows) {
    const profile = resolveProfile(filter(op, value), {
      capabilities: [],
      arch: 'x64',
      kernelRelease: '6.1.0',
    });
    t.equal(letsThrough(profile, call('socket', yes)), true, `${op} ${yes}`);
    t.equal(letsThrough(profile, call('socket', no)), false, `${op} ${no}`);
  }
  t.end();
});

t.test('the profile allows what was seen, what runtimes need, and no more', t => {
  const seen = [
    call('read'),
    call('mkdirat'),
    call('socket', 1, 10),
    call('clone', CLONE.CLONE_VM),
    call('clone3', 0),
    call('#1000'),
  ];
  const profile = observedProfile(seen);
  for (const each of seen.filter(({ name }) => !name.startsWith('#')))
    t.ok(letsThrough(profile, each), each.name);
  for (const name of ['execve', 'exit_group', 'capset', 'clock_gettime', 'restart_syscall'])
    t.ok(letsThrough(profile, call(name)), name);
  for (const each of [
    call('socket', 2),
    call('clone', CLONE.CLONE_NEWNS),
    call('mount'),
    call('personality', 0),
    call('unshare'),
  ])
    t.notOk(letsThrough(profile, each), `${each.name} ${each.firstArguments}`);
  t.match(
    profile.syscalls.find(({ names }) => names.includes('clone3')),
    { action: 'SCMP_ACT_ERRNO', errnoRet: 38 },
  );
  t.notOk(JSON.stringify(profile).includes('#1000'));
  t.strictSame(
    resolveProfile(decodeProfile(JSON.stringify(profile)), {
      capabilities: [],
      arch: 'x64',
      kernelRelease: '6',
    }),
    profile,
    'it can be read again',
  );
  t.end();
});

t.test('new namespaces by clone3 need both calls', t => {
  const profile = observedProfile([call('clone3', CLONE.CLONE_NEWUSER)]);
  t.ok(letsThrough(profile, call('clone', CLONE.CLONE_NEWUSER)));
  t.ok(profile.syscalls.some(({ names, action }) => names.includes('clone3') && action === 'SCMP_ACT_ALLOW'));
  t.end();
});

t.test('a call of another architecture, whose arguments are not watched', t => {
  const i386 = { ...call('socket'), architecture: 'SCMP_ARCH_X86' } as const;
  const profile = observedProfile([i386]);
  t.strictSame(profile.architectures, ['SCMP_ARCH_X86']);
  t.ok(letsThrough(profile, call('socket', 38)));
  t.end();
});

t.test('several attempts count as one', t => {
  const one: Observation = {
    calls: [call('socket', 2), call('read')],
    capabilities: { used: [], refused: [{ name: 'CAP_CHOWN', calls: ['chown'] }], lost: 1 },
    written: [{ path: '/tmp', isNew: false, imageEntries: 0, names: ['b'] }],
    isWrittenCut: false,
  };
  const two: Observation = {
    calls: [call('socket', 1)],
    capabilities: { used: [{ name: 'CAP_CHOWN', calls: ['fchownat'] }], refused: [], lost: 2 },
    written: [{ path: '/tmp', isNew: false, imageEntries: 0, names: ['a'] }],
    isWrittenCut: true,
  };
  t.strictSame(mergeObservations([one, two]), {
    calls: [call('read'), { ...call('socket', 1, 2), count: 2 }],
    capabilities: { used: [{ name: 'CAP_CHOWN', calls: ['fchownat'] }], refused: [], lost: 3 },
    written: [{ path: '/tmp', isNew: false, imageEntries: 0, names: ['a', 'b'] }],
    isWrittenCut: true,
  });
  t.match(mergeObservations([one, { ...two, capabilities: { unwatched: 'why' } }]).capabilities, {
    unwatched: 'why',
  });
  t.end();
});
