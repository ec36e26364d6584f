import { closeSync } from 'node:fs';
import { UserError } from '../base/errors.ts';
import { executeSync, ProgramError, reap } from '../native/execute.ts';
import { SyscallError } from '../native/libc.ts';
import { hostArch } from '../native/library.ts';
import { makeSocketPair, receiveFd } from '../native/pipe.ts';
import type { SeccompFilter } from '../oci/seccomp/generate.ts';
import { compileMessage } from '../program/compile-socket.ts';
import { connectTo } from './spawn.ts';
import { type ContainerRecord, type Status, stateOf } from './state.ts';

type Listener = NonNullable<SeccompFilter['listener']>;

/**
 * Sends a listener to who answers SCMP_ACT_NOTIFY, with the runtime-spec's "Container Process State" (config-linux.md,
 * "Seccomp").
 */
export function handListener(
  { path, metadata }: Listener,
  listener: number,
  record: ContainerRecord,
  status: Status,
  pid: number,
): void {
  const socket = connectTo(path, 'linux.seccomp.listenerPath');
  const text = JSON.stringify({
    ociVersion: record.ociVersion,
    fds: ['seccompFd'],
    pid,
    ...(metadata === '' ? {} : { metadata }),
    state: stateOf(record, status),
  });
  try {
    reap(executeSync(compileMessage(text, hostArch()), { parameters: { socket, fd: listener } }));
  } catch (cause) {
    if (!(cause instanceof ProgramError)) throw cause;
    throw new UserError(`linux.seccomp.listenerPath: nobody takes the listener at ${path}`, { cause });
  } finally {
    closeSync(socket);
  }
}

/** The pair of sockets that a command of `exec` sends its listener through, while it is being made. */
export function listenerSocket(): { readonly agent: number; receive(): Promise<number | undefined> } {
  const [ours, agent] = makeSocketPair();
  return {
    agent,
    receive: async () => {
      closeSync(agent);
      try {
        for (;;) {
          const fd = attempt(ours);
          if (fd !== 'not yet') return fd;
          await new Promise(resolve => setTimeout(resolve, 1));
        }
      } finally {
        closeSync(ours);
      }
    },
  };
}

/** undefined: it has ended, and says why elsewhere. */
function attempt(socket: number): number | 'not yet' | undefined {
  try {
    return receiveFd(socket);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return error.code === 'EAGAIN' ? 'not yet' : undefined;
  }
}
