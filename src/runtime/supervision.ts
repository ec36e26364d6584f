import { printable } from '../base/printable.ts';
import type { Container, Pod, Probe } from '../kube/types.generated.ts';
import type { Exit } from './child-exits.ts';
import type { DialFrom } from './handlers/dial.ts';
import type { Target } from './handlers/run-probe.ts';
import { delay, onAbort } from './on-abort.ts';
import type { ContainerRecord } from './pod-directory.ts';
import { ContainerProbes, type ContainerProbesOptions } from './probes/container-probes.ts';
import { restartsUnhealthy } from './restart.ts';
import type { PodObserver } from './run-options.ts';
import { type Running, type RunningContainers, recordOf } from './running-containers.ts';

/** How a pod's containers are reached by their probes and hooks. */
export interface Reach {
  readonly network: DialFrom;
  /** The host's number of the pod's user 0, where it has a user namespace. */
  readonly hostRoot?: number | undefined;
}

export interface SupervisionOptions extends Pick<ContainerProbesOptions, 'ranFor' | 'known'> {
  readonly pod: Pod;
  readonly container: Container;
  readonly reach: Reach;
  /** Aborted when the pod's end has begun. */
  readonly ending: AbortSignal;
  /** Of the process that runs. */
  readonly record: ContainerRecord;
  onEvent(type: 'Normal' | 'Warning', reason: string, message: string): void;
  /** `started` or `ready` is not what it was. */
  onChange(): void;
  /** It is to be ended, with that event; within the pod's grace period, if there is none of its own. */
  stop(message: string, graceSeconds?: number): void;
}

/** How one start of a container ended. */
export interface Attempt extends Exit {
  /** Its probes had it ended. */
  readonly wasUnhealthy: boolean;
  /** What its state says until it is started again. */
  readonly failure?: Failure | undefined;
  /** Milliseconds, whatever has become of the clock meanwhile. */
  readonly ranFor: number;
}

export interface Failure {
  readonly reason: string;
  readonly message: string;
}

/** An attempt that came to nothing, with containerd's exit code and the kubelet's word. */
export const notStarted = (message: string): Attempt => ({
  wasUnhealthy: false,
  ranFor: 0,
  exitCode: 128,
  signal: undefined,
  cpuMicroseconds: 0,
  maxRss: 0,
  failure: { reason: 'RunContainerError', message },
});

/** Watches over a container that was just started; undefined where there is nothing to do while it runs. */
export function supervise(
  running: Running,
  containers: RunningContainers,
  {
    pod,
    reach,
    observer,
    onChange,
  }: Pick<SupervisionOptions, 'pod' | 'reach'> & {
    readonly observer: PodObserver;
    /** Told what its probes say now. */
    onChange(known: { readonly started: boolean; readonly ready: boolean }): void;
  },
): Supervision | undefined {
  const {
    container,
    started: { known, startedAt },
  } = running;
  if (!needsSupervision(container)) return undefined;
  let complaint = '';
  const made: Supervision = new Supervision({
    pod,
    container,
    reach,
    ...(known === undefined ? {} : { known, ranFor: Math.max(0, Date.now() - startedAt) }),
    ending: containers.ending,
    record: recordOf(running),
    onEvent: (type, reason, message) => {
      observer.onEvent?.(type, reason, message, container.name);
      if (reason === 'Unhealthy') complaint = message.replace(/:?\s*$/, '');
    },
    onChange: () => onChange({ started: made.started, ready: made.ready }),
    stop: (message, graceSeconds) => {
      // Nobody would understand its end who does not watch events.
      if (complaint !== '') observer.onWarning?.(`${message}: ${printable(complaint)}`);
      void containers.stop(container, message, graceSeconds);
    },
  });
  return made;
}

/** True for a container that there is something to do for while it runs. */
export function needsSupervision(container: Container): boolean {
  const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container;
  const all = [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop];
  return all.some(each => each !== undefined);
}

/**
 * What is done for one run of a container beside waiting for its end: postStart, then its probes, preStop. What it takes to
 * do it is loaded when it is needed.
 */
export class Supervision {
  readonly #options: SupervisionOptions;
  readonly #probes: ContainerProbes;
  readonly #ended = new AbortController();
  readonly #ignoreEnding: () => void;
  #isUp = false;
  #tellStarted = (): void => {};
  readonly #whenStarted: Promise<void>;
  #wasUnhealthy = false;
  #failure: Failure | undefined;

  constructor(options: SupervisionOptions) {
    this.#options = options;
    const { container, ending } = options;
    this.#whenStarted = new Promise(resolve => {
      this.#tellStarted = resolve;
    });
    this.#probes = new ContainerProbes({
      ...options,
      container,
      run: async (probe, signal) => {
        const { runProbe } = await import('./handlers/run-probe.ts');
        return runProbe(probe, this.#target(), signal);
      },
      onChange: () => this.#changed(),
      onUnhealthy: (kind, probe) => this.#restart(kind, probe),
    });
    this.#ignoreEnding = onAbort(ending, () => this.#probes.podEnds());
  }

  get started(): boolean {
    return this.#isUp && this.#probes.started;
  }

  get ready(): boolean {
    return this.#isUp && this.#probes.ready;
  }

  /** Its probes had it ended. */
  get wasUnhealthy(): boolean {
    return this.#wasUnhealthy;
  }

  /** Why it was ended, where its status says so. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  /**
   * After the container's start: postStart, and then its probes. One that was found running has had its postStart. Resolves
   * when it has started, in the sense of its status; never if it ends before.
   */
  async begin(): Promise<void> {
    const { container, known, onEvent, stop } = this.#options;
    const isHooked = container.lifecycle?.postStart !== undefined && known === undefined;
    const message = isHooked ? await this.#run('postStart') : undefined;
    if (!this.#ended.signal.aborted && message !== undefined) {
      this.#failure = { reason: 'PostStartHookError', message };
      onEvent('Warning', 'FailedPostStartHook', 'PostStartHook failed');
      stop('FailedPostStartHook');
    } else if (!this.#ended.signal.aborted) {
      this.#isUp = true;
      this.#probes.start();
      this.#changed();
    }
    await this.#whenStarted;
  }

  /** Before the container is stopped, and for so many seconds at most. */
  async preStop(seconds: number): Promise<void> {
    if (this.#options.container.lifecycle?.preStop === undefined || seconds <= 0) return;
    const done = new AbortController();
    const running = this.#run('preStop').then(message => {
      // Its message may hold secrets: a kubelet does not tell it either.
      if (message !== undefined && !this.#ended.signal.aborted)
        this.#options.onEvent('Warning', 'FailedPreStopHook', 'PreStopHook failed');
      done.abort();
    });
    const ignoreEnd = onAbort(this.#ended.signal, () => done.abort());
    await delay(seconds * 1000, done.signal);
    ignoreEnd();
    // One that goes on is ended with the container.
    running.catch(() => {});
  }

  /** The container has ended. */
  end(): void {
    this.#ignoreEnding();
    this.#probes.end();
    this.#ended.abort();
  }

  #changed(): void {
    if (this.started) this.#tellStarted();
    this.#options.onChange();
  }

  /** The words of the kubelet's events; of sidecars it does not say that they are restarted, which they always are. */
  #restart(kind: 'liveness' | 'startup', probe: Probe): void {
    const { container, pod, stop } = this.#options;
    const { name } = container;
    this.#wasUnhealthy = true;
    const isSidecar = pod.spec?.initContainers?.some(each => each.name === name) === true;
    const message = isSidecar
      ? `Init container ${name} failed ${kind} probe`
      : `Container ${name} failed ${kind} probe${restartsUnhealthy(pod, container) ? ', will be restarted' : ''}`;
    stop(message, probe.terminationGracePeriodSeconds);
  }

  async #run(name: 'postStart' | 'preStop'): Promise<string | undefined> {
    const { container, pod, onEvent } = this.#options;
    const handler = container.lifecycle?.[name];
    if (handler === undefined) return undefined;
    const { name: podName, namespace, uid } = pod.metadata ?? {};
    try {
      const { runHook } = await import('./handlers/run-hook.ts');
      const input = { target: this.#target(), podName: `${podName}_${namespace}(${uid})`, onEvent };
      return await runHook(handler, input, this.#ended.signal);
    } catch (error) {
      return String(error);
    }
  }

  #target(): Target {
    const { container, reach, record } = this.#options;
    return {
      container,
      exec: { container: record, hostRoot: reach.hostRoot },
      network: reach.network,
    };
  }
}
