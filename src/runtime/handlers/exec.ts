import { writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { errnoCode, UserError } from '../../base/errors.ts';
import { SIG } from '../../linux/constants.generated.ts';
import { Cgroup, detectCgroups } from '../cgroups.ts';
import { ContainerStartError } from '../container.ts';
import { type RunningExec, startExec } from '../exec.ts';
import { onAbort } from '../on-abort.ts';
import type { ContainerRecord } from '../pod-directory.ts';
import { goDuration, type Limit } from './limit.ts';
import { failedToRun, failure, LimitedOutput, type Outcome, success } from './outcome.ts';

/** Where commands are run. */
export interface ExecIn {
  readonly container: ContainerRecord;
  /** The host's number of the pod's user 0, where it has a user namespace. */
  readonly hostRoot?: number | undefined;
}

/** How a command ended. */
export interface CommandResult {
  readonly outcome: Outcome;
  /** Undefined if it could not be run, or was killed. */
  readonly exitCode: number | undefined;
}

/** Milliseconds for what a command has printed to be read after its end: what it left behind may keep its pipes open for ever. */
const DRAIN = 100;

/** Milliseconds between two tries to kill. */
const KILL_AGAIN = 50;

/**
 * Runs a command in a container, as a kubelet's probes and hooks do. At the limit all that it has started is killed, also
 * what is stopped or still being started: it lives in a cgroup of its own until then.
 */
export async function execCommand(
  command: readonly string[],
  { container, hostRoot }: ExecIn,
  limit: Limit,
): Promise<CommandResult> {
  const cgroup = ownCgroup(container);
  const output = new LimitedOutput();
  let running: RunningExec | undefined;
  let killing: NodeJS.Timeout | undefined;
  const kill = (): void => {
    cgroup?.kill();
    running?.signal(SIG.SIGKILL);
  };
  // Again and again: it may still be about to be started.
  const ignoreAbort = onAbort(limit.signal, () => {
    kill();
    killing = setInterval(kill, KILL_AGAIN);
  });
  try {
    running = await startExec({
      hostRoot,
      container: cgroup === undefined ? container : { ...container, cgroup: cgroup.path },
      command,
      terminal: false,
      stdin: false,
      isDetachable: false,
    });
    const read = readBoth(running, output);
    const { exitCode } = await running.exit;
    await Promise.race([read.ended, drained()]);
    read.stop();
    if (limit.signal.aborted) return { outcome: tooLate(command, limit), exitCode: undefined };
    return { outcome: exitCode === 0 ? success(output.text()) : failure(output.text()), exitCode };
  } catch (error) {
    if (limit.signal.aborted) return { outcome: tooLate(command, limit), exitCode: undefined };
    if (error instanceof ContainerStartError || error instanceof UserError)
      return { outcome: failedToRun(`failed to exec in container: ${error.message}`), exitCode: undefined };
    throw error;
  } finally {
    ignoreAbort();
    clearInterval(killing);
    if (cgroup !== undefined) dissolve(cgroup, container);
  }
}

/** Timers come before pipes: where nothing was looked at for all that time, the pipes are still to be read once. */
const drained = (): Promise<void> => new Promise(done => setTimeout(() => setImmediate(done), DRAIN));

function tooLate(command: readonly string[], { seconds = 0 }: Limit): Outcome {
  return failure(
    `command timed out: ${JSON.stringify(command.join(' '))} timed out after ${goDuration(seconds)}`,
  );
}

let serial = 0;

/** Below the container's, whose limits hold for it; undefined where there is none. */
function ownCgroup({ cgroup }: ContainerRecord): Cgroup | undefined {
  if (cgroup === undefined || !detectCgroups().isV2) return undefined;
  const own = new Cgroup(`${cgroup}/exec-${process.pid}-${serial++}`, true);
  try {
    own.create();
    return own;
  } catch {
    // The container has ended, or its cgroup takes no more; then there is no more than the main process to kill.
    return undefined;
  }
}

/** What the command has left behind is the container's, as of any exec. */
function dissolve(cgroup: Cgroup, { cgroup: parent }: ContainerRecord): void {
  // Again for those that were born meanwhile.
  for (let round = 0; round < 10 && !cgroup.remove(); round++)
    for (const pid of cgroup.processes()) {
      try {
        writeFileSync(`${parent}/cgroup.procs`, String(pid));
      } catch (error) {
        if (!['ESRCH', 'ENOENT', 'ENODEV', 'EBUSY'].includes(errnoCode(error) ?? '')) throw error;
      }
    }
}

/** Both streams as one, in the order in which they come. */
function readBoth(
  { streams }: RunningExec,
  output: LimitedOutput,
): { readonly ended: Promise<unknown>; stop(): void } {
  const sockets = [streams.stdout, streams.stderr].map(
    fd => new Socket({ fd: fd ?? -1, readable: true, writable: false }),
  );
  const ended = sockets.map(
    socket =>
      new Promise<void>(done => {
        // Beyond the limit it is read all the same, so that the command never waits for a reader.
        socket.on('data', (chunk: Buffer) => output.push(chunk));
        socket.on('error', () => {});
        socket.on('close', () => done());
      }),
  );
  return {
    ended: Promise.all(ended),
    stop: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}
