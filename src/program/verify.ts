import { invariant } from '../base/assert.ts';
import { LAYOUT } from './layout.generated.ts';
import type { Instruction, Operand, Program, VerifiedProgram } from './program.ts';

/** The only maker of a {@link VerifiedProgram}. A violation is a bug of the compiler, never of the user's input. */
export function verify(program: Program): VerifiedProgram {
  const { instructions } = program;
  invariant(
    instructions.length <= LAYOUT.PS_MAX_INSTRUCTIONS,
    `a program of ${instructions.length} instructions`,
  );
  instructions.forEach((instruction, pc) => {
    verifyInstruction(program, instruction, pc);
  });
  program.data.forEach((item, i) => {
    for (const { at, item: target } of item.pointers) {
      invariant(at % 8 === 0 && at + 8 <= item.bytes.length, `data ${i}: pointer at ${at} outside of it`);
      invariant(program.data[target] !== undefined, `data ${i}: pointer to data ${target}`);
    }
  });
  verifyExec(instructions);
  return program as VerifiedProgram;
}

function verifyInstruction(program: Program, instruction: Instruction, pc: number): void {
  const where = `instruction ${pc}`;
  invariant(instruction.operands.length <= LAYOUT.PS_OPERANDS, `${where}: too many operands`);
  invariant(instruction.ignore.length <= LAYOUT.PS_IGNORES, `${where}: too many ignored errnos`);
  invariant(
    (instruction.name !== undefined) === (instruction.op === 'syscall'),
    `${where}: name and op disagree`,
  );
  for (const operand of instruction.operands) verifyOperand(program, operand, pc, where);
}

function verifyOperand(program: Program, operand: Operand, pc: number, where: string): void {
  if (operand.kind === 'slot') {
    invariant(operand.pc < pc, `${where}: slot of a later instruction`);
  } else if (operand.kind === 'data') {
    const item = program.data[operand.item];
    invariant(
      item !== undefined && operand.offset < item.bytes.length,
      `${where}: outside of data ${operand.item}`,
    );
  }
}

const EXEC = new Set(['execve', 'execveat']);

/** After the first exec only more candidates may follow, and no fd of the host may be open then (design rule 3). */
function verifyExec(instructions: readonly Instruction[]): void {
  const first = instructions.findIndex(({ name }) => name !== undefined && EXEC.has(name));
  if (first === -1) return;
  for (const { name } of instructions.slice(first))
    invariant(name !== undefined && EXEC.has(name), 'a call after execve');
  invariant(
    instructions.slice(0, first).some(({ name }) => name === 'close_range'),
    'execve without close_range',
  );
}
