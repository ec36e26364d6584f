import { assertNever } from '../base/assert.ts';
import type { Instruction, Operand, Program } from './program.ts';

/**
 * A program in strace's syntax: one instruction per line with its number, names instead of numbers, `r12` for the
 * result of instruction 12, `?ENOENT` for an errno that is ignored, `<name>` for an fd that the runtime binds.
 * `note` adds a column behind each line (the results of `run --trace`).
 */
export function disassemble(program: Program, note?: (pc: number) => string): string {
  const used = usedSlots(program);
  const lines: string[] = [];
  let phase = '';
  program.instructions.forEach((instruction, pc) => {
    if (instruction.phase !== phase) {
      phase = instruction.phase;
      lines.push(`# ${phase}`);
    }
    const result = used.has(pc) ? `r${pc} = ` : '';
    const suffix = note === undefined ? '' : `  ${note(pc)}`;
    lines.push(`${String(pc).padStart(4)}  ${result}${formatInstruction(instruction)}${suffix}`);
  });
  return `${lines.join('\n')}\n`;
}

/** One instruction, without its number: `mkdirat(r3, "proc", 0755) ?EEXIST`. */
export function formatInstruction(instruction: Instruction): string {
  const ignored = instruction.ignore.map(errno => ` ?${errno}`).join('');
  const guard = instruction.guard === undefined ? '' : ` if r${instruction.guard.pc}`;
  return `${formatCall(instruction)}${guard}${ignored}`;
}

function formatCall({ op, name, operands }: Instruction): string {
  const texts = operands.map(formatOperand);
  switch (op) {
    case 'syscall':
      return `${name}(${texts.join(', ')})`;
    case 'store':
      return `*(int *)(${texts[0]}) = ${texts[1]}`;
    case 'expect':
      return `expect(${texts[0]}, ${texts[1]}, ${texts[2]}) or ${texts[3]}`;
    case 'clone':
      return `clone(CLONE_PARENT|${texts.length === 0 ? 'CLONE_VFORK|' : ''}CLONE_FILES|SIGCHLD)`;
    default:
      return assertNever(op);
  }
}

function formatOperand(operand: Operand): string {
  if (operand.kind === 'slot') return `r${operand.pc}`;
  return operand.kind === 'parameter' ? `<${operand.name}>` : operand.text;
}

function usedSlots(program: Program): ReadonlySet<number> {
  const used = new Set<number>();
  for (const { operands, guard } of program.instructions) {
    if (guard !== undefined) used.add(guard.pc);
    for (const operand of operands) if (operand.kind === 'slot') used.add(operand.pc);
  }
  return used;
}
