import { closeSync } from 'node:fs';
import { UserError } from '../base/errors.ts';
import { signalPidfd } from '../native/execute.ts';
import { syscall } from '../native/libc.ts';
import { hostArch } from '../native/library.ts';
import type { OciProcess } from '../oci/config.ts';
import { compileExec } from '../program/compile.ts';
import { Cgroup, detectCgroups } from './cgroups.ts';
import type { Exit } from './child-exits.ts';
import { type ContainerStreams, launch, procfsFor } from './container.ts';
import { type ContainerRecord, isSameProcess, type PodRecord } from './pod-directory.ts';
import { filterOf } from './seccomp.ts';

export interface ExecOptions {
  /** The host's number of the pod's user 0, where it has a user namespace. */
  readonly hostRoot?: number | undefined;
  readonly container: ContainerRecord;
  readonly command: readonly string[];
  readonly terminal: boolean;
  readonly consoleSize?: OciProcess['consoleSize'];
  readonly stdin: boolean;
  /** It can go on without us: see drainInBackground(). */
  readonly isDetachable: boolean;
}

export interface RunningExec {
  readonly streams: ContainerStreams;
  readonly exit: Promise<Exit>;
  signal(signal: number): void;
}

/** The container of a running pod by name, or its first one. Throws a UserError. */
export function chooseContainer(pod: PodRecord, name: string | undefined): ContainerRecord {
  const names = pod.containers.map(container => container.name).join(', ');
  const found =
    name === undefined ? pod.containers[0] : pod.containers.find(container => container.name === name);
  if (found !== undefined) return found;
  if (name === undefined) throw new UserError(`pod "${pod.name}" has no running container`);
  throw new UserError(`container ${name} is not valid for pod ${pod.name}`, {
    hint: names === '' ? 'no container is running' : `running: ${names}`,
  });
}

/**
 * Starts a command in a running container, as the container's own process is: user, groups, capabilities, environment,
 * working directory, no_new_privs. It goes through the shim, since untrusted processes live where it is going.
 */
export async function startExec({
  hostRoot,
  container,
  command,
  terminal,
  consoleSize,
  stdin,
  isDetachable,
}: ExecOptions): Promise<RunningExec> {
  const pidfd = openProcess(container);
  try {
    const env = terminal
      ? [...container.process.env.filter(entry => !entry.startsWith('TERM=')), 'TERM=xterm']
      : container.process.env;
    const process = {
      ...container.process,
      args: command,
      env,
      terminal,
      ...(consoleSize === undefined ? {} : { consoleSize }),
    };
    const cgroup =
      container.cgroup === undefined ? undefined : new Cgroup(container.cgroup, detectCgroups().isV2);
    const compiled = compileExec(
      {
        process,
        seccomp: filterOf(container.seccomp),
        cgroupProcs: container.cgroupProcs,
        isDetachable,
        ...(hostRoot === undefined ? {} : { hostRoot }),
      },
      hostArch(),
    );
    const options = { cgroup, trace: false, parameters: { pidfd, ...procfsFor(process) } };
    const { child, exited, streams } = await launch(
      compiled,
      { runner: 'exec', stdin: stdin ? 'pipe' : 'null', process },
      options,
    );
    let isRunning = true;
    const exit = exited.finally(() => {
      isRunning = false;
    });
    return { streams, exit, signal: signal => void (isRunning && signalPidfd(child.pidfd, signal)) };
  } finally {
    closeSync(pidfd);
  }
}

/** The process that was recorded, and no other one that has got its pid since: the pidfd first, then the look. */
function openProcess(record: ContainerRecord): number {
  let pidfd: number;
  try {
    pidfd = syscall('pidfd_open', [record.pid, 0]);
  } catch (cause) {
    throw new UserError(`container "${record.name}" is not running`, { cause });
  }
  if (isSameProcess(record)) return pidfd;
  closeSync(pidfd);
  throw new UserError(`container "${record.name}" is not running`);
}
