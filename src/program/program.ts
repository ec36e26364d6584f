import type { SyscallName } from '../linux/arch.ts';
import type { Errno } from '../linux/errno.ts';

/**
 * A syscall program: straight-line data that a C loop runs in a fresh child. No branches, no loops. An instruction
 * whose operand is the slot of an ignored failure is skipped; that is all the choice there is.
 */
export interface Program {
  readonly instructions: readonly Instruction[];
  readonly data: readonly DataItem[];
}

declare const verified: unique symbol;

/** A program that {@link verify} has judged; only this can be encoded. */
export type VerifiedProgram = Program & { readonly [verified]: true };

export interface Instruction {
  readonly op: 'syscall' | 'store' | 'expect' | 'clone';
  /** The call of a `syscall` instruction. */
  readonly name?: SyscallName;
  readonly operands: readonly Operand[];
  /** Errnos that are no failure here, at most four. */
  readonly ignore: readonly Errno[];
  /** Skip this instruction where that slot is an ignored failure, though it is no operand of the call. */
  readonly guard?: SlotOperand;
  /** The part of the compiler that emitted it: printed as a heading. */
  readonly phase: string;
}

/** `text` is how the operand is printed: names, not numbers, so that a print is the same on every architecture. */
export type Operand = ImmediateOperand | DataOperand | SlotOperand | ParameterOperand;

export interface ImmediateOperand {
  readonly kind: 'imm';
  /** A safe integer; negative ones are passed as the kernel's -1, AT_FDCWD… */
  readonly value: number;
  readonly text: string;
}

/** A pointer into a data item. */
export interface DataOperand {
  readonly kind: 'data';
  readonly item: number;
  readonly offset: number;
  readonly text: string;
}

/** The result of the instruction `pc`. */
export interface SlotOperand {
  readonly kind: 'slot';
  readonly pc: number;
}

/** A number that only the runtime knows (an fd of this process), bound when the program is encoded. */
export interface ParameterOperand {
  readonly kind: 'parameter';
  readonly name: string;
}

/** Bytes the kernel reads or fills, 8-aligned; `pointers` are filled with the addresses of other items. */
export interface DataItem {
  readonly bytes: Uint8Array;
  readonly pointers: readonly { readonly at: number; readonly item: number }[];
}
