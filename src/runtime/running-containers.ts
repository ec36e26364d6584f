import type { Image } from '../image/store.ts';
import type { Container, PodSpec } from '../kube/types.generated.ts';
import { SIG } from '../linux/constants.generated.ts';
import { signalPidfd } from '../native/execute.ts';
import type { Exit } from './child-exits.ts';
import { isSidecar, type StartedContainer } from './container.ts';
import { onAbort } from './on-abort.ts';
import { type ContainerRecord, startTimeOf } from './pod-directory.ts';
import { startTimer } from './timer.ts';

export interface Running {
  readonly container: Container;
  readonly image: Image | undefined;
  readonly started: StartedContainer;
  readonly ended: Promise<Exit>;
}

/** A kubelet waits at least this long before it kills. */
const MIN_GRACE_SECONDS = 2;

/** The containers of a pod that run at this moment, and how they are ended. */
export class RunningContainers {
  readonly #running = new Map<string, Running>();
  readonly #order: readonly string[];
  readonly #graceSeconds: number;
  readonly #killSignal: AbortSignal | undefined;
  readonly #onKilling: (container: Container) => void;
  readonly #killAll: () => void;
  readonly #ending = new AbortController();
  #starting = 0;
  #deadline = 0;
  #end: Promise<void> | undefined;

  /** `killSignal` ends the grace period early; `killAll` is for what else of the pod there is then. */
  constructor(
    spec: PodSpec,
    killSignal: AbortSignal | undefined,
    onKilling: (container: Container) => void,
    killAll: () => void,
  ) {
    this.#order = [...spec.containers, ...(spec.initContainers ?? [])].map(({ name }) => name);
    this.#graceSeconds = Math.max(spec.terminationGracePeriodSeconds ?? 30, MIN_GRACE_SECONDS);
    this.#killSignal = killSignal;
    this.#onKilling = onKilling;
    this.#killAll = killAll;
  }

  /** Aborted when the pod's end has begun. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  /** Waits for the start of a container, which processes that share its PID namespace can hold up for ever (SIGSTOP). */
  async starting<T>(start: Promise<T>): Promise<T> {
    this.#starting++;
    try {
      return await start;
    } finally {
      this.#starting--;
    }
  }

  /** A container that was still being started when the pod's end began is ended with the others. */
  add(running: Running): void {
    this.#running.set(running.container.name, running);
    if (this.ending.aborted) void this.#endOne(running, this.#deadline);
  }

  remove(container: Container): void {
    this.#running.delete(container.name);
  }

  /** In the manifest's order, app containers first: the first one is what exec is for. */
  records(): readonly ContainerRecord[] {
    const running = this.#order.flatMap(name => this.#running.get(name) ?? []);
    return running.map(({ started: { child, facts } }) => ({
      ...facts.record,
      pid: child.pid,
      startTime: startTimeOf(child.pid) ?? '',
    }));
  }

  /** Sends a signal to the main process of every running container. */
  signal(signal: number): void {
    for (const { started } of this.#running.values()) signalPidfd(started.child.pidfd, signal);
  }

  /** Ends everything that runs: app containers first, sidecars after them in reverse order; TERM, grace period, KILL. */
  end(graceSeconds = this.#graceSeconds): Promise<void> {
    this.#ending.abort();
    this.#end ??= this.#endAll(graceSeconds);
    return this.#end;
  }

  async #endAll(graceSeconds: number): Promise<void> {
    this.#deadline = Date.now() + graceSeconds * 1000;
    const all = [...this.#running.values()];
    const apps = all.filter(({ container }) => !isSidecar(container));
    await Promise.all(apps.map(running => this.#endOne(running, this.#deadline)));
    for (const sidecar of all.filter(({ container }) => isSidecar(container)).reverse())
      await this.#endOne(sidecar, Math.max(this.#deadline, Date.now() + MIN_GRACE_SECONDS * 1000));
    if (this.#starting > 0) this.#killLater();
  }

  /** Whoever gets through its start until then is ended as all others. */
  #killLater(): void {
    const kill = (): void => {
      stopTimer();
      ignoreAbort();
      if (this.#starting > 0) this.#killAll();
    };
    let ignoreAbort = (): void => {};
    const stopTimer = startTimer(Math.max(0, this.#deadline - Date.now()), kill);
    ignoreAbort = onAbort(this.#killSignal, kill);
  }

  async #endOne({ container, image, started, ended }: Running, deadline: number): Promise<void> {
    const { pidfd } = started.child;
    this.#onKilling(container);
    signalPidfd(pidfd, stopSignal(image));
    const kill = (): void => {
      if (this.#running.has(container.name)) signalPidfd(pidfd, SIG.SIGKILL);
    };
    const stopTimer = startTimer(Math.max(0, deadline - Date.now()), kill);
    const ignoreAbort = onAbort(this.#killSignal, kill);
    await ended;
    ignoreAbort();
    stopTimer();
  }
}

/** The image's StopSignal, by name or number; SIGTERM without one. */
function stopSignal(image: Image | undefined): number {
  const word = image?.config.StopSignal ?? '';
  const name = (word.startsWith('SIG') ? word : `SIG${word}`) as keyof typeof SIG;
  if (/^\d+$/.test(word)) return Number(word);
  return Object.hasOwn(SIG, name) ? SIG[name] : SIG.SIGTERM;
}
