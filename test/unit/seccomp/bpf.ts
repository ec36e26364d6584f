/** A classic BPF machine as seccomp(2) has it, to ask a compiled filter what it would answer. */

export interface Call {
  /** AUDIT_ARCH_* */
  readonly arch: number;
  readonly nr: number;
  readonly args?: readonly (number | bigint)[];
}

/** struct seccomp_data */
function seccompData({ arch, nr, args = [] }: Call): DataView {
  const view = new DataView(new ArrayBuffer(64));
  view.setUint32(0, nr >>> 0, true);
  view.setUint32(4, arch >>> 0, true);
  args.forEach((value, i) => {
    view.setBigUint64(16 + i * 8, BigInt.asUintN(64, BigInt(value)), true);
  });
  return view;
}

const JUMPS: Readonly<Record<number, (a: number, k: number) => boolean>> = {
  21: (a, k) => a === k,
  37: (a, k) => a > k,
  53: (a, k) => a >= k,
  69: (a, k) => (a & k) !== 0,
};

/** What the filter returns for a call: SECCOMP_RET_*. Throws where the kernel would not have taken the program. */
export function decide(bpf: Uint8Array, call: Call): number {
  const program = new DataView(bpf.buffer, bpf.byteOffset, bpf.byteLength);
  const data = seccompData(call);
  let a = 0;
  for (let pc = 0; ; pc++) {
    if ((pc + 1) * 8 > bpf.length) throw new Error(`the filter ends without an answer at ${pc}`);
    const code = program.getUint16(pc * 8, true);
    const [yes, no] = [program.getUint8(pc * 8 + 2), program.getUint8(pc * 8 + 3)];
    const k = program.getUint32(pc * 8 + 4, true);
    const jump = JUMPS[code];
    if (code === 0x06) return k;
    if (code === 0x20 && k % 4 === 0 && k < 64) a = data.getUint32(k, true);
    else if (code === 0x54) a = (a & k) >>> 0;
    else if (code === 0x05) pc += k;
    else if (jump !== undefined) pc += jump(a, k) ? yes : no;
    else throw new Error(`instruction ${pc}: code ${code}, k ${k}`);
  }
}

/** `allow`, an errno's number, or the action's bits in hexadecimal. */
export function answer(bpf: Uint8Array, call: Call): 'allow' | number | string {
  const value = decide(bpf, call);
  if (value === 0x7fff0000) return 'allow';
  return value >>> 16 === 5 ? value & 0xffff : (value >>> 0).toString(16);
}
