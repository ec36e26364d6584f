import type { Image } from '../image/store.ts';
import type { Container, PodSpec } from '../kube/types.generated.ts';
import { SIG } from '../linux/constants.generated.ts';
import { signalPidfd } from '../native/execute.ts';
import type { Exit } from './child-exits.ts';
import { isSidecar, type StartedContainer } from './container.ts';
import { endContainer, endContainers } from './end-containers.ts';
import { onAbort } from './on-abort.ts';
import { type ContainerRecord, startTimeOf } from './pod-directory.ts';
import type { Supervision } from './supervision.ts';
import { startTimer } from './timer.ts';

export interface Running {
  readonly container: Container;
  readonly image: Image | undefined;
  readonly started: StartedContainer;
  readonly ended: Promise<Exit>;
  /** Undefined for one without probes and hooks. */
  readonly supervision?: Supervision | undefined;
}

/** The containers of a pod that run at this moment, and how they are ended. */
export class RunningContainers {
  readonly #running = new Map<string, Running>();
  readonly #order: readonly string[];
  readonly #sidecars: ReadonlySet<string>;
  /** Containers that are being ended one by one. */
  readonly #ends = new Map<Running, Promise<void>>();
  readonly #graceSeconds: number;
  readonly #killSignal: AbortSignal | undefined;
  readonly #onKilling: (container: Container, message: string | undefined) => void;
  readonly #killAll: () => void;
  readonly #ending = new AbortController();
  #starting = 0;
  #deadline = 0;
  #end: Promise<void> | undefined;

  /** `killSignal` ends the grace period early; `killAll` is for what else of the pod there is then. */
  constructor(
    spec: PodSpec,
    killSignal: AbortSignal | undefined,
    onKilling: (container: Container, message: string | undefined) => void,
    killAll: () => void,
  ) {
    this.#order = [...spec.containers, ...(spec.initContainers ?? [])].map(({ name }) => name);
    this.#sidecars = new Set((spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
    this.#graceSeconds = spec.terminationGracePeriodSeconds ?? 30;
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

  names(): readonly string[] {
    return [...this.#running.keys()];
  }

  get(name: string): Running | undefined {
    return this.#running.get(name);
  }

  remove(container: Container): void {
    this.#running.delete(container.name);
  }

  /** In the manifest's order, app containers first: the first one is what exec is for. */
  records(): readonly ContainerRecord[] {
    const running = this.#order.flatMap(name => this.#running.get(name) ?? []);
    return running.map(recordOf);
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
    this.#deadline = performance.now() + graceSeconds * 1000;
    const all = this.#order.flatMap(name => this.#running.get(name) ?? []);
    await endContainers(all, this.#sidecars, (running, after) =>
      this.#endOne(running, this.#deadline, undefined, after),
    );
    if (this.#starting > 0) this.#killLater();
  }

  /** Ends one container that is to be restarted, or not; the message is that of the event. */
  async stop(container: Container, message: string, graceSeconds = this.#graceSeconds): Promise<void> {
    const running = this.#running.get(container.name);
    if (running === undefined || this.ending.aborted || this.#ends.has(running)) return;
    await this.#endOne(running, performance.now() + graceSeconds * 1000, message);
  }

  /** Whoever gets through its start until then is ended as all others. */
  #killLater(): void {
    const kill = (): void => {
      stopTimer();
      ignoreAbort();
      if (this.#starting > 0) this.#killAll();
    };
    let ignoreAbort = (): void => {};
    const stopTimer = startTimer(Math.max(0, this.#deadline - performance.now()), kill);
    ignoreAbort = onAbort(this.#killSignal, kill);
  }

  /** One that is being ended already only has less time left, if any. */
  async #endOne(
    running: Running,
    deadline: number,
    message?: string,
    after: readonly Running[] = [],
  ): Promise<void> {
    const begun = this.#ends.get(running);
    if (begun !== undefined) {
      const kill = (): void => void signalPidfd(running.started.child.pidfd, SIG.SIGKILL);
      const stopTimer = startTimer(Math.max(0, deadline - performance.now()), kill);
      await begun;
      stopTimer();
      return;
    }
    this.#onKilling(running.container, message);
    const end = endContainer(running, { deadline, killSignal: this.#killSignal, after });
    this.#ends.set(running, end);
    await end;
    this.#ends.delete(running);
  }
}

/** What other commands are told of it; it must not have been waited for. */
export function recordOf({
  started: { child, facts },
  supervision,
}: Omit<Running, 'ended'>): ContainerRecord {
  return {
    ...facts.record,
    pid: child.pid,
    startTime: startTimeOf(child.pid) ?? '',
    started: supervision?.started ?? true,
    ready: supervision?.ready ?? true,
  };
}
