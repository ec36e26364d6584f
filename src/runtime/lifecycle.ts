import type { Container, PodSpec } from '../kube/types.generated.ts';
import type { ContainerInput } from '../pipeline.ts';
import { connectInput, readStreams } from './connect-streams.ts';
import { ContainerStartError, isSidecar, type StartedContainer } from './container.ts';
import { settleEnd } from './container-end.ts';
import { ContainerResults } from './container-results.ts';
import { KeptInputs } from './kept-inputs.ts';
import type { LifecycleHooks } from './lifecycle-hooks.ts';
import { MemoryPeak } from './memory-peak.ts';
import { onAbort } from './on-abort.ts';
import { watchDeadline, watchLimits } from './pod-limits.ts';
import type { PodResult } from './pod-result.ts';
import { RecordLater } from './record-later.ts';
import { type EndedRun, resume, shouldRestart, waitForRestart, waitToRetry } from './restart.ts';
import type { ResultBuilder } from './result-builder.ts';
import { endedBefore, foundContainers, hasBegun, lastBefore } from './resumed-states.ts';
import type { RunPodOptions } from './run-options.ts';
import { RunningContainers } from './running-containers.ts';
import { type ObservedStart, startObserved } from './start-observed.ts';
import { type Attempt, notStarted, supervise } from './supervision.ts';
import { steadyTime } from './timer.ts';

/** The life of one attached pod: init containers, sidecars, app containers, restarts, the end in the kubelet's order. */
export class PodLifecycle {
  readonly #options: RunPodOptions;
  readonly #input: (container: Container, attempt: number) => ContainerInput;
  readonly #hooks: LifecycleHooks;
  readonly #running: RunningContainers;
  readonly #results: ContainerResults;
  readonly #record: RecordLater;
  readonly #inputs = new KeptInputs();
  /** Of performance.now(). */
  readonly #startedAt: number;
  #reason: { readonly reason: string; readonly message: string } | undefined;
  #hasBegun = false;
  /** It was to end before it had begun. */
  #endsAtOnce: { readonly graceSeconds: number | undefined } | undefined;

  constructor(
    options: RunPodOptions,
    input: (container: Container, attempt: number) => ContainerInput,
    hooks: LifecycleHooks,
  ) {
    this.#options = options;
    this.#input = input;
    this.#hooks = hooks;
    this.#startedAt = steadyTime(hooks.startedAt ?? Date.now());
    const spec = options.pod.spec ?? { containers: [] };
    this.#results = new ContainerResults(options.pod, hooks, options.capture === true);
    this.#running = new RunningContainers(
      spec,
      options.killSignal,
      ({ name }, message = `Stopping container ${name}`) =>
        options.observer.onEvent?.('Normal', 'Killing', message, name),
      () => hooks.kill(),
    );
    this.#record = new RecordLater(
      async () => {
        const { pause } = await hooks.sandbox;
        hooks.record(this.#running.records(), pause, this.#isStopping);
      },
      // A full disk is no reason to end a pod that runs.
      error => options.observer.onWarning?.(`ps, inspect and exec do not know what runs: ${error}`),
    );
  }

  async run(): Promise<PodResult> {
    const { pod, signal } = this.#options;
    const spec = pod.spec ?? { containers: [] };
    this.#hasBegun = true;
    const found =
      this.#endsAtOnce === undefined ? undefined : this.#endFound(spec, this.#endsAtOnce.graceSeconds);
    const ignoreAbort = onAbort(signal, () => void this.#running.end());
    onAbort(this.#running.ending, () => this.#record.soon());
    const { paths } = this.#hooks;
    const stopWatching = watchLimits(
      this.#options,
      { paths, startedAt: this.#startedAt },
      {
        attempt: container => this.#results.attempt(container),
        fail: this.#fail.bind(this),
      },
    );
    const background: Promise<void>[] = [];
    try {
      await found;
      let isInitialised = found === undefined && !this.#isStopping;
      for (const container of isInitialised ? (spec.initContainers ?? []) : []) {
        if (isSidecar(container))
          isInitialised = await new Promise(started => {
            background.push(this.#keepRunning(container, started));
          });
        else isInitialised = await this.#runToEnd(container, true);
        if (!isInitialised || this.#isStopping) break;
      }
      if (isInitialised && !this.#isStopping) await this.#runAll(spec.containers);
    } finally {
      stopWatching();
      ignoreAbort();
      await this.#running.end();
      await Promise.all(background);
      this.#record.stop();
    }
    return this.#results.build(this.#reason);
  }

  /** Nothing is begun any more, but what another process has begun has its time to end, in its order. */
  async #endFound(spec: PodSpec, graceSeconds: number | undefined): Promise<void> {
    const all = foundContainers(this.#hooks, spec).map(({ container, isInit, attempt }) =>
      this.#attempt(container, attempt, this.#results.begin(container, isInit)),
    );
    void this.#running.end(graceSeconds);
    await Promise.all(all);
  }

  get #isStopping(): boolean {
    return this.#running.ending.aborted;
  }

  #fail(reason: string, message: string, graceSeconds?: number): void {
    this.#reason = { reason, message };
    void this.#running.end(graceSeconds);
  }

  /** Runs the app containers side by side. What is no container's own failure ends them all, and is thrown then. */
  async #runAll(containers: readonly Container[]): Promise<void> {
    const all = await Promise.allSettled(
      containers.map(async container => {
        try {
          await this.#runToEnd(container, false);
        } catch (error) {
          void this.#running.end();
          throw error;
        }
      }),
    );
    for (const one of all) if (one.status === 'rejected') throw one.reason;
  }

  /** Runs a container, again and again as its policy says; true if it ended well. */
  async #runToEnd(container: Container, isInit: boolean): Promise<boolean> {
    const result = this.#results.begin(container, isInit);
    const over = isInit ? undefined : endedBefore(this.#hooks, this.#options.pod, container);
    if (over !== undefined) {
      result.still(over);
      return over.state.exitCode === 0;
    }
    const { backOff, first } = resume(this.#hooks, container);
    for (let attempt = first; ; ) {
      const exit = await this.#attempt(container, attempt, result);
      if (exit === undefined && !(await this.#canRetry())) return false;
      // Of what was never made nothing is counted.
      if (exit === undefined) continue;
      attempt++;
      const { exitCode, wasUnhealthy } = exit;
      // With Always, an init container is restarted as with OnFailure: the others wait for its end.
      if (isInit && exitCode === 0) return true;
      if (this.#isStopping || !this.#restarts(container, exitCode, wasUnhealthy)) return exit.exitCode === 0;
      if (!(await this.#waitBeforeRestart({ container, exit, backOff, result }))) return false;
    }
  }

  #restarts(container: Container, exitCode: number, wasUnhealthy: boolean): boolean {
    const isAttached = this.#hooks.keeper === undefined;
    return shouldRestart(this.#options.pod, container, exitCode, { isAttached, wasUnhealthy });
  }

  /** What keeps a container from being made may be put right, where somebody waits for that. */
  async #canRetry(): Promise<boolean> {
    return this.#hooks.keeper !== undefined && (await waitToRetry(this.#running.ending));
  }

  /** A sidecar: restarted for ever, and its exit codes never count. */
  async #keepRunning(container: Container, onStarted: (isRunning: boolean) => void): Promise<void> {
    const result = this.#results.begin(container, true);
    const { backOff, first } = resume(this.#hooks, container);
    if (hasBegun(this.#hooks, this.#options.pod)) onStarted(true);
    try {
      for (let attempt = first; !this.#isStopping; ) {
        const exit = await this.#attempt(container, attempt, result, onStarted);
        if (exit === undefined && (await this.#canRetry())) continue;
        if (exit === undefined || this.#isStopping) return;
        attempt++;
        if (!(await this.#waitBeforeRestart({ container, exit, backOff, result }))) return;
      }
    } finally {
      // For those that wait for it still; who has started has said so long ago.
      onStarted(false);
    }
  }

  #waitBeforeRestart(about: Omit<EndedRun, 'ending'>): Promise<boolean> {
    const { ending } = this.#running;
    return waitForRestart({ ...about, ending }, this.#options, () => this.#tellStates());
  }

  /** One start to its exit; undefined if it did not start. */
  async #attempt(
    container: Container,
    attempt: number,
    result: ResultBuilder,
    onStarted?: (isRunning: boolean) => void,
  ): Promise<Attempt | undefined> {
    const { keeper } = this.#hooks;
    const records = keeper?.attempts(container) ?? [];
    const [found] = records;
    const adopted = found?.number === attempt ? keeper?.adopt(container, found) : undefined;
    if (adopted !== undefined)
      result.found(attempt, lastBefore(this.#hooks.known?.get(container.name), records));
    if (adopted !== undefined && 'failure' in adopted) {
      result.notStarted('StartError', adopted.failure, attempt);
      this.#tellStates();
      return notStarted(adopted.failure);
    }
    if (adopted !== undefined)
      return this.#untilEnd(container, attempt, adopted, result, onStarted, found?.end !== undefined);
    const input = this.#input(container, attempt);
    const image = this.#hooks.images.get(container.name);
    let made: ObservedStart;
    try {
      made = await this.#running.starting(startObserved(this.#options, this.#hooks, input, image));
    } catch (error) {
      if (!(error instanceof ContainerStartError)) throw error;
      result.notStarted(error.reason, error.message, attempt);
      if (error.reason === 'StartError') keeper?.failed(container, attempt, error.message);
      this.#tellStates();
      return keeper !== undefined && error.reason === 'StartError' ? notStarted(error.message) : undefined;
    }
    keeper?.forgetOld(container);
    const exit = await this.#untilEnd(container, attempt, made.started, result, onStarted);
    await made.ended();
    return exit;
  }

  async #untilEnd(
    container: Container,
    attempt: number,
    started: StartedContainer,
    result: ResultBuilder,
    onStarted?: (isRunning: boolean) => void,
    isOver = false,
  ): Promise<Attempt> {
    const { facts, exited: ended, startedAt } = started;
    const began = steadyTime(startedAt);
    const { keeper } = this.#hooks;
    this.#inputs.add(container.name, connectInput(this.#options, container, started), () =>
      keeper?.endInput(container, attempt),
    );
    const streams =
      keeper === undefined ? readStreams(this.#options, container, started, result) : Promise.resolve();
    const memory =
      keeper === undefined ? new MemoryPeak(started.child.pid, this.#options.capture === true) : undefined;
    const running = { container, image: this.#hooks.images.get(container.name), started, ended };
    // One that ended while nobody looked does not run again for a moment.
    const supervision = isOver
      ? undefined
      : supervise(running, this.#running, {
          ...this.#options,
          reach: this.#hooks.reach,
          onChange: known => {
            keeper?.note(container, attempt, known);
            this.#changed();
          },
        });
    if (!isOver) {
      this.#running.add({ ...running, supervision });
      result.running(started.startedAt, attempt, supervision);
      if (supervision === undefined) onStarted?.(true);
      else void supervision.begin().then(() => onStarted?.(true));
      this.#changed();
    }
    const exit = await ended;
    keeper?.release(started);
    const finishedAt = keeper?.attempts(container)[0]?.end?.finishedAt ?? Date.now();
    supervision?.end();
    this.#running.remove(container);
    this.#inputs.forget(container.name);
    // What the main process left behind, which also holds the pipes. A PID namespace of its own is empty already.
    if (!facts.hasOwnPids) started.cgroup?.kill();
    await streams;
    const memoryPeak = memory?.end(exit.maxRss);
    settleEnd({ container, attempt, started, result, keeper }, exit, { finishedAt, memoryPeak, supervision });
    this.#changed();
    const { wasUnhealthy = false, failure } = supervision ?? {};
    const ranFor = isOver ? finishedAt - startedAt : performance.now() - began;
    return { ...exit, ranFor, wasUnhealthy, failure };
  }

  #changed(): void {
    this.#record.soon();
    this.#tellStates();
  }

  #tellStates(): void {
    this.#hooks.onStates?.(this.#results.states());
  }

  /** Ends the pod: the grace period, in seconds, is its own if none is given. */
  async end(graceSeconds?: number): Promise<void> {
    if (this.#hasBegun) await this.#running.end(graceSeconds);
    else this.#endsAtOnce ??= { graceSeconds };
  }

  /** activeDeadlineSeconds has become this: less than it was. */
  shortenDeadline(seconds: number): void {
    const stop = watchDeadline(seconds, this.#startedAt, this.#options.observer, this.#fail.bind(this));
    onAbort(this.#running.ending, stop);
  }

  /** Closes the input of a container, for good. */
  endInput(name: string): void {
    this.#inputs.end(name);
  }

  /** A container that runs now. */
  running(name: string): StartedContainer | undefined {
    return this.#running.get(name)?.started;
  }

  /** Of the containers that run now, by name. */
  attempts(): readonly { readonly name: string; readonly attempt: number }[] {
    return this.#running.names().map(name => ({ name, attempt: this.#results.attempt(name) }));
  }

  /** Sends a signal to the main process of every running container. */
  signal(signal: number): void {
    this.#running.signal(signal);
  }
}
