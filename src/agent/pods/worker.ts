import { containersOf } from '../../kube/containers.ts';
import type { Container, Pod } from '../../kube/types.generated.ts';
import { PodPaths, type Roots } from '../../oci/pod-paths.ts';
import type { ContainerState } from '../../runtime/container-state.ts';
import {
  adoptDetached,
  type DetachedOptions,
  type DetachedPod,
  removeDetached,
  startDetached,
} from '../../runtime/detached.ts';
import { removeLogs } from '../../runtime/log-files.ts';
import { delay } from '../../runtime/on-abort.ts';
import { ImageError } from '../../runtime/pod-images.ts';
import { watchDeadline } from '../../runtime/pod-limits.ts';
import type { PodResult } from '../../runtime/pod-result.ts';
import { failureOf, hasHostPorts } from '../../runtime/prepare-pod.ts';
import { BackOff } from '../../runtime/restart.ts';
import { startTimer, steadyTime } from '../../runtime/timer.ts';
import type { ApiObject } from '../objects.ts';
import type { Registry } from '../registry.ts';
import { type AgentSettings, detachedOptions, loggedPod } from './options.ts';
import { PodReport } from './report.ts';
import { removeKnown } from './status-file.ts';

export interface WorkerOptions {
  readonly registry: Registry;
  readonly roots: Roots;
  readonly settings: AgentSettings;
  readonly node: string;
  /** Something that is nobody's fault but podspace's. */
  onError(message: string): void;
}

/** Seconds until a pod that could not be made is tried again. */
const RETRY_SECONDS = 10;

/** Least time that is left to containers when nobody waits for them any more. */
const FORCED_GRACE_SECONDS = 2;

/** The life of one pod under the agent, from its creation to the removal of its object. */
export class PodWorker {
  readonly #options: WorkerOptions;
  #pod: Pod;
  readonly #uid: string;
  readonly #report: PodReport;
  readonly #deleted = new AbortController();
  /** Nobody is to make it any more: it is deleted, or its deadline is over. */
  readonly #givenUp = new AbortController();
  #stopDeadline = (): void => {};
  readonly #killed = new AbortController();
  #running: DetachedPod | undefined;
  #graceSeconds: number | undefined;
  /** Containers that run again when the pod has ended, since it is made anew. */
  #again: ReadonlySet<string> | undefined;

  constructor(object: ApiObject, options: WorkerOptions) {
    this.#options = options;
    this.#pod = withoutStatus(object);
    this.#uid = object.metadata.uid ?? '';
    this.#report = new PodReport(object, this.#pod, options);
  }

  /** With its namespace. */
  get name(): string {
    return this.#report.name;
  }

  /** While it runs under a shim. */
  get running(): DetachedPod | undefined {
    return this.#running;
  }

  /** A container of the pod, by name. */
  container(name: string): Container | undefined {
    return containersOf(this.#pod).find(each => each.name === name);
  }

  /** What may change of a pod: images, for which it is made anew with its counts, and a shorter deadline. */
  update(object: ApiObject): void {
    const [before, after] = [this.#pod, withoutStatus(object)];
    this.#pod = after;
    this.#report.update(after);
    const seconds = after.spec?.activeDeadlineSeconds;
    if (seconds !== undefined && seconds !== before.spec?.activeDeadlineSeconds) {
      if (this.#running === undefined) this.#watchDeadline();
      else this.#running.lifecycle.shortenDeadline(seconds);
    }
    this.#endIfChanged();
  }

  /** Ends a pod that was made of other images. What was running, or was about to, does so again, whatever its policy says. */
  #endIfChanged(): void {
    if (this.#running === undefined || this.#again !== undefined || this.#deleted.signal.aborted) return;
    const { imageNames, lifecycle } = this.#running;
    const changed = containersOf(this.#pod).filter(
      ({ name, image }) => (imageNames[name] ?? image) !== image,
    );
    if (changed.length === 0) return;
    const message = (name: string): string => `Container ${name} definition changed, will be restarted`;
    for (const { name } of changed) this.#report.event('Normal', 'Killing', message(name), name);
    this.#again = new Set(
      this.#report.current.filter(({ state }) => state.is !== 'terminated').map(({ name }) => name),
    );
    void lifecycle.end();
  }

  /** Those that are ended only to be made anew wait for that: the pod has not ended. */
  #withoutEnds(states: readonly ContainerState[]): readonly ContainerState[] {
    const waits = { is: 'waiting', reason: 'ContainerCreating', message: undefined } as const;
    return states.map(each =>
      each.state.is === 'terminated' && this.#again?.has(each.name) === true
        ? { ...each, state: waits, lastState: each.state }
        : each,
    );
  }

  /** Somebody has deleted the pod, or has less patience than before. */
  delete(graceSeconds: number): void {
    const isShorter = this.#graceSeconds !== undefined && graceSeconds < this.#graceSeconds;
    this.#graceSeconds = graceSeconds;
    // Before the others are told, who would give it the grace period of its own.
    const seconds = Math.max(graceSeconds, FORCED_GRACE_SECONDS);
    void this.#running?.lifecycle.end(seconds);
    this.#deleted.abort();
    this.#givenUp.abort();
    this.#again = undefined;
    if (isShorter) startTimer(seconds * 1000, () => this.#killed.abort());
  }

  /** Until the pod's object is to go: then nothing of the pod is left. */
  async run(): Promise<void> {
    const { roots } = this.#options;
    try {
      await this.#live();
    } catch (error) {
      this.#options.onError(`pod ${this.#report.name}: ${error instanceof Error ? error.stack : error}`);
      this.#report.failed('AgentError', error instanceof Error ? error.message : String(error));
    }
    await this.#untilDeleted();
    await this.#remove();
    removeLogs(roots, loggedPod(this.#pod));
    removeKnown(roots, this.#uid);
  }

  async #untilDeleted(): Promise<void> {
    while (!this.#deleted.signal.aborted) await delay(2 ** 31 - 1, this.#deleted.signal);
  }

  /** Until it has ended for good, or is deleted. */
  async #live(): Promise<void> {
    let before = await this.#adopt();
    if (!hasHostPorts(this.#pod)) this.#report.scheduled();
    while (before !== 'ended' && !this.#givenUp.signal.aborted) {
      this.#watchDeadline();
      const made = await this.#make(before);
      this.#stopDeadline();
      if (made === undefined) return;
      before = await this.#untilEnd(made);
    }
  }

  /** While the pod is not made yet; afterwards its life looks to that. One that waits for a port has not begun. */
  #watchDeadline(): void {
    const seconds = this.#pod.spec?.activeDeadlineSeconds;
    this.#stopDeadline();
    if (seconds === undefined || hasHostPorts(this.#pod) || this.#report.isEnded) return;
    const { startTime, observer } = this.#report;
    this.#stopDeadline = watchDeadline(seconds, steadyTime(startTime), observer, (reason, message) => {
      if (!this.#report.isEnded) this.#report.failed(reason, message);
      this.#givenUp.abort();
    });
  }

  /** A pod that another agent has started goes on; what is left of one that does not is removed. */
  async #adopt(): Promise<Before> {
    const { known } = this.#report;
    const found = await adoptDetached(this.#detached({ known: byName(known) }));
    if (found !== undefined) return this.#untilEnd(found);
    await this.#remove();
    if (this.#report.isEnded) return 'ended';
    if (this.#report.wasDamaged) return this.#lost(this.#report.unknown());
    return known === undefined ? undefined : this.#lost(known);
  }

  /** The containers' processes are gone, and nobody knows how they ended. */
  #lost(containers: readonly ContainerState[]): Before {
    const hasRun = containers.some(
      ({ state, lastState }) => state.is === 'running' || lastState !== undefined,
    );
    if (!hasRun) return undefined;
    const lost = this.#report.lost(containers);
    if (lost === undefined) return 'ended';
    this.#report.event('Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
    return lost;
  }

  #detached(more: Pick<DetachedOptions, 'before' | 'known'>): DetachedOptions {
    const { roots, settings } = this.#options;
    return detachedOptions(this.#pod, roots, settings, {
      observer: this.#report.observer,
      signal: this.#givenUp.signal,
      ...(hasHostPorts(this.#pod) && !this.#report.isScheduled ? {} : { startedAt: this.#report.startTime }),
      killSignal: this.#killed.signal,
      // Nobody knows how containers ended whose shim is gone.
      onStates: states => {
        if (this.#running?.keeper.shim.isGone !== true) this.#report.states(this.#withoutEnds(states));
      },
      ...more,
    });
  }

  /** Tries to make the pod until that works; undefined if it never will, or is not wanted any more. */
  async #make(before: ReadonlyMap<string, ContainerState> | undefined): Promise<DetachedPod | undefined> {
    const pulls = new BackOff();
    pulls.next(0);
    while (!this.#givenUp.signal.aborted) {
      let result: DetachedPod | PodResult;
      try {
        result = await startDetached(this.#detached({ before }));
      } catch (error) {
        if (error instanceof ImageError) {
          if (this.#givenUp.signal.aborted) return undefined;
          this.#report.noImage(error, false);
          const seconds = pulls.next(0);
          await delay(1000, this.#givenUp.signal);
          if (this.#givenUp.signal.aborted) return undefined;
          this.#report.noImage(error, true);
          await delay(seconds * 1000, this.#givenUp.signal);
          continue;
        }
        result = failureOf(this.#pod, this.#uid, error) ?? this.#report.failure(error);
      }
      if ('lifecycle' in result) return result;
      if (result.phase === 'Failed') {
        this.#report.rejected(result.reason ?? '', result.message ?? '');
        return undefined;
      }
      if (this.#givenUp.signal.aborted) return undefined;
      this.#report.event('Warning', result.reason ?? '', result.message ?? '');
      await delay(RETRY_SECONDS * 1000, this.#givenUp.signal);
    }
    return undefined;
  }

  /** Lives with a pod that runs. */
  async #untilEnd(made: DetachedPod): Promise<Before> {
    this.#running = made;
    this.#report.scheduled();
    this.#report.made(made);
    if (this.#deleted.signal.aborted) this.delete(this.#graceSeconds ?? 0);
    else this.#endIfChanged();
    const { shim } = made.keeper;
    const life = made.lifecycle.run();
    // What fails because the shim is gone is told below.
    life.catch(() => {});
    await Promise.race([shim.ended, life.catch(() => {})]);
    const isLost = shim.isGone;
    if (isLost) {
      await made.lifecycle.end(0).catch(() => {});
      await life.catch(() => {});
    }
    const states = this.#report.current;
    this.#running = undefined;
    const isChanged = this.#again !== undefined && !isLost && !this.#deleted.signal.aborted;
    this.#again = undefined;
    if (!isLost && !isChanged) this.#report.ended(await life);
    else await life.catch(() => {});
    // Without it, the next agent would take for lost what has ended.
    await this.#report.written(this.#deleted.signal);
    await removeDetached(made, this.#options.roots, this.#report.key);
    if (isChanged) return new Map(states.map(each => [each.name, each]));
    return isLost && !this.#deleted.signal.aborted ? this.#lost(states) : 'ended';
  }

  async #remove(): Promise<void> {
    const paths = new PodPaths(this.#options.roots, this.#uid);
    await removeDetached({ paths }, this.#options.roots, this.#report.key);
  }
}

/** What a pod's containers were before; `ended` if it does not go on. */
type Before = ReadonlyMap<string, ContainerState> | undefined | 'ended';

const byName = (states: readonly ContainerState[] | undefined): ReadonlyMap<string, ContainerState> =>
  new Map(states?.map(state => [state.name, state]));

function withoutStatus(object: ApiObject): Pod {
  const { status: _, ...pod } = object;
  return pod as unknown as Pod;
}
