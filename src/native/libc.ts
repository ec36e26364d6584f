/**
 * System calls for the host side: what Node has no words for. All synchronous, all raw (no libc in between), each
 * throws a {@link SyscallError} with the call and its errno.
 */

import { type OpenFlag, openFlags, type SyscallName, syscallNumber } from '../linux/arch.ts';
import { ERRNO, RESOLVE } from '../linux/constants.generated.ts';
import { describeErrno, errnoName } from '../linux/errno.ts';
import { hostArch, nativeLibrary } from './library.ts';

/** A failed system call on the host side. `code` is the errno's name, as in Node's own errors. */
export class SyscallError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  constructor(syscall: string, errno: number, detail = '') {
    super(`${syscall}${detail === '' ? '' : `(${detail})`}: ${describeErrno(errno)}`);
    this.name = 'SyscallError';
    this.syscall = syscall;
    this.errno = errno;
    this.code = errnoName(errno);
  }
}

/** One operand: a number, text (NUL-terminated for the call), bytes that the kernel reads or fills, or null. */
export type SyscallOperand = number | bigint | string | Uint8Array | null;

interface RawSyscall {
  (...operands: readonly unknown[]): number;
  async(...operands: readonly unknown[]): void;
}
const prototypes = new Map<string, RawSyscall>();

/** koffi converts by declared type; a prototype for each combination of numbers, texts and pointers that is used. */
function prototype(operands: readonly SyscallOperand[]): RawSyscall {
  const key = operands.map(operandType).join(',');
  let found = prototypes.get(key);
  if (found === undefined) {
    const padded = [...operands.map(operandType), ...Array<string>(6 - operands.length).fill('int64_t')];
    found = nativeLibrary().func('ps_syscall', 'int64_t', ['int64_t', ...padded]) as unknown as RawSyscall;
    prototypes.set(key, found);
  }
  return found;
}

function operandType(operand: SyscallOperand): string {
  if (typeof operand === 'string') return 'str';
  return operand === null || operand instanceof Uint8Array ? 'void *' : 'int64_t';
}

const ZEROS = [0, 0, 0, 0, 0, 0] as const;

/** A raw system call: the result, or -errno. */
export function rawSyscall(name: SyscallName, ...operands: readonly SyscallOperand[]): number {
  const nr = syscallNumber(hostArch(), name);
  return Number(prototype(operands)(nr, ...operands, ...ZEROS.slice(operands.length)));
}

/** A system call that must succeed. `detail` goes into the error's text. */
export function syscall(name: SyscallName, operands: readonly SyscallOperand[], detail = ''): number {
  const result = rawSyscall(name, ...operands);
  if (result < 0) throw new SyscallError(name, -result, detail);
  return result;
}

/** The memory of calls in threads: the kernel uses it until they have ended. */
const inFlight = new Set<readonly SyscallOperand[]>();

/** A system call that waits, in a thread of Node's pool. Nobody may use its memory meanwhile; no texts. */
export async function syscallInThread(
  name: SyscallName,
  operands: readonly Exclude<SyscallOperand, string>[],
): Promise<number> {
  const nr = syscallNumber(hostArch(), name);
  inFlight.add(operands);
  try {
    const result = await inTurn<number>(done =>
      prototype(operands).async(nr, ...operands, ...ZEROS.slice(operands.length), done),
    );
    if (result < 0) throw new SyscallError(name, -result);
    return Number(result);
  } finally {
    inFlight.delete(operands);
  }
}

/** koffi refuses more than 256 calls at a time; the threads of Node's pool are four as a rule. */
const MAX_CALLS = 128;
let calls = 0;
const queue: (() => void)[] = [];

/** Makes a call in a thread, or has it wait for its turn. */
export function inTurn<T>(call: (done: (error: Error | null, result: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const begin = (): void => {
      calls++;
      call((error, result) => {
        calls--;
        queue.shift()?.();
        if (error !== null) reject(error);
        else resolve(result);
      });
    };
    if (calls === MAX_CALLS) queue.push(begin);
    else begin();
  });
}

/** The value of open(2) flags on this machine. */
export function open(...names: readonly OpenFlag[]): number {
  return openFlags(hostArch(), ...names);
}

/** How often openat2(2) is asked again that gave up because something was renamed or mounted while it followed "..". */
const OPEN_ATTEMPTS = 1000;

/** openat2(2). `flags` are open(2) flags of this machine, `resolve` RESOLVE_* bits. Returns an fd (O_CLOEXEC is added). */
export function openat2(
  dirfd: number,
  path: string | Uint8Array,
  flags: number,
  mode: number,
  resolve: number,
): number {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(flags | open('O_CLOEXEC')), 0);
  how.writeBigUInt64LE(BigInt(mode), 8);
  how.writeBigUInt64LE(BigInt(resolve), 16);
  for (let attempt = 1; ; attempt++) {
    const result = rawSyscall('openat2', dirfd, path, how, how.length);
    if (result >= 0) return result;
    if (-result !== ERRNO.EAGAIN || attempt === OPEN_ATTEMPTS)
      throw new SyscallError('openat2', -result, JSON.stringify(path.toString()));
  }
}

/** Opens a path as a container would see it, with `rootFd` as its root: no link or `..` leads out of it. */
export function openInRoot(rootFd: number, path: string, flags: number, mode = 0): number {
  return openat2(
    rootFd,
    path === '/' ? '.' : path,
    flags,
    mode,
    RESOLVE.RESOLVE_IN_ROOT | RESOLVE.RESOLVE_NO_MAGICLINKS,
  );
}

/** flock(2) with LOCK_* bits; false where LOCK_NB would have to wait. */
export function flock(fd: number, operation: number): boolean {
  const result = rawSyscall('flock', fd, operation);
  if (result === 0) return true;
  if (errnoName(-result) === 'EAGAIN') return false;
  throw new SyscallError('flock', -result);
}
