/** Classic BPF, linux/bpf_common.h: what a seccomp filter is made of. */
export const BPF = {
  LD_W_ABS: 0x20,
  JMP_JA: 0x05,
  JMP_JEQ_K: 0x15,
  JMP_JGT_K: 0x25,
  JMP_JGE_K: 0x35,
  RET_K: 0x06,
} as const;

/** Offsets in struct seccomp_data. */
export const SECCOMP_DATA = { nr: 0, arch: 4, args: 16 } as const;

/** sizeof(struct sock_filter) */
export const INSTRUCTION_SIZE = 8;

export type BpfInstruction = readonly [code: number, jumpTrue: number, jumpFalse: number, k: number];

/** struct sock_filter[] */
export function assemble(instructions: readonly BpfInstruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * INSTRUCTION_SIZE);
  const view = new DataView(bytes.buffer);
  instructions.forEach(([code, jumpTrue, jumpFalse, k], i) => {
    view.setUint16(i * INSTRUCTION_SIZE, code, true);
    view.setUint8(i * INSTRUCTION_SIZE + 2, jumpTrue);
    view.setUint8(i * INSTRUCTION_SIZE + 3, jumpFalse);
    view.setUint32(i * INSTRUCTION_SIZE + 4, k >>> 0, true);
  });
  return bytes;
}
