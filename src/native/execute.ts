import { closeSync } from 'node:fs';
import { CLONE, ERRNO, F, MFD, SIG } from '../linux/constants.generated.ts';
import { describeErrno } from '../linux/errno.ts';
import { type Compiled, compileShimStart, type SHIM_FDS } from '../program/compile.ts';
import { Report } from '../program/decode.ts';
import { formatInstruction } from '../program/disassemble.ts';
import { encode, reportSize } from '../program/encode.ts';
import type { VerifiedProgram } from '../program/program.ts';
import { inTurn, rawSyscall, SyscallError, syscall, syscallInThread } from './libc.ts';
import { hostArch, nativeLibrary } from './library.ts';
import { shimFd } from './shim.ts';

/** The child that runs a program: its pid seen from here, and a pidfd that the caller closes. */
export interface Child {
  readonly pid: number;
  readonly pidfd: number;
  readonly report: Report;
}

export interface ExecuteOptions {
  /** Numbers behind the program's parameters (fds). */
  readonly parameters?: Readonly<Record<string, number>>;
  /** fd of the cgroup v2 directory to be born in. */
  readonly cgroup?: number;
  /** So many fds from 3 on go to the program as they are. */
  readonly preserved?: number;
  /** Runs beside the program, once there is its process; `pid` is 0 until there is the sibling. */
  readonly meanwhile?: (pid: () => number) => Promise<void>;
  /** Take a timestamp after each instruction. */
  readonly timestamps?: boolean;
}

/** A program that failed: which instruction, with what errno, and all results before it. */
export class ProgramError extends Error {
  readonly program: VerifiedProgram;
  readonly report: Report;
  readonly errno: number;

  constructor(program: VerifiedProgram, report: Report) {
    const instruction = program.instructions[report.pc];
    const text = instruction === undefined ? 'the end of the program' : formatInstruction(instruction);
    const reason = wasKilled(program, report)
      ? 'the process was killed there'
      : describeErrno(report.errno || ERRNO.ENOEXEC);
    super(`instruction ${report.pc}: ${shorten(text)}: ${reason}`);
    this.name = 'ProgramError';
    this.program = program;
    this.report = report;
    // A shim that did not even start has written nothing.
    this.errno = report.errno || ERRNO.ENOEXEC;
  }
}

/** It ended on the way, before any execve: a seccomp filter can do that, and so can the kernel for want of memory. */
export function wasKilled({ instructions }: VerifiedProgram, report: Report): boolean {
  return report.state === 'running' && !instructions[report.pc]?.name?.startsWith('execve');
}

/** Thousands of groups, or of arguments, say no more than the first of them. */
const shorten = (text: string): string => (text.length <= 400 ? text : `${text.slice(0, 399)}…`);

type SpawnArguments = [
  block: Uint8Array,
  size: number,
  report: Uint8Array,
  reportSize: number,
  flags: number,
  cgroup: number,
  pidfd: Int32Array,
];
interface Spawn {
  (...spawn: SpawnArguments): number;
  async(...spawn: [...SpawnArguments, (error: Error | null, pid: number) => void]): void;
}
let spawn: Spawn | undefined;

function spawnFunction(): Spawn {
  const types = ['void *', 'size_t', 'void *', 'size_t', 'uint64_t', 'int', 'void *'];
  spawn ??= nativeLibrary().func('ps_spawn', 'int64_t', types) as unknown as Spawn;
  return spawn;
}

function spawnArguments({ program, cloneFlags }: Compiled, options: ExecuteOptions): SpawnArguments {
  const block = encode(program, {
    arch: hostArch(),
    parameters: options.parameters,
    timestamps: options.timestamps,
  });
  const report = new Uint8Array(reportSize(program));
  const flags = cloneFlags.reduce((all, name) => all | CLONE[name], 0) >>> 0;
  return [block, block.length, report, report.length, flags, options.cgroup ?? -1, new Int32Array([-1])];
}

function childOf({ program, cloneFlags }: Compiled, spawned: SpawnArguments, result: number): Child {
  const pid = Number(result);
  if (pid < 0) throw new SyscallError('clone3', -pid, cloneFlags.join('|'));
  const [, , bytes, , , , pidfd] = spawned;
  const report = new Report(bytes);
  const child = { pid, pidfd: pidfd[0] ?? -1, report };
  if (report.state === 'failed' || wasKilled(program, report)) {
    reap(child);
    throw new ProgramError(program, report);
  }
  return child;
}

/**
 * Runs a program in a child that shares this process' memory until it has exec'd or ended (CLONE_VM|CLONE_VFORK), and
 * waits until then. Throws a {@link ProgramError} if the program failed; the child is reaped then.
 */
export function executeSync(compiled: Compiled, options: ExecuteOptions = {}): Child {
  const spawned = spawnArguments(compiled, options);
  return childOf(compiled, spawned, spawnFunction()(...spawned));
}

/** The memory of programs that run: nothing else of JavaScript's may refer to it then. */
const inFlight = new Set<SpawnArguments>();

/** The same in a thread of Node's pool, so that the event loop goes on and several programs can run at a time. */
export async function execute(compiled: Compiled, options: ExecuteOptions = {}): Promise<Child> {
  const spawned = spawnArguments(compiled, options);
  inFlight.add(spawned);
  try {
    return childOf(compiled, spawned, await inTurn<number>(done => spawnFunction().async(...spawned, done)));
  } finally {
    inFlight.delete(spawned);
  }
}

/** Waits for a child that has ended or is about to, and closes its pidfd. */
export function reap(child: { readonly pid: number; readonly pidfd: number }): void {
  syscall('wait4', [child.pid, null, 0, null]);
  closeSync(child.pidfd);
}

/**
 * Runs a program in podspace-shim: a process with memory of its own, which may enter namespaces where untrusted processes
 * live. The shim's process ends at the program's *clone*; the sibling that went on is this process' child. Hostile processes
 * may have got at its report, never at its pid.
 */
export async function executeInShim(compiled: Compiled, options: ExecuteOptions = {}): Promise<Child> {
  const { program } = compiled;
  const block = encode(program, {
    arch: hostArch(),
    parameters: options.parameters,
    timestamps: options.timestamps,
  });
  const fds: Record<(typeof SHIM_FDS)[number], number> = {
    program: memfd('podspace-program', block),
    report: memfd('podspace-report', new Uint8Array(reportSize(program))),
    sibling: memfd('podspace-sibling', new Uint8Array(4)),
  };
  try {
    const parameters = { ...options.parameters, ...fds, shim: shimFd() };
    const start = compileShimStart(fds, Object.keys(options.parameters ?? {}), hostArch(), options.preserved);
    const shim = await execute({ ...start, cloneFlags: compiled.cloneFlags }, { ...options, parameters });
    const pid = (): number => new DataView(readAll(fds.sibling, 4).buffer).getInt32(0, true);
    let problem: unknown;
    const beside = options.meanwhile?.(pid).catch((error: unknown) => {
      problem = error;
    });
    await Promise.all([syscallInThread('wait4', [shim.pid, null, 0, null]), beside]);
    closeSync(shim.pidfd);
    const report = new Report(readAll(fds.report, reportSize(program)));
    const child = sibling(readAll(fds.sibling, 4));
    const hasFailed = report.state === 'failed' || report.state === 'new' || wasKilled(program, report);
    if (hasFailed || problem !== undefined) {
      if (child !== undefined) {
        // It has failed, or somebody made it say so.
        signalPidfd(child.pidfd, SIG.SIGKILL);
        reap(child);
      }
      throw problem ?? new ProgramError(program, report);
    }
    if (child === undefined) throw new Error('a program for the shim has a clone instruction');
    return { ...child, report };
  } finally {
    for (const fd of Object.values(fds)) closeSync(fd);
  }
}

/** The process that went on after the program's *clone*, if it got that far. Not yet reaped, so its pid is still its own. */
export function sibling(bytes: Uint8Array): { readonly pid: number; readonly pidfd: number } | undefined {
  const pid = new DataView(bytes.buffer).getInt32(0, true);
  return pid > 0 ? { pid, pidfd: syscall('pidfd_open', [pid, 0]) } : undefined;
}

export function memfd(name: string, bytes: Uint8Array): number {
  const fd = syscall('memfd_create', [name, MFD.MFD_CLOEXEC]);
  syscall('write', [fd, bytes, bytes.length]);
  return fd;
}

export function readAll(fd: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  syscall('pread64', [fd, bytes, size, 0]);
  return bytes;
}

/** A copy of an fd with a number of at least 3, O_CLOEXEC: programs dup such fds onto 0–2. */
export function duplicate(fd: number): number {
  return syscall('fcntl', [fd, F.F_DUPFD_CLOEXEC, 3]);
}

/** Sends a signal through a pidfd; false when the process has ended already. */
export function signalPidfd(pidfd: number, signal: number): boolean {
  // Of a child that had ended before it could be asked for.
  if (pidfd < 0) return false;
  const result = rawSyscall('pidfd_send_signal', pidfd, signal, null, 0);
  if (result < 0 && -result !== ERRNO.ESRCH) throw new SyscallError('pidfd_send_signal', -result);
  return result === 0;
}
