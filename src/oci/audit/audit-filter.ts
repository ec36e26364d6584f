import { type Arch, syscallNumber } from '../../linux/arch.ts';
import { SECCOMP } from '../../linux/constants.generated.ts';
import { SECCOMP_ARCHITECTURES } from '../../linux/seccomp.ts';
import { assemble, BPF, SECCOMP_DATA } from '../seccomp/classic-bpf.ts';
import { NATIVE_ARCHITECTURES } from '../seccomp/profile.ts';

/**
 * The sixth operand of the one call that is not asked about: sending the listener to who answers. The kernel does not look
 * at it. (A program that uses it too hides its sendmsg from the report, and nothing else.)
 */
export const HAND_OVER = 0x706f64737061;

/** A filter that asks its listener about every system call, of every architecture, seccomp_unotify(2). */
export function auditFilter(arch: Arch): Uint8Array {
  const low = SECCOMP_DATA.args + 5 * 8;
  const native = SECCOMP_ARCHITECTURES[NATIVE_ARCHITECTURES[arch]];
  return assemble([
    [BPF.LD_W_ABS, 0, 0, low],
    [BPF.JMP_JEQ_K, 0, 7, HAND_OVER % 2 ** 32],
    [BPF.LD_W_ABS, 0, 0, low + 4],
    [BPF.JMP_JEQ_K, 0, 5, Math.floor(HAND_OVER / 2 ** 32)],
    [BPF.LD_W_ABS, 0, 0, SECCOMP_DATA.arch],
    [BPF.JMP_JEQ_K, 0, 3, native],
    [BPF.LD_W_ABS, 0, 0, SECCOMP_DATA.nr],
    [BPF.JMP_JEQ_K, 0, 1, syscallNumber(arch, 'sendmsg')],
    [BPF.RET_K, 0, 0, SECCOMP.SECCOMP_RET_ALLOW],
    [BPF.RET_K, 0, 0, SECCOMP.SECCOMP_RET_USER_NOTIF],
  ]);
}
