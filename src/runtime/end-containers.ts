import { SIG } from '../linux/constants.generated.ts';
import { signalPidfd } from '../native/execute.ts';
import { delay, onAbort } from './on-abort.ts';
import type { Running } from './running-containers.ts';
import { stopSignalOf } from './stop-signal.ts';
import { startTimer } from './timer.ts';

/** A kubelet waits at least this long between the stop signal and SIGKILL. */
const MIN_GRACE_SECONDS = 2;

export interface EndOptions {
  /** When the grace period is over, in milliseconds of performance.now(). */
  readonly deadline: number;
  /** Ends the grace period early. */
  readonly killSignal: AbortSignal | undefined;
  /** Whose end comes first: sidecars wait for those that use them. */
  readonly after?: readonly Running[];
}

/** Ends one container in the kubelet's order: preStop, its turn, the stop signal, what is left of the grace period, SIGKILL. */
export async function endContainer(
  { container, image, started, ended, supervision }: Running,
  { deadline, killSignal, after = [] }: EndOptions,
): Promise<void> {
  const { pidfd } = started.child;
  const over = new AbortController();
  const kill = (): void => {
    if (!over.signal.aborted) signalPidfd(pidfd, SIG.SIGKILL);
  };
  void ended.then(() => over.abort());
  const ignoreAbort = onAbort(killSignal, kill);
  const left = (): number => Math.max(0, deadline - performance.now());
  await supervision?.preStop(left() / 1000);
  if (after.length > 0) await turn(after, left(), over.signal);
  if (!over.signal.aborted) signalPidfd(pidfd, stopSignalOf(container, image?.config.StopSignal));
  const stopTimer = startTimer(Math.max(left(), MIN_GRACE_SECONDS * 1000), kill);
  await ended;
  ignoreAbort();
  stopTimer();
}

/** Waits until others have ended, the grace period is over, or there is nothing to wait for any more. */
async function turn(others: readonly Running[], milliseconds: number, over: AbortSignal): Promise<void> {
  const come = new AbortController();
  const ignoreEnd = onAbort(over, () => come.abort());
  void Promise.all(others.map(({ ended }) => ended)).then(() => come.abort());
  await delay(milliseconds, come.signal);
  ignoreEnd();
}

/** Ends all at once; sidecars wait for the app containers, and for the sidecars that came after them. */
export async function endContainers(
  all: readonly Running[],
  sidecars: ReadonlySet<string>,
  end: (running: Running, after: readonly Running[]) => Promise<void>,
): Promise<void> {
  const isSidecar = ({ container }: Running): boolean => sidecars.has(container.name);
  const apps = all.filter(running => !isSidecar(running));
  const others = all.filter(isSidecar);
  await Promise.all([
    ...apps.map(running => end(running, [])),
    ...others.map((running, i) => end(running, [...apps, ...others.slice(i + 1)])),
  ]);
}
