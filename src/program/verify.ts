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
      const isInside = at % 8 === 0 && at + 8 <= item.bytes.length && program.data[target] !== undefined;
      invariant(isInside, `data ${i}: pointer at ${at} to data ${target}`);
    }
  });
  verifyExec(instructions);
  return program as VerifiedProgram;
}

function verifyInstruction(program: Program, instruction: Instruction, pc: number): void {
  const fault = faultOf(program, instruction, pc);
  invariant(fault === undefined, `instruction ${pc}: ${fault}`);
}

function faultOf(program: Program, instruction: Instruction, pc: number): string | undefined {
  const { operands, ignore, guard, name, op } = instruction;
  if (operands.length + (guard === undefined ? 0 : 1) > LAYOUT.PS_OPERANDS) return 'too many operands';
  if (ignore.length > LAYOUT.PS_IGNORES) return 'too many ignored errnos';
  if ((name !== undefined) !== (op === 'syscall')) return 'name and op disagree';
  if (guard !== undefined && guard.pc >= pc) return 'guarded by a later instruction';
  for (const operand of operands) {
    const fault = operandFault(program, operand, pc);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function operandFault(program: Program, operand: Operand, pc: number): string | undefined {
  if (operand.kind === 'imm') return Number.isSafeInteger(operand.value) ? undefined : 'not an integer';
  if (operand.kind === 'slot') return operand.pc < pc ? undefined : 'slot of a later instruction';
  if (operand.kind === 'parameter') return undefined;
  const item = program.data[operand.item];
  return item !== undefined && operand.offset < item.bytes.length
    ? undefined
    : `outside of data ${operand.item}`;
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
