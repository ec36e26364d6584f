import { OPEN_FLAGS, SYSCALL_NUMBERS } from './constants.generated.ts';

/** The architectures podspace runs on, by Node's `process.arch`. */
export type Arch = 'x64' | 'arm64';

export type SyscallName = keyof typeof SYSCALL_NUMBERS;
export type OpenFlag = keyof typeof OPEN_FLAGS;

const COLUMN: Readonly<Record<Arch, 0 | 1>> = { x64: 0, arm64: 1 };

/** The number of a system call. */
export function syscallNumber(arch: Arch, name: SyscallName): number {
  return SYSCALL_NUMBERS[name][COLUMN[arch]];
}

/** open(2) flags or'ed together; some of them differ between architectures. */
export function openFlags(arch: Arch, ...names: readonly OpenFlag[]): number {
  return names.reduce((flags, name) => flags | OPEN_FLAGS[name][COLUMN[arch]], 0);
}
