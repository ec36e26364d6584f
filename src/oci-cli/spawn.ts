import { closeSync, readSync, writeSync } from 'node:fs';
import { F, SIG } from '../linux/constants.generated.ts';
import { SOCKET } from '../linux/sockets.ts';
import { executeSync, memfd, ProgramError, readAll, reap, sibling, signalPidfd } from '../native/execute.ts';
import { syscall } from '../native/libc.ts';
import { hostArch } from '../native/library.ts';
import { makeSocketPair } from '../native/pipe.ts';
import { shimFd } from '../native/shim.ts';
import { type Compiled, compileShimStart, type SHIM_FDS } from '../program/compile.ts';
import { Report } from '../program/decode.ts';
import { encode, reportSize } from '../program/encode.ts';
import { SYNC } from '../program/phases/gate.ts';

export interface WaitingChild {
  readonly pid: number;
  readonly pidfd: number;
}

interface SpawnOptions {
  readonly parameters: Readonly<Record<string, number>>;
  /** fd of the v2 cgroup to be born in. */
  readonly cgroup: number | undefined;
  readonly preserved: number;
  /** While the program waits with its namespaces made. */
  onHooks(pid: number): Promise<void>;
}

/** Above all that the program dups onto: numbers from 3 on may be the payload's. */
export const highFd = (fd: number, preserved: number): number =>
  syscall('fcntl', [fd, F.F_DUPFD_CLOEXEC, 64 + preserved]);

/**
 * Runs a program that waits before its execve, in the shim; returns when it waits. It is a child of ours until we end, and
 * then of whoever reaps orphans here: a driver's shim. If we are killed on the way, its next word to us fails, and it ends.
 */
export async function spawnWaiting(
  { program, cloneFlags }: Compiled,
  options: SpawnOptions,
): Promise<WaitingChild> {
  const { preserved, cgroup } = options;
  const fds: Record<(typeof SHIM_FDS)[number], number> = { program: 0, report: 0, sibling: 0 };
  const [ours, pair] = makeSocketPair();
  const sync = highFd(pair, preserved);
  closeSync(pair);
  try {
    const parameters = { ...options.parameters, sync };
    fds.program = memfd('podspace-program', encode(program, { arch: hostArch(), parameters }));
    fds.report = memfd('podspace-report', new Uint8Array(reportSize(program)));
    fds.sibling = memfd('podspace-sibling', new Uint8Array(4));
    const start = compileShimStart(fds, Object.keys(parameters), hostArch(), preserved);
    const shim = executeSync(
      { ...start, cloneFlags },
      { parameters: { ...parameters, ...fds, shim: shimFd() }, ...(cgroup === undefined ? {} : { cgroup }) },
    );
    closeSync(sync);
    let problem: unknown;
    const isReady = await converse(ours, async () => {
      try {
        await options.onHooks(pidIn(fds.sibling) || shim.pid);
      } catch (error) {
        problem = error;
      }
      return problem === undefined;
    });
    if (problem !== undefined || !isReady) closeSync(ours);
    reap(shim);
    const child = sibling(readAll(fds.sibling, 4));
    if (isReady && child !== undefined) {
      closeSync(ours);
      return child;
    }
    if (child !== undefined) {
      signalPidfd(child.pidfd, SIG.SIGKILL);
      reap(child);
    }
    throw problem ?? new ProgramError(program, new Report(readAll(fds.report, reportSize(program))));
  } finally {
    for (const fd of Object.values(fds)) if (fd > 0) closeSync(fd);
  }
}

const pidIn = (fd: number): number => new DataView(readAll(fd, 4).buffer).getInt32(0, true);

/** True when the program waits for `start`; false when it has ended. */
async function converse(socket: number, runHooks: () => Promise<boolean>): Promise<boolean> {
  const byte = Buffer.alloc(1);
  for (;;) {
    if (readSync(socket, byte) === 0) return false;
    const word = byte.toString('latin1');
    if (word === SYNC.READY) return true;
    if (!(await runHooks())) return false;
    writeSync(socket, byte);
  }
}

/** A socket to where the driver waits for the terminal. */
export function connectConsole(path: string): number {
  const address = Buffer.alloc(110);
  address.writeUInt16LE(SOCKET.AF_UNIX, 0);
  if (Buffer.byteLength(path) > 107) throw new Error(`the path of the console socket is too long: ${path}`);
  address.write(path, 2);
  const fd = syscall('socket', [SOCKET.AF_UNIX, SOCKET.SOCK_STREAM | SOCKET.SOCK_CLOEXEC, 0]);
  syscall('connect', [fd, address, address.length], path);
  return fd;
}
