import type { Image } from '../image/store.ts';
import type { Container } from '../kube/types.generated.ts';
import { SIG } from '../linux/constants.generated.ts';
import { type Child, signalPidfd } from '../native/execute.ts';
import type { ContainerInput } from '../pipeline.ts';
import type { Cgroup } from './cgroups.ts';
import { type Exit, waitForExit } from './child-exits.ts';
import { ContainerStartError, isSidecar, type StartedContainer, startContainer } from './container.ts';
import { MemoryPeak } from './memory-peak.ts';
import { onAbort } from './on-abort.ts';
import { type ContainerRecord, startTimeOf } from './pod-directory.ts';
import type { ContainerResult, PodResult } from './pod-result.ts';
import { backOff, shouldRestart } from './restart.ts';
import { ResultBuilder } from './result-builder.ts';
import type { OutputStream, RunPodOptions } from './run-options.ts';
import type { Sandbox } from './sandbox.ts';
import { readAll, readAllInThread, readTerminal } from './streams.ts';

export interface LifecycleHooks {
  readonly images: ReadonlyMap<string, Image>;
  cgroupOf(container: Container): Cgroup | undefined;
  /** Its namespaces are there, and the pod's volumes are filled. */
  readonly sandbox: Promise<Sandbox>;
  /** Writes down what runs, for other commands. */
  record(containers: readonly ContainerRecord[], pause: Child | undefined): void;
}

interface Running {
  readonly container: Container;
  readonly started: StartedContainer;
  readonly cgroup: Cgroup | undefined;
  readonly ended: Promise<Exit>;
}

/** Milliseconds until what runs is written down for other commands. */
const RECORD_DELAY = 4;

/** A kubelet waits at least this long before it kills. */
const MIN_GRACE_SECONDS = 2;

/**
 * The life of one attached pod: init containers in order, sidecars, app containers side by side, restarts with back-off,
 * and the end in the kubelet's order.
 */
export class PodLifecycle {
  readonly #options: RunPodOptions;
  readonly #input: (container: Container, attempt: number) => ContainerInput;
  readonly #hooks: LifecycleHooks;
  readonly #running = new Map<string, Running>();
  readonly #results = new Map<string, ResultBuilder>();
  readonly #stopping = new AbortController();
  #termination: Promise<void> | undefined;
  /** When a pod that is ending kills what still runs, milliseconds since the epoch. */
  #deadline = 0;
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
  }

  async run(): Promise<PodResult> {
    const { pod, signal } = this.#options;
    const spec = pod.spec ?? { containers: [] };
    const ignoreAbort = onAbort(signal, () => void this.#terminate());
    const deadline = this.#startDeadline(spec.activeDeadlineSeconds);
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
      if (isInitialised && !this.#isStopping)
        await Promise.all(spec.containers.map(container => this.#runToEnd(container, false)));
    } finally {
      clearTimeout(deadline);
      clearTimeout(this.#recording);
      ignoreAbort();
      await this.#terminate();
      await Promise.all(background);
    }
    return this.#result();
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  #startDeadline(seconds: number | undefined): NodeJS.Timeout | undefined {
    if (seconds === undefined) return undefined;
    return setTimeout(() => {
      this.#reason = {
        reason: 'DeadlineExceeded',
        message: 'Pod was active on the node longer than the specified deadline',
      };
      void this.#terminate();
    }, seconds * 1000);
  }

  /** Runs a container, again and again as its policy says; true if it ended well. */
  async #runToEnd(container: Container, isInit: boolean): Promise<boolean> {
    const result = this.#resultOf(container, isInit);
    for (let attempt = 0; ; attempt++) {
      const exit = await this.#attempt(container, attempt, result);
      if (exit === undefined) return false;
      if (this.#isStopping || !shouldRestart(this.#options.pod, container, exit.exitCode))
        return exit.exitCode === 0;
      if (!(await this.#waitBeforeRestart(container, attempt))) return false;
    }
  }

  /** A sidecar: restarted for ever, and its exit codes never count. */
  async #keepRunning(container: Container, onStarted: (isRunning: boolean) => void): Promise<void> {
    const result = this.#resultOf(container, true);
    for (let attempt = 0; !this.#isStopping; attempt++) {
      const exit = await this.#attempt(container, attempt, result, onStarted);
      onStarted(false);
      if (exit === undefined || this.#isStopping) return;
      if (!(await this.#waitBeforeRestart(container, attempt))) return;
    }
  }

  async #waitBeforeRestart(container: Container, attempt: number): Promise<boolean> {
    const { observer, pod } = this.#options;
    const seconds = backOff(attempt);
    const { name, namespace, uid } = pod.metadata ?? {};
    if (seconds > 0)
      observer.onEvent?.(
        'Warning',
        'BackOff',
        `Back-off restarting failed container ${container.name} in pod ${name}_${namespace}(${uid})`,
      );
    await delay(seconds * 1000, this.#stopping.signal);
    return !this.#isStopping;
  }

  /** One start of a container to its exit; undefined if it did not start. */
  async #attempt(
    container: Container,
    attempt: number,
    result: ResultBuilder,
    onStarted?: (isRunning: boolean) => void,
  ): Promise<Exit | undefined> {
    const { observer } = this.#options;
    const cgroup = this.#hooks.cgroupOf(container);
    const startedAt = Date.now();
    let started: StartedContainer;
    try {
      const input = this.#input(container, attempt);
      started = await startContainer(input, cgroup, this.#options.trace === true, this.#hooks.sandbox);
    } catch (error) {
      if (!(error instanceof ContainerStartError)) throw error;
      if (error.programError !== undefined)
        observer.onTrace?.(container.name, error.programError.program, error.programError.report);
      observer.onEvent?.('Warning', 'Failed', `Error: ${error.message}`);
      result.notStarted(error.reason, error.message);
      return undefined;
    }
    if (attempt === 0)
      for (const warning of started.stages.warnings)
        observer.onWarning?.(`container "${container.name}": ${warning}`);
    observer.onTrace?.(container.name, started.stages.compiled.program, started.child.report);
    observer.onStarted?.(container.name, started.stages);
    observer.onEvent?.('Normal', 'Started', 'Container started');
    const streams = this.#readStreams(container, started, result);
    const memory = new MemoryPeak(started.child.pid, this.#options.capture === true);
    const ended = waitForExit(started.child.pidfd);
    const running = { container, started, cgroup, ended };
    this.#running.set(container.name, running);
    this.#record();
    onStarted?.(true);
    // The pod's end began while this one was being started.
    if (this.#isStopping) void this.#end(running, this.#deadline);
    const exit = await ended;
    const finishedAt = Date.now();
    this.#running.delete(container.name);
    // What the main process left behind, which also holds the pipes. A PID namespace of its own is empty already.
    if (started.stages.security.namespaces.pid !== 'container') cgroup?.kill();
    await streams;
    result.ended({ ...exit, maxRss: memory.end(exit.maxRss) }, startedAt, finishedAt, attempt);
    return exit;
  }

  #readStreams(container: Container, { streams }: StartedContainer, result: ResultBuilder): Promise<unknown> {
    const { observer, attached } = this.#options;
    if (attached?.name === container.name)
      attached.connect?.({ stdin: streams.stdin, terminal: streams.terminal });
    const take =
      (stream: OutputStream) =>
      (chunk: Buffer): void => {
        result.output(stream, chunk);
        observer.onOutput?.(container.name, stream, chunk);
      };
    if (streams.terminal !== undefined) return readTerminal(streams.terminal, take('stdout'));
    const read = this.#options.hasOwnThreads === true ? readAllInThread : readAll;
    return Promise.all([
      read(streams.stdout ?? -1, take('stdout')),
      read(streams.stderr ?? -1, take('stderr')),
    ]);
  }

  #recordOf({ container, started: { child, stages }, cgroup }: Running): ContainerRecord {
    const image = this.#hooks.images.get(container.name);
    return {
      name: container.name,
      image: image?.reference ?? '',
      imageId: image?.id ?? '',
      pid: child.pid,
      startTime: startTimeOf(child.pid) ?? '',
      process: stages.oci.process,
      cgroup: cgroup?.path,
    };
  }

  /** Written a moment later: many containers start in one moment, and some are gone before anybody could ask. */
  #record(): void {
    this.#recording ??= setTimeout(async () => {
      this.#recording = undefined;
      const { pause } = await this.#hooks.sandbox;
      this.#hooks.record(
        [...this.#running.values()].map(running => this.#recordOf(running)),
        pause,
      );
    }, RECORD_DELAY);
  }

  /** Sends a signal to the main process of every running container. */
  signal(signal: number): void {
    for (const { started } of this.#running.values()) signalPidfd(started.child.pidfd, signal);
  }

  /** Ends everything that runs: app containers first, sidecars after them in reverse order; TERM, grace period, KILL. */
  #terminate(): Promise<void> {
    this.#stopping.abort();
    this.#termination ??= this.#endAll();
    return this.#termination;
  }

  async #endAll(): Promise<void> {
    const grace = Math.max(this.#options.pod.spec?.terminationGracePeriodSeconds ?? 30, MIN_GRACE_SECONDS);
    this.#deadline = Date.now() + grace * 1000;
    const all = [...this.#running.values()];
    const sidecars = all.filter(({ container }) => isSidecar(container)).reverse();
    await Promise.all(
      all.filter(({ container }) => !isSidecar(container)).map(running => this.#end(running, this.#deadline)),
    );
    for (const sidecar of sidecars)
      await this.#end(sidecar, Math.max(this.#deadline, Date.now() + MIN_GRACE_SECONDS * 1000));
  }

  async #end({ container, started, ended }: Running, deadline: number): Promise<void> {
    const { pidfd } = started.child;
    this.#options.observer.onEvent?.('Normal', 'Killing', `Stopping container ${container.name}`);
    signalPidfd(pidfd, stopSignal(this.#hooks.images.get(container.name)));
    const kill = (): void => {
      if (this.#running.has(container.name)) signalPidfd(pidfd, SIG.SIGKILL);
    };
    const timer = setTimeout(kill, Math.max(0, deadline - Date.now()));
    const ignoreAbort = onAbort(this.#options.killSignal, kill);
    await ended;
    ignoreAbort();
    clearTimeout(timer);
  }

  #resultOf(container: Container, isInit: boolean): ResultBuilder {
    const result = new ResultBuilder(
      { name: container.name, init: isInit, sidecar: isInit && isSidecar(container) },
      this.#options.capture === true,
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
      phase: this.#phase(containers),
      reason: this.#reason?.reason,
      message: this.#reason?.message,
      containers,
    };
  }

  /** Kubernetes' phase; sidecars do not count, and a container that could not be created leaves the pod Pending. */
  #phase(containers: readonly ContainerResult[]): PodResult['phase'] {
    const spec = this.#options.pod.spec ?? { containers: [] };
    const counted = containers.filter(({ sidecar }) => !sidecar);
    if (this.#reason !== undefined) return 'Failed';
    if (counted.some(({ exitCode, reason }) => exitCode === undefined && reason.startsWith('Create')))
      return 'Pending';
    const complete = spec.containers.every(({ name }) => this.#results.has(name));
    return complete && counted.every(({ exitCode }) => exitCode === 0) ? 'Succeeded' : 'Failed';
  }
}

function stopSignal(image: Image | undefined): number {
  const word = image?.config.StopSignal ?? '';
  const name = (word.startsWith('SIG') ? word : `SIG${word}`) as keyof typeof SIG;
  if (/^\d+$/.test(word)) return Number(word);
  return Object.hasOwn(SIG, name) ? SIG[name] : SIG.SIGTERM;
}

async function delay(milliseconds: number, signal: AbortSignal): Promise<void> {
  let wake = (): void => {};
  const woken = new Promise<void>(resolve => {
    wake = resolve;
  });
  const timer = setTimeout(wake, milliseconds);
  const ignoreAbort = onAbort(signal, wake);
  await woken;
  clearTimeout(timer);
  ignoreAbort();
}
