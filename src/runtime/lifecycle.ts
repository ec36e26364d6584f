import { closeSync } from 'node:fs';
import type { Image } from '../image/store.ts';
import type { Container } from '../kube/types.generated.ts';
import type { Child } from '../native/execute.ts';
import type { PodPaths } from '../oci/pod-paths.ts';
import type { ContainerInput } from '../pipeline.ts';
import type { Audit } from './audit/audit.ts';
import { type Exit, waitForExit } from './child-exits.ts';
import { connectInput, readStreams } from './connect-streams.ts';
import { ContainerStartError, isSidecar, type StartedContainer, startContainer } from './container.ts';
import { MemoryPeak } from './memory-peak.ts';
import { delay, onAbort } from './on-abort.ts';
import { hasOomKill } from './pod-cgroup.ts';
import type { ContainerRecord } from './pod-directory.ts';
import { type PodResult, phaseOf } from './pod-result.ts';
import { BackOff, shouldRestart } from './restart.ts';
import { ResultBuilder } from './result-builder.ts';
import type { RunPodOptions } from './run-options.ts';
import { RunningContainers } from './running-containers.ts';
import type { Sandbox } from './sandbox.ts';
import { storageLimits, watchStorage } from './storage-limits.ts';
import { type Attempt, type Reach, supervise } from './supervision.ts';
import { secondsSince, startTimer } from './timer.ts';

export interface LifecycleHooks {
  readonly paths: PodPaths;
  readonly images: ReadonlyMap<string, Image>;
  /** Its namespaces are there, and the pod's volumes are filled. */
  readonly sandbox: Promise<Sandbox>;
  /** For probes and hooks. */
  readonly reach: Reach;
  /** Kills every process of the pod. */
  kill(): void;
  /** Writes down what runs, for other commands, and whether the pod's end has begun. */
  record(containers: readonly ContainerRecord[], pause: Child | undefined, isEnding: boolean): void;
}

/** immediateEvictionGracePeriodSeconds of the kubelet. */
const EVICTION_GRACE_SECONDS = 1;

/** Milliseconds until what runs is written down for other commands. */
const RECORD_DELAY = 4;

/** The life of one attached pod: init containers, sidecars, app containers, restarts, the end in the kubelet's order. */
export class PodLifecycle {
  readonly #options: RunPodOptions;
  readonly #input: (container: Container, attempt: number) => ContainerInput;
  readonly #hooks: LifecycleHooks;
  readonly #running: RunningContainers;
  readonly #results = new Map<string, ResultBuilder>();
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
    const stopDeadline = this.#startDeadline(spec.activeDeadlineSeconds);
    const stopWatching = this.#watchStorage();
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
      stopDeadline?.();
      stopWatching();
      ignoreAbort();
      await this.#running.end();
      await Promise.all(background);
      clearTimeout(this.#recording);
    }
    return this.#result();
  }

  get #isStopping(): boolean {
    return this.#running.ending.aborted;
  }

  #startDeadline(seconds: number | undefined): (() => void) | undefined {
    if (seconds === undefined) return undefined;
    return startTimer(seconds * 1000, () => {
      this.#reason = {
        reason: 'DeadlineExceeded',
        message: 'Pod was active on the node longer than the specified deadline',
      };
      void this.#running.end();
    });
  }

  /** The kubelet's eviction manager, as far as it is about what the pod itself was allowed. */
  #watchStorage(): () => void {
    const { pod } = this.#options;
    const attempt = (container: string): number => this.#results.get(container)?.build().restartCount ?? 0;
    return watchStorage(
      () => storageLimits(pod, this.#hooks.paths, attempt),
      message => {
        this.#reason = { reason: 'Evicted', message };
        this.#options.observer.onEvent?.('Warning', 'Evicted', message, '');
        void this.#running.end(EVICTION_GRACE_SECONDS);
      },
    );
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
    const result = this.#resultOf(container, isInit);
    const backOff = new BackOff();
    for (let attempt = 0; ; attempt++) {
      const startedAt = Date.now();
      const exit = await this.#attempt(container, attempt, result);
      if (exit === undefined) return false;
      if (this.#isStopping || !shouldRestart(this.#options.pod, container, exit.exitCode, exit.wasUnhealthy))
        return exit.exitCode === 0;
      if (!(await this.#waitBeforeRestart(container, exit, backOff.next(secondsSince(startedAt)))))
        return false;
    }
  }

  /** A sidecar: restarted for ever, and its exit codes never count. */
  async #keepRunning(container: Container, onStarted: (isRunning: boolean) => void): Promise<void> {
    const result = this.#resultOf(container, true);
    const backOff = new BackOff();
    try {
      for (let attempt = 0; !this.#isStopping; attempt++) {
        const startedAt = Date.now();
        const exit = await this.#attempt(container, attempt, result, onStarted);
        if (exit === undefined || this.#isStopping) return;
        if (!(await this.#waitBeforeRestart(container, exit, backOff.next(secondsSince(startedAt))))) return;
      }
    } finally {
      // For those that wait for it still; who has started has said so long ago.
      onStarted(false);
    }
  }

  async #waitBeforeRestart(container: Container, exit: Exit, seconds: number): Promise<boolean> {
    const { observer, pod } = this.#options;
    const { name, namespace, uid } = pod.metadata ?? {};
    if (seconds > 0) {
      observer.onEvent?.(
        'Warning',
        'BackOff',
        `Back-off restarting failed container ${container.name} in pod ${name}_${namespace}(${uid})`,
        container.name,
      );
      // Minutes in which nothing would be seen to happen.
      observer.onWarning?.(
        `container "${container.name}" ended with exit code ${exit.exitCode}: back-off ${seconds}s before it is restarted`,
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
  ): Promise<Attempt | undefined> {
    const { observer } = this.#options;
    const startedAt = Date.now();
    let started: StartedContainer;
    const input = this.#input(container, attempt);
    const audit = this.#options.onAudited === undefined ? undefined : await startAudit(input);
    try {
      started = await this.#running.starting(
        startContainer(input, this.#options.trace === true, this.#hooks.sandbox, audit?.socket),
      );
    } catch (error) {
      if (!(error instanceof ContainerStartError)) throw error;
      if (error.programError !== undefined)
        observer.onTrace?.(container.name, error.programError.program, error.programError.report);
      observer.onEvent?.('Warning', 'Failed', `Error: ${error.message}`, container.name);
      result.notStarted(error.reason, error.message);
      return undefined;
    } finally {
      audit?.close();
    }
    if (attempt === 0)
      for (const warning of started.warnings)
        observer.onWarning?.(`container "${container.name}": ${warning}`);
    observer.onTrace?.(container.name, started.stages.compiled.program, started.child.report);
    observer.onStarted?.(container.name, started.stages);
    observer.onEvent?.('Normal', 'Started', 'Container started', container.name);
    const keptInput = connectInput(this.#options, container, started);
    const streams = readStreams(this.#options, container, started, result);
    const memory = new MemoryPeak(started.child.pid, this.#options.capture === true);
    const ended = waitForExit(started.child.pidfd);
    const running = { container, image: this.#hooks.images.get(container.name), started, ended };
    const supervision = supervise(running, this.#running, {
      ...this.#options,
      reach: this.#hooks.reach,
      onChange: () => this.#record(),
    });
    this.#running.add({ ...running, supervision });
    this.#record();
    if (supervision === undefined) onStarted?.(true);
    else void supervision.begin().then(() => onStarted?.(true));
    const exit = await ended;
    const finishedAt = Date.now();
    supervision?.end();
    this.#running.remove(container);
    this.#record();
    if (keptInput !== undefined) closeSync(keptInput);
    // What the main process left behind, which also holds the pipes. A PID namespace of its own is empty already.
    if (started.stages.security.namespaces.pid !== 'container') started.cgroup?.kill();
    await streams;
    if (audit !== undefined) this.#options.onAudited?.(container, started.stages, await audit.observation);
    // containerd's rule: somebody of the container was killed for want of memory, and it ended as one who is killed.
    const isOomKilled = exit.exitCode === 137 && hasOomKill(started.stages.cgroup);
    const message = started.terminationLog.read();
    started.terminationLog.close();
    result.ended(
      { ...exit, maxRss: memory.end(exit.maxRss), isOomKilled, message, failure: supervision?.failure },
      startedAt,
      finishedAt,
      attempt,
    );
    return { ...exit, wasUnhealthy: supervision?.wasUnhealthy === true };
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

  #resultOf(container: Container, isInit: boolean): ResultBuilder {
    const { containers = [], initContainers = [] } = this.#options.pod.spec ?? {};
    const result = new ResultBuilder(
      { name: container.name, init: isInit, sidecar: isInit && isSidecar(container) },
      {
        capture: this.#options.capture === true,
        fallsBackToLogs: container.terminationMessagePolicy === 'FallbackToLogsOnError',
        containers: containers.length + initContainers.length,
      },
    );
    this.#results.set(container.name, result);
    return result;
  }

  #result(): PodResult {
    const { pod } = this.#options;
    const { uid = '', name = '', namespace = 'default' } = pod.metadata ?? {};
    const containers = [...this.#results.values()].map(result => result.build());
    return {
      name,
      namespace,
      uid,
      phase: this.#reason === undefined ? phaseOf(pod, containers) : 'Failed',
      reason: this.#reason?.reason,
      message: this.#reason?.message,
      containers,
    };
  }
}

/** Loaded only when asked for: it brings node:worker_threads along. */
async function startAudit(input: ContainerInput): Promise<Audit> {
  return (await import('./audit/audit.ts')).startAudit(input);
}
