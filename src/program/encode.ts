import { invariant } from '../base/assert.ts';
import { type Arch, syscallNumber } from '../linux/arch.ts';
import { ERRNO } from '../linux/constants.generated.ts';
import {
  LAYOUT,
  PS_INSTRUCTION,
  PS_PROGRAM,
  PS_RELOCATION,
  PS_REPORT,
  PS_RESULT,
} from './layout.generated.ts';
import type { Instruction, Operand, VerifiedProgram } from './program.ts';

const OPS: Readonly<Record<Instruction['op'], number>> = {
  syscall: LAYOUT.PS_OP_SYSCALL,
  store: LAYOUT.PS_OP_STORE,
  expect: LAYOUT.PS_OP_EXPECT,
  clone: LAYOUT.PS_OP_CLONE,
};

const KINDS: Readonly<Record<Operand['kind'], number>> = {
  imm: LAYOUT.PS_KIND_IMM,
  data: LAYOUT.PS_KIND_DATA,
  slot: LAYOUT.PS_KIND_SLOT,
  parameter: LAYOUT.PS_KIND_IMM,
};

export interface EncodeOptions {
  readonly arch: Arch;
  /** The number behind each parameter of the program. */
  readonly parameters?: Readonly<Record<string, number>>;
  /** Ask the interpreter for a timestamp after each instruction. */
  readonly timestamps?: boolean;
}

const align = (offset: number): number => (offset + 7) & ~7;

/** The flat form that the interpreter runs (native/podspace.h). */
export function encode(program: VerifiedProgram, options: EncodeOptions): Uint8Array {
  const offsets: number[] = [];
  let dataSize = 0;
  for (const { bytes } of program.data) {
    offsets.push(dataSize);
    dataSize = align(dataSize + bytes.length);
  }
  const relocations = program.data.flatMap((item, i) =>
    item.pointers.map(pointer => ({ at: at(offsets, i) + pointer.at, target: at(offsets, pointer.item) })),
  );
  const instructionOffset = align(PS_PROGRAM.SIZE);
  const relocationOffset = instructionOffset + program.instructions.length * PS_INSTRUCTION.SIZE;
  const dataOffset = relocationOffset + relocations.length * PS_RELOCATION.SIZE;
  const block = new Uint8Array(dataOffset + dataSize);
  // Both architectures are little-endian, and so is the format; all parts but the data are words.
  const words = new Uint32Array(block.buffer, 0, dataOffset / 4);

  const header: Readonly<Record<Exclude<keyof typeof PS_PROGRAM, 'SIZE'>, number>> = {
    magic: LAYOUT.PS_MAGIC,
    version: LAYOUT.PS_VERSION,
    size: block.length,
    flags: options.timestamps === true ? LAYOUT.PS_FLAG_TIMESTAMPS : 0,
    instruction_count: program.instructions.length,
    instruction_offset: instructionOffset,
    relocation_count: relocations.length,
    relocation_offset: relocationOffset,
    data_size: dataSize,
    data_offset: dataOffset,
  };
  for (const [field, value] of Object.entries(header))
    words[PS_PROGRAM[field as keyof typeof header] / 4] = value;

  program.instructions.forEach((instruction, pc) => {
    const base = instructionOffset + pc * PS_INSTRUCTION.SIZE;
    encodeInstruction(block, words, base, instruction, offsets, options);
  });
  relocations.forEach(({ at, target }, i) => {
    const base = relocationOffset + i * PS_RELOCATION.SIZE;
    words[(base + PS_RELOCATION.at) / 4] = at;
    words[(base + PS_RELOCATION.target) / 4] = target;
  });
  program.data.forEach((item, i) => {
    block.set(item.bytes, dataOffset + at(offsets, i));
  });
  return block;
}

/** An empty report for a program, to be filled by the interpreter. */
export function reportSize(program: VerifiedProgram): number {
  return PS_REPORT.SIZE + program.instructions.length * PS_RESULT.SIZE;
}

function encodeInstruction(
  block: Uint8Array,
  words: Uint32Array,
  base: number,
  { name, op, operands, ignore, guard }: Instruction,
  offsets: readonly number[],
  options: EncodeOptions,
): void {
  if (name !== undefined) words[(base + PS_INSTRUCTION.nr) / 4] = syscallNumber(options.arch, name);
  block[base + PS_INSTRUCTION.op] = OPS[op];
  ignore.forEach((errno, i) => {
    const at = base + PS_INSTRUCTION.ignore + i * 2;
    block[at] = ERRNO[errno];
    block[at + 1] = ERRNO[errno] >> 8;
  });
  const put = (operand: Operand, i: number): void => {
    const value = operandValue(operand, offsets, options);
    block[base + PS_INSTRUCTION.kind + i] = KINDS[operand.kind];
    const at = (base + PS_INSTRUCTION.operand) / 4 + i * 2;
    words[at] = value;
    words[at + 1] = Math.floor(value / 2 ** 32);
  };
  operands.forEach(put);
  // A guard travels as an operand that the kernel does not look at: the last one.
  if (guard !== undefined) put(guard, operands.length);
}

function operandValue(operand: Operand, offsets: readonly number[], options: EncodeOptions): number {
  switch (operand.kind) {
    case 'imm':
      return operand.value;
    case 'data':
      return at(offsets, operand.item) + operand.offset;
    case 'slot':
      return operand.pc;
    case 'parameter': {
      const value = options.parameters?.[operand.name];
      invariant(value !== undefined, `parameter "${operand.name}" is not bound`);
      return value;
    }
  }
}

function at(offsets: readonly number[], index: number): number {
  const offset = offsets[index];
  if (offset === undefined) throw new Error(`bug in podspace: data ${index} does not exist`);
  return offset;
}
