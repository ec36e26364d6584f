import { closeSync } from 'node:fs';
import { WAIT } from '../linux/constants.generated.ts';
import { rawSyscall } from '../native/libc.ts';
import type { ShimExit } from '../native/shim-records.ts';

/** How a child ended, from waitid(2). */
export interface Exit {
  /** As a shell counts it: the exit status, or 128 + the signal. */
  readonly exitCode: number;
  readonly signal: number | undefined;
  /** Processor time of the process and its waited-for children, in microseconds. */
  readonly cpuMicroseconds: number;
  /** Peak resident set, in bytes. */
  readonly maxRss: number;
}

const CLD_EXITED = 1;

/** waitid(2) on a pidfd without waiting; undefined while the child runs. */
function poll(pidfd: number): Exit | undefined {
  const info = Buffer.alloc(128);
  const usage = Buffer.alloc(144);
  const result = rawSyscall('waitid', WAIT.P_PIDFD, pidfd, info, WAIT.WEXITED | WAIT.WNOHANG, usage);
  // ECHILD: somebody else has reaped it; nothing more will ever be known.
  if (result < 0) return { exitCode: 255, signal: undefined, cpuMicroseconds: 0, maxRss: 0 };
  const [code, pid, status] = [info.readInt32LE(8), info.readInt32LE(16), info.readInt32LE(24)];
  if (pid === 0) return undefined;
  const time = (at: number): number =>
    Number(usage.readBigInt64LE(at)) * 1e6 + Number(usage.readBigInt64LE(at + 8));
  const signal = code === CLD_EXITED ? undefined : status;
  return {
    exitCode: signal === undefined ? status : 128 + signal,
    signal,
    cpuMicroseconds: time(0) + time(16),
    maxRss: Number(usage.readBigInt64LE(32)) * 1024,
  };
}

const waiting = new Map<number, (exit: Exit) => void>();
let keepAlive: NodeJS.Timeout | undefined;

/**
 * Resolves when the child has ended, and reaps it; its pidfd is closed a moment later. libuv waits only for children of its
 * own, so that SIGCHLD is free to be used; the slow timer keeps the event loop alive and is a net below a signal that never
 * came.
 */
export function waitForExit(pidfd: number): Promise<Exit> {
  return new Promise(resolve => {
    if (waiting.size === 0) {
      process.on('SIGCHLD', check);
      keepAlive = setInterval(check, 1000);
    }
    waiting.set(pidfd, resolve);
    check();
  });
}

function check(): void {
  for (const [pidfd, resolve] of waiting) {
    const exit = poll(pidfd);
    if (exit === undefined) continue;
    waiting.delete(pidfd);
    resolve(exit);
    // Not before everybody knows: a signal to a closed pidfd is an error, or another process' by then.
    setImmediate(() => closeSync(pidfd));
  }
  if (waiting.size > 0) return;
  process.off('SIGCHLD', check);
  clearInterval(keepAlive);
}

/** The same of what a shim has on record. */
export function exitOf({ status, cpuMicroseconds, maxRss }: ShimExit): Exit {
  const signal = status & 0x7f;
  return {
    exitCode: signal === 0 ? (status >> 8) & 0xff : 128 + signal,
    signal: signal === 0 ? undefined : signal,
    cpuMicroseconds,
    maxRss,
  };
}
