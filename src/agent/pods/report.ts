import { UserError } from '../../base/errors.ts';
import { containersOf } from '../../kube/containers.ts';
import type { Pod } from '../../kube/types.generated.ts';
import { ContainerResults } from '../../runtime/container-results.ts';
import type { ContainerState } from '../../runtime/container-state.ts';
import type { DetachedPod } from '../../runtime/detached.ts';
import { delay } from '../../runtime/on-abort.ts';
import type { ImageError } from '../../runtime/pod-images.ts';
import type { PodResult } from '../../runtime/pod-result.ts';
import { runsAgain } from '../../runtime/restart.ts';
import type { PodObserver } from '../../runtime/run-options.ts';
import type { ApiObject } from '../objects.ts';
import { hostFacts } from './options.ts';
import { podStatus, type StatusFacts, settled, unknownEnd } from './status.ts';
import { type KnownPod, readKnown, writeKnown } from './status-file.ts';
import type { WorkerOptions } from './worker.ts';

/** Milliseconds until a status that could not be written is tried again. */
const WRITE_AGAIN = 1000;

type EventType = 'Normal' | 'Warning';

/** What the API is told of one pod: its status and its events. */
export class PodReport {
  readonly #object: ApiObject;
  #pod: Pod;
  readonly #options: WorkerOptions;
  readonly #pulled = new Set<string>();
  #facts: StatusFacts;
  #wasDamaged = false;
  /** What the file says. */
  #known: KnownPod | undefined;
  /** What it is to say as soon as there is room for it. */
  #unwritten: KnownPod | undefined;

  constructor(object: ApiObject, pod: Pod, options: WorkerOptions) {
    this.#object = object;
    this.#pod = pod;
    this.#options = options;
    const known = readKnown(options.roots, object.metadata.uid ?? '', message => {
      this.#wasDamaged = true;
      options.onError(`pod ${this.name}: ${message}`);
    });
    this.#known = known;
    const { phase, reason = '', message = '' } = known?.status ?? {};
    this.#facts = {
      containers: known?.containers ?? new ContainerResults(pod, { images: new Map() }, false).states(),
      hostIP: hostFacts().hostIP,
      podIPs: known?.status.podIPs?.flatMap(({ ip = '' }) => ip) ?? [],
      startTime: Date.parse(known?.status.startTime ?? '') || Date.now(),
      hasSandbox: false,
      ...(phase === 'Failed' && reason !== '' ? { failure: { reason, message } } : {}),
    };
    if (known !== undefined) options.registry.setPodStatus(this.#uid, known.status);
  }

  update(pod: Pod): void {
    this.#pod = pod;
  }

  get name(): string {
    return `${this.key.namespace}/${this.key.name}`;
  }

  get key(): { readonly namespace: string; readonly name: string } {
    const { namespace = 'default', name = '' } = this.#object.metadata;
    return { namespace, name };
  }

  get #uid(): string {
    return this.#object.metadata.uid ?? '';
  }

  /** Terminal phases never change. */
  get isEnded(): boolean {
    const phase = this.#known?.status.phase;
    return phase === 'Succeeded' || phase === 'Failed';
  }

  /** As they were told last, if the pod was ever taken. */
  get known(): readonly ContainerState[] | undefined {
    return this.#known?.containers;
  }

  /** The node has taken the pod. */
  get isScheduled(): boolean {
    return this.#known?.status.startTime !== undefined;
  }

  /** When the node took the pod, in milliseconds since the epoch. */
  get startTime(): number {
    return this.#facts.startTime;
  }

  /** Its file was there, but nobody could read it. */
  get wasDamaged(): boolean {
    return this.#wasDamaged;
  }

  /** Nobody knows what has become of any of them. */
  unknown(): readonly ContainerState[] {
    const { startTime } = this.#facts;
    return this.current.map(each => ({ ...each, state: { is: 'running', startedAt: startTime } }));
  }

  /** As they were told last. */
  get current(): readonly ContainerState[] {
    return this.#facts.containers;
  }

  event(type: EventType, reason: string, message: string, container = ''): void {
    const isScheduler = reason === 'Scheduled' || reason === 'FailedScheduling';
    this.#options.registry.recordEvent(this.#object, type, reason, message, {
      component: isScheduler ? 'default-scheduler' : 'kubelet',
      ...(container === '' ? {} : { container }),
    });
  }

  /** For the runtime: what it tells becomes events, with those that it has no need of itself. */
  get observer(): PodObserver {
    return {
      onEvent: (type, reason, message, container) => {
        if (reason === 'FailedScheduling') this.#change({ unschedulable: message });
        if (reason === 'Pulled') this.#pulled.add(container);
        this.event(type, reason, message, container);
      },
      onAttempt: (container, isCreated) => this.#attempted(container, isCreated),
      onWarning: message => this.#options.onError(`pod ${this.name}: ${message}`),
    };
  }

  #imageOf(container: string): string {
    return containersOf(this.#pod).find(({ name }) => name === container)?.image ?? '';
  }

  #attempted(container: string, isCreated: boolean): void {
    const image = this.#imageOf(container);
    if (!this.#pulled.delete(container))
      this.event(
        'Normal',
        'Pulled',
        `Container image "${image}" already present on machine and can be accessed by the pod`,
        container,
      );
    if (isCreated) this.event('Normal', 'Created', 'Container created', container);
  }

  /** The node has taken the pod; told once. */
  scheduled(): void {
    if (this.isScheduled) return;
    const { registry, node } = this.#options;
    this.event('Normal', 'Scheduled', `Successfully assigned ${this.name} to ${node}`);
    registry.bind(this.#uid, node);
    this.#change({ startTime: Date.now() });
  }

  /** It has its sandbox. */
  made({ facts: { podIPs } }: DetachedPod): void {
    this.#change({ podIPs, hasSandbox: true, unschedulable: undefined });
  }

  states(containers: readonly ContainerState[]): void {
    this.#change({ containers });
  }

  noImage({ container, reason, detail }: ImageError, isBackOff: boolean): void {
    const { containers } = this.#facts;
    const isPull = reason === 'ErrImagePull' && isBackOff;
    const image = this.#imageOf(container);
    if (isPull) {
      this.event('Normal', 'BackOff', `Back-off pulling image "${image}"`, container);
      this.event('Warning', 'Failed', 'Error: ImagePullBackOff', container);
    }
    const state = isPull
      ? {
          is: 'waiting' as const,
          reason: 'ImagePullBackOff',
          message: `Back-off pulling image "${image}": ErrImagePull: ${detail}`,
        }
      : { is: 'waiting' as const, reason, message: detail };
    this.#change({
      containers: containers.map(each => (each.name === container ? { ...each, state } : each)),
    });
  }

  /** Why a pod could not be made, as a result. Throws what is nobody's fault but podspace's. */
  failure(error: unknown): PodResult {
    if (!(error instanceof UserError)) throw error;
    const { name, namespace } = this.key;
    const message = `Failed to create pod sandbox: ${error.message}`;
    return {
      name,
      namespace,
      uid: this.#uid,
      phase: 'Pending',
      reason: 'FailedCreatePodSandBox',
      message,
      containers: [],
    };
  }

  /** The node does not run such a pod: `Pod was rejected: `, and why. */
  rejected(reason: string, message: string): void {
    this.event('Warning', reason, message.replace(/^Pod was rejected: /, ''));
    this.#change({ failure: { reason, message, isRejected: true } });
  }

  failed(reason: string, message: string, more: Partial<StatusFacts> = {}): void {
    const containers = settled(this.current, Date.now());
    this.#change({ ...more, failure: { reason, message }, containers });
  }

  ended({ reason, message = '' }: PodResult): void {
    const more = { hasSandbox: false };
    if (reason === undefined) this.#change(more);
    else this.failed(reason, message, more);
  }

  /**
   * What containers were that were lost with their shim. They are restarted as their policy says of one that was killed;
   * undefined if none is, and the pod has failed.
   */
  lost(containers: readonly ContainerState[]): ReadonlyMap<string, ContainerState> | undefined {
    const finishedAt = Date.now();
    const lost = containers.map((each): ContainerState => {
      const { state } = each;
      if (state.is !== 'running') return each;
      return { ...each, ready: false, started: false, state: unknownEnd(state.startedAt, finishedAt) };
    });
    this.#change({ containers: lost, hasSandbox: false, podIPs: [] });
    const killed = unknownEnd(0, finishedAt);
    const goesOn = lost.some(({ name, state, lastState }) => {
      // One that was being made anew does not wait for its policy.
      if (state.is === 'waiting' && lastState !== undefined) return true;
      return runsAgain(this.#pod, { name, state: state.is === 'waiting' ? killed : state });
    });
    return goesOn ? new Map(lost.map(each => [each.name, each])) : undefined;
  }

  #change(change: Partial<StatusFacts>): void {
    const { registry } = this.#options;
    this.#facts = { ...this.#facts, ...change };
    const before = registry.pod(this.#uid)?.status as ReturnType<typeof podStatus> | undefined;
    const status = podStatus(this.#pod, this.#facts, before);
    this.#known = { status, containers: this.#facts.containers };
    if (this.#unwritten === undefined) this.#write(this.#known);
    else this.#unwritten = this.#known;
    registry.setPodStatus(this.#uid, status);
  }

  /** A full disk is no reason to lose the pod: what is known is in memory, and with the shim. It is tried again. */
  #write(known: KnownPod): void {
    const isFirst = this.#unwritten === undefined;
    this.#unwritten = undefined;
    try {
      writeKnown(this.#options.roots, this.#uid, known);
    } catch (error) {
      if (isFirst) this.#options.onError(`pod ${this.name}: its status cannot be written: ${error}`);
      this.#unwritten = known;
      setTimeout(() => this.#unwritten !== undefined && this.#write(this.#unwritten), WRITE_AGAIN).unref();
    }
  }

  /** Until all that is known is on the disk, or nobody will ask. */
  async written(signal: AbortSignal): Promise<void> {
    while (this.#unwritten !== undefined && !signal.aborted) await delay(WRITE_AGAIN, signal);
  }
}
