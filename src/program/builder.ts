import { type Arch, type OpenFlag, openFlags, type SyscallName } from '../linux/arch.ts';
import { AT } from '../linux/constants.generated.ts';
import type { Errno } from '../linux/errno.ts';
import { LAYOUT } from './layout.generated.ts';
import type {
  DataItem,
  DataOperand,
  ImmediateOperand,
  Instruction,
  Operand,
  ParameterOperand,
  Program,
  SlotOperand,
} from './program.ts';

const UTF8 = new TextEncoder();

export const NULL: ImmediateOperand = { kind: 'imm', value: 0, text: 'NULL' };
export const CWD: ImmediateOperand = { kind: 'imm', value: AT.AT_FDCWD, text: 'AT_FDCWD' };

/** A plain number. */
export function num(value: number): ImmediateOperand {
  return { kind: 'imm', value, text: String(value) };
}

/** A file mode, printed in octal. */
export function octal(value: number, type = ''): ImmediateOperand {
  const text = `0${value.toString(8)}`;
  return { kind: 'imm', value, text: type === '' ? text : `${type}|${text}` };
}

/** A number that is better shown by name. */
export function named(value: number, text: string): ImmediateOperand {
  return { kind: 'imm', value, text };
}

/** Constants of one table, of 32 bits each, or'ed together: `flags(MS, 'MS_REC', 'MS_PRIVATE')`. */
export function flags<T extends Readonly<Record<string, number>>>(
  table: T,
  ...names: readonly (keyof T & string)[]
): ImmediateOperand {
  const value = names.reduce((bits, name) => bits | (table[name] ?? 0), 0) >>> 0;
  return { kind: 'imm', value, text: names.length === 0 ? '0' : names.join('|') };
}

/** An fd that the runtime binds when it encodes the program. */
export function parameter(name: string): ParameterOperand {
  return { kind: 'parameter', name };
}

export interface CallOptions {
  readonly ignore?: readonly Errno[];
  readonly guard?: SlotOperand;
}

/** Collects the instructions and the data of one program. */
export class ProgramBuilder {
  readonly arch: Arch;
  readonly #instructions: Instruction[] = [];
  readonly #data: DataItem[] = [];
  readonly #texts = new Map<string, DataOperand>();
  readonly #constants = new Map<string, DataOperand>();
  #phase = '';

  constructor(arch: Arch) {
    this.arch = arch;
  }

  /** Starts a part of the program; its name heads the instructions that follow. */
  phase(name: string): void {
    this.#phase = name;
  }

  /** One system call; returns the slot of its result. */
  call(name: SyscallName, operands: readonly Operand[], options: CallOptions = {}): SlotOperand {
    return this.#add({ op: 'syscall', name, operands, ignore: [], phase: this.#phase, ...options });
  }

  /** Writes a slot or parameter as an int32 into a data item before a later call reads it. */
  store(into: DataOperand, offset: number, value: SlotOperand | ParameterOperand): void {
    const at = { ...into, offset: into.offset + offset, text: `${into.text}+${offset}` };
    this.#add({ op: 'store', operands: [at, value], ignore: [], phase: this.#phase });
  }

  /** Fails the program with `errno` unless the `width` bytes at `offset` of what a call filled are `value`. */
  expect(
    filled: DataOperand,
    offset: number,
    width: 1 | 2 | 4 | 8,
    value: ImmediateOperand,
    errno: ImmediateOperand,
  ): void {
    const at = { ...filled, offset: filled.offset + offset, text: `${filled.text}+${offset}` };
    this.#add({ op: 'expect', operands: [at, num(width), value, errno], ignore: [], phase: this.#phase });
  }

  /**
   * Goes on in a sibling process: needed after joining or unsharing a PID namespace. `isLeaving`: this process does not wait
   * until the sibling has exec'd.
   */
  clone(isLeaving = false): SlotOperand {
    const operands = isLeaving ? [named(LAYOUT.PS_CLONE_LEAVE, 'LEAVE')] : [];
    return this.#add({ op: 'clone', operands, ignore: [], phase: this.#phase });
  }

  /** NUL-terminated text; equal texts share their bytes. */
  text(value: string): DataOperand {
    let operand = this.#texts.get(value);
    if (operand === undefined) {
      const text = JSON.stringify(value);
      if (value.includes('\0')) throw new Error(`bug in podspace: ${text} would be cut at its NUL`);
      operand = this.bytes(UTF8.encode(`${value}\0`), text);
      this.#texts.set(value, operand);
    }
    return operand;
  }

  /** A struct's bytes, shown as `text`. */
  bytes(bytes: Uint8Array, text: string, pointers: DataItem['pointers'] = []): DataOperand {
    return { kind: 'data', item: this.#item({ bytes, pointers }), offset: 0, text };
  }

  /** A struct that the kernel only reads: equal texts share their bytes. */
  constant(text: string, bytes: () => Uint8Array): DataOperand {
    let operand = this.#constants.get(text);
    if (operand === undefined) {
      operand = this.bytes(bytes(), text);
      this.#constants.set(text, operand);
    }
    return operand;
  }

  /** A NULL-terminated array of texts: argv and envp. */
  texts(values: readonly string[]): DataOperand {
    const items = values.map(value => this.text(value).item);
    const pointers = items.map((item, i) => ({ at: i * 8, item }));
    return this.bytes(
      new Uint8Array((values.length + 1) * 8),
      `[${values.map(v => JSON.stringify(v)).join(', ')}]`,
      pointers,
    );
  }

  /** open(2) flags of the target architecture. */
  open(...names: readonly OpenFlag[]): ImmediateOperand {
    return named(openFlags(this.arch, ...names), names.join('|'));
  }

  build(): Program {
    return { instructions: this.#instructions, data: this.#data };
  }

  #add(instruction: Instruction): SlotOperand {
    this.#instructions.push(instruction);
    return { kind: 'slot', pc: this.#instructions.length - 1 };
  }

  #item(item: DataItem): number {
    this.#data.push(item);
    return this.#data.length - 1;
  }
}
