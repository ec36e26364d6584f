import t from 'tap';
import { syscallNumber } from '../../../src/linux/arch.ts';
import { AUDIT_ARCH, SECCOMP } from '../../../src/linux/constants.generated.ts';
import { auditFilter, HAND_OVER } from '../../../src/oci/audit/audit-filter.ts';
import { decide } from '../seccomp/bpf.ts';

const ARCHES = [
  ['x64', AUDIT_ARCH.AUDIT_ARCH_X86_64],
  ['arm64', AUDIT_ARCH.AUDIT_ARCH_AARCH64],
] as const;

for (const [arch, auditArch] of ARCHES) {
  t.test(`${arch}: all is asked about but the hand-over`, t => {
    const filter = auditFilter(arch);
    const sendmsg = syscallNumber(arch, 'sendmsg');
    const { SECCOMP_RET_ALLOW: allow, SECCOMP_RET_USER_NOTIF: ask } = SECCOMP;
    const rows: readonly (readonly [string, Parameters<typeof decide>[1], number])[] = [
      ['the hand-over', { arch: auditArch, nr: sendmsg, args: [3, 0, 0, 0, 0, HAND_OVER] }, allow],
      ['another sendmsg', { arch: auditArch, nr: sendmsg, args: [3, 0, 0, 0, 0, 0] }, ask],
      ['half of the word', { arch: auditArch, nr: sendmsg, args: [3, 0, 0, 0, 0, HAND_OVER % 2 ** 32] }, ask],
      [
        'another call with the word',
        { arch: auditArch, nr: sendmsg + 1, args: [0, 0, 0, 0, 0, HAND_OVER] },
        ask,
      ],
      [
        'i386 with the word',
        { arch: AUDIT_ARCH.AUDIT_ARCH_I386, nr: sendmsg, args: [0, 0, 0, 0, 0, HAND_OVER] },
        ask,
      ],
      ['a call that does not exist', { arch: auditArch, nr: 100_000 }, ask],
      ['no call', { arch: auditArch, nr: -1 }, ask],
    ];
    for (const [what, call, answer] of rows) t.equal(decide(filter, call), answer, what);
    t.end();
  });
}
