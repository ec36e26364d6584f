import { ERRNO, SECCOMP } from '../../linux/constants.generated.ts';
import { assemble, BPF, type BpfInstruction, SECCOMP_DATA } from './classic-bpf.ts';

/** What a filter knows of one architecture: the highest number among the calls that it names. */
export interface KnownCalls {
  /** AUDIT_ARCH_*, as in seccomp_data. */
  readonly auditArch: number;
  readonly last: number;
  /** Numbers that are counted anew, from here on (x32 within x86-64); without `last` they are the filter's business. */
  readonly range?: { readonly from: number; readonly last?: number };
}

/**
 * Instructions to put before a filter: a call with a number above all that the filter names is newer than its author, and
 * fails with ENOSYS whatever the filter does by default, so that programs fall back to an older call (runc's patchbpf).
 */
export function enosysStub(known: readonly KnownCalls[]): Uint8Array {
  const sections = known.map(section);
  const total = sections.reduce((sum, { length }) => sum + length, 0);
  const stub: BpfInstruction[] = [[BPF.LD_W_ABS, 0, 0, SECCOMP_DATA.arch]];
  for (const one of sections) stub.push(...one);
  // Behind the sections: over the return, into the filter.
  stub.push([BPF.JMP_JA, 0, 0, 1]);
  stub.push([BPF.RET_K, 0, 0, SECCOMP.SECCOMP_RET_ERRNO | ERRNO.ENOSYS]);
  // Their ways out, which depend on what stands behind them.
  return assemble(
    stub.map((instruction, at) => {
      const toFilter = 1 + total + 2 - at - 1;
      const [code, jumpTrue, jumpFalse, k] = instruction;
      if (code === BPF.JMP_JA && k === TO_FILTER) return [code, jumpTrue, jumpFalse, toFilter];
      return [code, jumpTrue === TO_ENOSYS ? toFilter - 1 : jumpTrue, jumpFalse, k];
    }),
  );
}

const TO_FILTER = -1;
const TO_ENOSYS = -1;

function section({ auditArch, last, range }: KnownCalls): readonly BpfInstruction[] {
  const body: BpfInstruction[] = [
    [BPF.LD_W_ABS, 0, 0, SECCOMP_DATA.nr],
    ...(range === undefined ? [] : [[BPF.JMP_JGE_K, 1, 0, range.from] as const]),
    [BPF.JMP_JGT_K, TO_ENOSYS, range?.last === undefined ? 0 : 1, last],
    ...(range?.last === undefined ? [] : [[BPF.JMP_JGT_K, TO_ENOSYS, 0, range.last] as const]),
    [BPF.JMP_JA, 0, 0, TO_FILTER],
  ];
  return [[BPF.JMP_JEQ_K, 0, body.length, auditArch], ...body];
}
