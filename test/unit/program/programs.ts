import type { Errno } from '../../../src/linux/errno.ts';
import { ProgramBuilder } from '../../../src/program/builder.ts';
import type { Instruction, Operand, Program } from '../../../src/program/program.ts';
import { verify } from '../../../src/program/verify.ts';

export const imm = (value: number): Operand => ({ kind: 'imm', value, text: String(value) });

/** One system call with these operands; what is not given is harmless. */
export const call = (operands: readonly Operand[], more: Partial<Instruction> = {}): Instruction => ({
  op: 'syscall',
  name: 'umask',
  operands,
  ignore: [] as readonly Errno[],
  phase: '',
  ...more,
});

export const program = (instructions: readonly Instruction[], data: Program['data'] = []): Program => ({
  instructions,
  data,
});

/** What a builder has collected, verified. */
export function build(body: (b: ProgramBuilder) => void): ReturnType<typeof verify> {
  const b = new ProgramBuilder('x64');
  body(b);
  return verify(b.build());
}
