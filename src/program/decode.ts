import {
  LAYOUT,
  PS_INSTRUCTION,
  PS_PROGRAM,
  PS_RELOCATION,
  PS_REPORT,
  PS_RESULT,
} from './layout.generated.ts';

/** What the interpreter sees: numbers only. For tests and tools; the way back to a Program is not needed. */
export interface DecodedProgram {
  readonly flags: number;
  readonly instructions: readonly DecodedInstruction[];
  readonly relocations: readonly { readonly at: number; readonly target: number }[];
  readonly data: Uint8Array;
}

export interface DecodedInstruction {
  readonly nr: number;
  readonly op: number;
  readonly operands: readonly { readonly kind: number; readonly value: bigint }[];
  readonly ignore: readonly number[];
}

/** Reads an encoded program. The block must come from encode(); the judge of foreign bytes is native/check.c. */
export function decode(block: Uint8Array): DecodedProgram {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const field = (name: keyof typeof PS_PROGRAM): number => view.getUint32(PS_PROGRAM[name], true);
  const instructionOffset = field('instruction_offset');
  const relocationOffset = field('relocation_offset');
  return {
    flags: field('flags'),
    instructions: range(field('instruction_count'), pc =>
      decodeInstruction(view, instructionOffset + pc * PS_INSTRUCTION.SIZE),
    ),
    relocations: range(field('relocation_count'), i => ({
      at: view.getUint32(relocationOffset + i * PS_RELOCATION.SIZE + PS_RELOCATION.at, true),
      target: view.getUint32(relocationOffset + i * PS_RELOCATION.SIZE + PS_RELOCATION.target, true),
    })),
    data: block.slice(field('data_offset'), field('data_offset') + field('data_size')),
  };
}

function decodeInstruction(view: DataView, base: number): DecodedInstruction {
  return {
    nr: view.getUint32(base + PS_INSTRUCTION.nr, true),
    op: view.getUint8(base + PS_INSTRUCTION.op),
    operands: range(LAYOUT.PS_OPERANDS, i => ({
      kind: view.getUint8(base + PS_INSTRUCTION.kind + i),
      value: view.getBigUint64(base + PS_INSTRUCTION.operand + i * 8, true),
    })),
    ignore: range(LAYOUT.PS_IGNORES, i => view.getUint16(base + PS_INSTRUCTION.ignore + i * 2, true)),
  };
}

const STATES = ['new', 'running', 'failed', 'finished'] as const;

/** How a run of a program went. Looks into the report's bytes when asked: most of its results interest nobody. */
export class Report {
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get state(): (typeof STATES)[number] {
    return STATES[this.#view.getUint32(PS_REPORT.state, true)] ?? 'new';
  }

  /** The instruction reached last. After a good execve the state is `running` and this is that execve. */
  get pc(): number {
    return this.#view.getUint32(PS_REPORT.pc, true);
  }

  /** The errno of a failed run, else 0. */
  get errno(): number {
    return this.#view.getInt32(PS_REPORT.error, true);
  }

  get startNanoseconds(): bigint {
    return this.#view.getBigUint64(PS_REPORT.start_nanoseconds, true);
  }

  /** How many instructions there is room for. */
  get length(): number {
    return Math.floor((this.#view.byteLength - PS_REPORT.SIZE) / PS_RESULT.SIZE);
  }

  /** What the instruction returned; negative is -errno. 0 for one that was not reached. */
  result(pc: number): number {
    return Number(this.#view.getBigInt64(PS_REPORT.SIZE + pc * PS_RESULT.SIZE + PS_RESULT.result, true));
  }

  /** When it had ended, CLOCK_MONOTONIC; 0 without timestamps. */
  nanoseconds(pc: number): bigint {
    return this.#view.getBigUint64(PS_REPORT.SIZE + pc * PS_RESULT.SIZE + PS_RESULT.nanoseconds, true);
  }
}

function range<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}
