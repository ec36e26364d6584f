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
  const view = new DataView(block.buffer);

  const header = {
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
  } as const;
  for (const [field, value] of Object.entries(header))
    view.setUint32(PS_PROGRAM[field as keyof typeof header], value, true);

  program.instructions.forEach((instruction, pc) => {
    encodeInstruction(view, instructionOffset + pc * PS_INSTRUCTION.SIZE, instruction, offsets, options);
  });
  relocations.forEach((relocation, i) => {
    view.setUint32(relocationOffset + i * PS_RELOCATION.SIZE + PS_RELOCATION.at, relocation.at, true);
    view.setUint32(relocationOffset + i * PS_RELOCATION.SIZE + PS_RELOCATION.target, relocation.target, true);
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
  view: DataView,
  base: number,
  instruction: Instruction,
  offsets: readonly number[],
  options: EncodeOptions,
): void {
  const nr = instruction.name === undefined ? 0 : syscallNumber(options.arch, instruction.name);
  view.setUint32(base + PS_INSTRUCTION.nr, nr, true);
  view.setUint8(base + PS_INSTRUCTION.op, OPS[instruction.op]);
  instruction.ignore.forEach((errno, i) => {
    view.setUint16(base + PS_INSTRUCTION.ignore + i * 2, ERRNO[errno], true);
  });
  allOperands(instruction).forEach((operand, i) => {
    const [kind, value] = encodeOperand(operand, offsets, options);
    view.setUint8(base + PS_INSTRUCTION.kind + i, kind);
    view.setBigUint64(base + PS_INSTRUCTION.operand + i * 8, BigInt.asUintN(64, value), true);
  });
}

/** A guard travels as an operand that the kernel does not look at: the last one. */
function allOperands({ operands, guard }: Instruction): readonly Operand[] {
  if (guard === undefined) return operands;
  invariant(operands.length < LAYOUT.PS_OPERANDS, 'a guarded call with six operands');
  return [...operands, guard];
}

function encodeOperand(
  operand: Operand,
  offsets: readonly number[],
  options: EncodeOptions,
): readonly [number, bigint] {
  switch (operand.kind) {
    case 'imm':
      return [LAYOUT.PS_KIND_IMM, operand.value];
    case 'data':
      return [LAYOUT.PS_KIND_DATA, BigInt(at(offsets, operand.item) + operand.offset)];
    case 'slot':
      return [LAYOUT.PS_KIND_SLOT, BigInt(operand.pc)];
    case 'parameter': {
      const value = options.parameters?.[operand.name];
      invariant(value !== undefined, `parameter "${operand.name}" is not bound`);
      return [LAYOUT.PS_KIND_IMM, BigInt(value)];
    }
  }
}

function at(offsets: readonly number[], index: number): number {
  const offset = offsets[index];
  invariant(offset !== undefined, `data ${index} does not exist`);
  return offset;
}
