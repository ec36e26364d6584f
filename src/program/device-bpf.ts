import type { OciDeviceRule } from '../oci/config.ts';

/** linux/bpf_common.h and linux/bpf.h, "instruction classes", "jmp modes": what this filter is made of. */
const LDX_MEM_W = 0x61;
const ALU_AND_K = 0x54;
const ALU_RSH_K = 0x74;
const ALU_MOV_K = 0xb4;
const ALU_MOV_X = 0xbc;
const JNE_K = 0x56;
const EXIT = 0x95;

/** struct bpf_cgroup_dev_ctx: `access_type` is `(BPF_DEVCG_ACC_… << 16) | BPF_DEVCG_DEV_…`. */
const TYPES = { b: 1, c: 2 } as const;
const ACCESS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };

interface Instruction {
  readonly code: number;
  readonly destination?: number;
  readonly source?: number;
  readonly offset?: number;
  readonly immediate?: number;
}

/** Registers: the context, and what is read from it once. */
const [R0, CONTEXT, TYPE, WANTED, MAJOR, MINOR, REST] = [0, 1, 2, 3, 4, 5, 6];

/**
 * The rules of the OCI config as a BPF_PROG_TYPE_CGROUP_DEVICE program: the last rule that speaks of a device decides, as
 * in the v1 list; what no rule speaks of is denied. A rule that allows must allow all of the access that is wanted, one
 * that denies any of it.
 */
export function deviceProgram(rules: readonly OciDeviceRule[]): Uint8Array {
  const instructions: Instruction[] = [
    { code: LDX_MEM_W, destination: TYPE, source: CONTEXT, offset: 0 },
    { code: ALU_MOV_X, destination: WANTED, source: TYPE },
    { code: ALU_RSH_K, destination: WANTED, immediate: 16 },
    { code: ALU_AND_K, destination: TYPE, immediate: 0xffff },
    { code: LDX_MEM_W, destination: MAJOR, source: CONTEXT, offset: 4 },
    { code: LDX_MEM_W, destination: MINOR, source: CONTEXT, offset: 8 },
    ...latestFirst(rules).flatMap(rule => ruleInstructions(rule)),
  ];
  const bytes = new Uint8Array(instructions.length * 8);
  const view = new DataView(bytes.buffer);
  instructions.forEach(({ code, destination = 0, source = 0, offset = 0, immediate = 0 }, i) => {
    view.setUint8(i * 8, code);
    view.setUint8(i * 8 + 1, destination | (source << 4));
    view.setInt16(i * 8 + 2, offset, true);
    view.setInt32(i * 8 + 4, immediate, true);
  });
  return bytes;
}

/** Up to the one that speaks of every device: the verifier refuses instructions that are never reached. */
function latestFirst(rules: readonly OciDeviceRule[]): readonly OciDeviceRule[] {
  const reversed = [{ allow: false }, ...rules].reverse();
  const last = reversed.findIndex(rule => ruleInstructions(rule).length === 2);
  return reversed.slice(0, last + 1);
}

function ruleInstructions(rule: OciDeviceRule): readonly Instruction[] {
  const access = [...(rule.access ?? 'rwm')].reduce((bits, letter) => bits | (ACCESS[letter] ?? 0), 0);
  const end = returning(rule.allow ? 1 : 0);
  const tests: Instruction[][] = [];
  if (rule.type === 'b' || rule.type === 'c') tests.push([unless(TYPE, TYPES[rule.type])]);
  if (rule.major !== undefined) tests.push([unless(MAJOR, rule.major)]);
  if (rule.minor !== undefined) tests.push([unless(MINOR, rule.minor)]);
  const all = 7;
  if (access !== all) {
    const copy: Instruction = { code: ALU_MOV_X, destination: REST, source: WANTED };
    // Allowed: nothing is wanted beyond it. Denied: it is not so that nothing of it is wanted.
    tests.push(
      rule.allow
        ? [copy, { code: ALU_AND_K, destination: REST, immediate: all & ~access }, unless(REST, 0)]
        : [copy, { code: ALU_AND_K, destination: REST, immediate: access }, unlessNot(REST)],
    );
  }
  // Each test jumps behind this rule when it does not match.
  const flat = tests.flat();
  return [
    ...flat.map((one, i) => (isJump(one) ? { ...one, offset: flat.length - i - 1 + end.length } : one)),
    ...end,
  ];
}

const JEQ_K = 0x16;
const unless = (register: number, immediate: number): Instruction => ({
  code: JNE_K,
  destination: register,
  immediate,
});
const unlessNot = (register: number): Instruction => ({ code: JEQ_K, destination: register, immediate: 0 });
const isJump = ({ code }: Instruction): boolean => code === JNE_K || code === JEQ_K;

function returning(value: number): readonly Instruction[] {
  return [{ code: ALU_MOV_K, destination: R0, immediate: value }, { code: EXIT }];
}
