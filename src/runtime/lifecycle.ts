import { closeSync } from 'node:fs';
import type { Container } from '../kube/types.generated.ts';
import type { ContainerInput } from '../pipeline.ts';
import type { Audit } from './audit/audit.ts';
import type { Exit } from './child-exits.ts';
import { connectInput, readStreams } from './connect-streams.ts';
import { ContainerStartError, isSidecar, type StartedContainer, startContainer } from './container.ts';
import { ContainerResults } from './container-results.ts';
import type { LifecycleHooks } from './lifecycle-hooks.ts';
import { MemoryPeak } from './memory-peak.ts';
import { delay, onAbort } from './on-abort.ts';
import { hasOomKill } from './pod-cgroup.ts';
import { watchLimits } from './pod-limits.ts';
import type { PodResult } from './pod-result.ts';
import { type BackOff, duration, resume, shouldRestart } from './restart.ts';
import type { ResultBuilder } from './result-builder.ts';
import type { RunPodOptions } from './run-options.ts';
import { RunningContainers } from './running-containers.ts';
import { type SupervisedExit, supervise } from './supervision.ts';

/** Seconds until what is missing or wrong around a container is looked at again. */
const CONFIG_RETRY_SECONDS = 10;

/** containerd's exit code of what could not be started. */
const NOT_STARTED: Exit = { exitCode: 128, signal: undefined, cpuMicroseconds: 0, maxRss: 0 };

/** Milliseconds until what runs is written down for other commands. */
const RECORD_DELAY = 4;

/** The life of one attached pod: init containers, sidecars, app containers, restarts, the end in the kubelet's order. */
export class PodLifecycle {
  readonly #options: RunPodOptions;
  readonly #input: (container: Container, attempt: number) => ContainerInput;
  readonly #hooks: LifecycleHooks;
  readonly #running: RunningContainers;
  readonly #results: ContainerResults;
  #recording: NodeJS.Timeout | undefined;
  #reason: { readonly reason: string; readonly message: string } | undefined;

  constructor(
    options: RunPodOptions,
    input: (container: Container, attempt: number) => ContainerInput,
    hooks: LifecycleHooks,
  ) {
    this.#options = options;
    this.#input = input;
    this.#hooks = hooks;
    const spec = options.pod.spec ?? { containers: [] };
    this.#results = new ContainerResults(options.pod, hooks.images, options.capture === true);
    this.#running = new RunningContainers(
      spec,
      options.killSignal,
      ({ name }, message = `Stopping container ${name}`) =>
        options.observer.onEvent?.('Normal', 'Killing', message, name),
      () => hooks.kill(),
    );
  }

  async run(): Promise<PodResult> {
    const { pod, signal } = this.#options;
    const spec = pod.spec ?? { containers: [] };
    const ignoreAbort = onAbort(signal, () => void this.#running.end());
    onAbort(this.#running.ending, () => this.#record());
    const stopWatching = watchLimits(this.#options, this.#hooks, {
      attempt: container => this.#results.attempt(container),
      fail: (reason, message, graceSeconds) => this.#fail(reason, message, graceSeconds),
    });
    const background: Promise<void>[] = [];
    try {
      let isInitialised = true;
      for (const container of spec.initContainers ?? []) {
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
      clearTimeout(this.#recording);
    }
    return this.#results.build(this.#reason);
  }

  get #isStopping(): boolean {
    return this.#running.ending.aborted;
  }

  /** Ends the pod as a whole. */
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
    const { backOff, first } = resume(this.#hooks.keeper?.attempts(container));
    for (let attempt = first; ; attempt++) {
      const exit = await this.#attempt(container, attempt, result);
      if (exit === undefined && !(await this.#canRetry())) return false;
      if (exit === undefined) continue;
      const how = { isAttached: this.#hooks.keeper === undefined, wasUnhealthy: exit.wasUnhealthy };
      if (this.#isStopping || !shouldRestart(this.#options.pod, container, exit.exitCode, how))
        return exit.exitCode === 0;
      if (!(await this.#waitBeforeRestart(container, exit, backOff, result))) return false;
    }
  }

  /** What keeps a container from being made may be put right, where somebody waits for that. */
  async #canRetry(): Promise<boolean> {
    if (this.#hooks.keeper === undefined || this.#isStopping) return false;
    await delay(CONFIG_RETRY_SECONDS * 1000, this.#running.ending);
    return !this.#isStopping;
  }

  /** A sidecar: restarted for ever, and its exit codes never count. */
  async #keepRunning(container: Container, onStarted: (isRunning: boolean) => void): Promise<void> {
    const result = this.#results.begin(container, true);
    const { backOff, first } = resume(this.#hooks.keeper?.attempts(container));
    try {
      for (let attempt = first; !this.#isStopping; attempt++) {
        const exit = await this.#attempt(container, attempt, result, onStarted);
        if (exit === undefined && (await this.#canRetry())) continue;
        if (exit === undefined || this.#isStopping) return;
        if (!(await this.#waitBeforeRestart(container, exit, backOff, result))) return;
      }
    } finally {
      // For those that wait for it still; who has started has said so long ago.
      onStarted(false);
    }
  }

  /** From the end of the container on, which may have been a while ago. */
  async #waitBeforeRestart(
    container: Container,
    exit: Exit,
    backOff: BackOff,
    result: ResultBuilder,
  ): Promise<boolean> {
    const { observer, pod } = this.#options;
    const { name, namespace, uid } = pod.metadata ?? {};
    const { state } = result.state();
    const { startedAt, finishedAt } = state.is === 'terminated' ? state : { startedAt: 0, finishedAt: 0 };
    const wanted = backOff.next(startedAt === 0 ? 0 : (finishedAt - startedAt) / 1000);
    const seconds = Math.max(0, Math.min(wanted, wanted - (Date.now() - finishedAt) / 1000));
    if (wanted > 0) {
      result.waiting(
        'CrashLoopBackOff',
        `back-off ${duration(wanted)} restarting failed container=${container.name} pod=${name}_${namespace}(${uid})`,
      );
      this.#tellStates();
      observer.onEvent?.(
        'Warning',
        'BackOff',
        `Back-off restarting failed container ${container.name} in pod ${name}_${namespace}(${uid})`,
        container.name,
      );
      // Minutes in which nothing would be seen to happen.
      observer.onWarning?.(
        `container "${container.name}" ended with exit code ${exit.exitCode}: back-off ${wanted}s before it is restarted`,
      );
    }
    await delay(seconds * 1000, this.#running.ending);
    return !this.#isStopping;
  }

  /** One start of a container to its exit; undefined if it did not start. */
  async #attempt(
    container: Container,
    attempt: number,
    result: ResultBuilder,
    onStarted?: (isRunning: boolean) => void,
  ): Promise<SupervisedExit | undefined> {
    const [found] = this.#hooks.keeper?.attempts(container) ?? [];
    const adopted = found?.number === attempt ? this.#hooks.keeper?.adopt(container, found) : undefined;
    if (adopted !== undefined && 'failure' in adopted) {
      result.notStarted('StartError', adopted.failure, attempt);
      this.#tellStates();
      return NOT_STARTED;
    }
    if (adopted !== undefined) return this.#untilEnd(container, attempt, adopted, result, onStarted);
    const { observer } = this.#options;
    const input = this.#input(container, attempt);
    const audit = this.#options.onAudited === undefined ? undefined : await startAudit(input);
    let started: StartedContainer;
    try {
      started = await this.#running.starting(
        startContainer(input, this.#hooks.images.get(container.name), {
          trace: this.#options.trace === true,
          sandbox: this.#hooks.sandbox,
          auditSocket: audit?.socket,
          keeper: this.#hooks.keeper,
        }),
      );
    } catch (error) {
      if (!(error instanceof ContainerStartError)) throw error;
      if (error.programError !== undefined)
        observer.onTrace?.(container.name, error.programError.program, error.programError.report);
      observer.onEvent?.('Warning', 'Failed', `Error: ${error.message}`, container.name);
      result.notStarted(error.reason, error.message, attempt);
      if (error.reason === 'StartError') this.#hooks.keeper?.failed(container, attempt, error.message);
      this.#tellStates();
      return this.#hooks.keeper !== undefined && error.reason === 'StartError' ? NOT_STARTED : undefined;
    } finally {
      audit?.close();
    }
    if (attempt === 0)
      for (const warning of started.warnings)
        observer.onWarning?.(`container "${container.name}": ${warning}`);
    const { made } = started;
    if (made !== undefined) {
      observer.onTrace?.(container.name, made.stages.compiled.program, made.report);
      observer.onStarted?.(container.name, made.stages);
    }
    observer.onEvent?.('Normal', 'Started', 'Container started', container.name);
    const exit = await this.#untilEnd(container, attempt, started, result, onStarted);
    if (audit !== undefined && made !== undefined)
      this.#options.onAudited?.(container, made.stages, await audit.observation);
    return exit;
  }

  async #untilEnd(
    container: Container,
    attempt: number,
    started: StartedContainer,
    result: ResultBuilder,
    onStarted?: (isRunning: boolean) => void,
  ): Promise<SupervisedExit> {
    const { facts, exited: ended } = started;
    const keptInput = connectInput(this.#options, container, started);
    const { keeper } = this.#hooks;
    const streams =
      keeper === undefined ? readStreams(this.#options, container, started, result) : Promise.resolve();
    const memory =
      keeper === undefined ? new MemoryPeak(started.child.pid, this.#options.capture === true) : undefined;
    const running = { container, image: this.#hooks.images.get(container.name), started, ended };
    const context = { ...this.#hooks, ...this.#options, onChange: () => this.#changed() };
    const supervision = supervise(running, this.#running, context);
    this.#running.add({ ...running, supervision });
    result.running(started.startedAt, attempt);
    this.#changed();
    void (supervision?.begin() ?? Promise.resolve()).then(() => onStarted?.(true));
    const exit = await ended;
    supervision?.end();
    const finishedAt = keeper?.attempts(container)[0]?.end?.finishedAt ?? Date.now();
    this.#running.remove(container);
    if (keptInput !== undefined) closeSync(keptInput);
    if (started.streams.terminal !== undefined && keeper !== undefined) closeSync(started.streams.terminal);
    // What the main process left behind, which also holds the pipes. A PID namespace of its own is empty already.
    if (!facts.hasOwnPids) started.cgroup?.kill();
    await streams;
    if (keeper !== undefined && container.terminationMessagePolicy === 'FallbackToLogsOnError')
      result.output('stdout', keeper.logTail(container, attempt));
    // containerd's rule: somebody of the container was killed for want of memory, and it ended as one who is killed.
    const isOomKilled = exit.exitCode === 137 && hasOomKill(facts.cgroup);
    const message = started.terminationLog.read();
    started.terminationLog.close();
    const maxRss = memory?.end(exit.maxRss) ?? exit.maxRss;
    const { failure, wasUnhealthy = false } = supervision ?? {};
    result.ended({ ...exit, maxRss, isOomKilled, message, failure }, started.startedAt, finishedAt, attempt);
    this.#changed();
    return { ...exit, wasUnhealthy };
  }

  #changed(): void {
    this.#record();
    this.#tellStates();
  }

  #tellStates(): void {
    this.#hooks.onStates?.(this.#results.states(name => this.#running.status(name)));
  }

  /** Written a moment later: many containers start in one moment, and some are gone before anybody could ask. */
  #record(): void {
    this.#recording ??= setTimeout(async () => {
      this.#recording = undefined;
      const { pause } = await this.#hooks.sandbox;
      try {
        this.#hooks.record(this.#running.records(), pause, this.#isStopping);
      } catch (error) {
        // A full disk is no reason to end a pod that runs.
        this.#options.observer.onWarning?.(`ps, inspect and exec do not know what runs: ${error}`);
      }
    }, RECORD_DELAY);
  }

  /** Sends a signal to the main process of every running container. */
  signal(signal: number): void {
    this.#running.signal(signal);
  }
}

/** Loaded only when asked for: it brings node:worker_threads along. */
async function startAudit(input: ContainerInput): Promise<Audit> {
  return (await import('./audit/audit.ts')).startAudit(input);
}
