import { closeSync, readSync, writeSync } from 'node:fs';
import { UserError } from '../base/errors.ts';
import { F, SIG } from '../linux/constants.generated.ts';
import { errnoName } from '../linux/errno.ts';
import { SOCKET } from '../linux/sockets.ts';
import { executeSync, memfd, ProgramError, readAll, reap, sibling, signalPidfd } from '../native/execute.ts';
import { rawSyscall, syscall } from '../native/libc.ts';
import { hostArch } from '../native/library.ts';
import { makeSocketPair, receiveFd } from '../native/pipe.ts';
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
  /** Its filter has a listener, which is to be handed on. */
  readonly onListener?: ((fd: number, pid: number) => void) | undefined;
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
    const pid = (): number => pidIn(fds.sibling) || shim.pid;
    const attempt = async (body: () => unknown): Promise<boolean> => {
      try {
        await body();
      } catch (error) {
        problem = error;
      }
      return problem === undefined;
    };
    const { onListener } = options;
    const isReady = await converse(
      ours,
      () => attempt(() => options.onHooks(pid())),
      onListener === undefined ? undefined : fd => attempt(() => onListener(fd, pid())),
    );
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
async function converse(
  socket: number,
  runHooks: () => Promise<boolean>,
  handOn: ((listener: number) => Promise<boolean>) | undefined,
): Promise<boolean> {
  const byte = Buffer.alloc(1);
  for (;;) {
    if (syscall('recvfrom', [socket, byte, 1, SOCKET.MSG_PEEK, null, null]) === 0) return false;
    const word = byte.toString('latin1');
    if (word === SYNC.LISTENER) {
      const listener = receiveFd(socket);
      const isHandedOn = await handOn?.(listener);
      closeSync(listener);
      if (isHandedOn !== true) return false;
      continue;
    }
    readSync(socket, byte);
    if (word === SYNC.READY) return true;
    if (!(await runHooks())) return false;
    writeSync(socket, byte);
  }
}

/** A socket to where somebody waits for a terminal, or for a listener. */
export function connectTo(path: string, what: string): number {
  const address = Buffer.alloc(110);
  address.writeUInt16LE(SOCKET.AF_UNIX, 0);
  if (Buffer.byteLength(path) > 107) throw new UserError(`${what}: the path is too long: ${path}`);
  address.write(path, 2);
  const fd = syscall('socket', [SOCKET.AF_UNIX, SOCKET.SOCK_STREAM | SOCKET.SOCK_CLOEXEC, 0]);
  const result = rawSyscall('connect', fd, address, address.length);
  if (result === 0) return fd;
  closeSync(fd);
  throw new UserError(`${what}: cannot connect to ${path}: ${errnoName(-result)}`);
}
