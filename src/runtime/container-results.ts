import type { Container, Pod } from '../kube/types.generated.ts';
import { isSidecar } from './container.ts';
import type { ContainerState } from './container-state.ts';
import type { LifecycleHooks } from './lifecycle-hooks.ts';
import { type PodResult, phaseOf } from './pod-result.ts';
import { ResultBuilder } from './result-builder.ts';

/** What is known of each container of a pod. */
export class ContainerResults {
  readonly #pod: Pod;
  readonly #hooks: Pick<LifecycleHooks, 'images' | 'before' | 'known'>;
  readonly #capture: boolean;
  readonly #results = new Map<string, ResultBuilder>();

  /** With `capture` their output is kept. */
  constructor(pod: Pod, hooks: Pick<LifecycleHooks, 'images' | 'before' | 'known'>, capture: boolean) {
    this.#pod = pod;
    this.#hooks = hooks;
    this.#capture = capture;
  }

  /** Of a container whose turn it is. */
  begin(container: Container, isInit: boolean): ResultBuilder {
    const result = this.#new(container, isInit);
    this.#results.set(container.name, result);
    return result;
  }

  #new(container: Container, isInit: boolean): ResultBuilder {
    const { containers = [], initContainers = [] } = this.#pod.spec ?? {};
    return new ResultBuilder(
      { name: container.name, init: isInit, sidecar: isInit && isSidecar(container) },
      {
        capture: this.#capture,
        fallsBackToLogs: container.terminationMessagePolicy === 'FallbackToLogsOnError',
        containers: containers.length + initContainers.length,
        waitsFor: initContainers.length > 0 ? 'PodInitializing' : 'ContainerCreating',
        before: this.#hooks.before?.get(container.name),
      },
    );
  }

  /** How often a container has been started again. */
  attempt(container: string): number {
    return this.#results.get(container)?.state().restartCount ?? 0;
  }

  /** Of every container, the init containers first; those whose turn has not come wait for it. */
  states(): readonly ContainerState[] {
    const { containers = [], initContainers = [] } = this.#pod.spec ?? {};
    const stateOf = (container: Container, isInit: boolean): ContainerState => {
      const { name } = container;
      // One that was found again has not become another one only because nobody has looked at it yet.
      const state =
        this.#results.get(name)?.state() ??
        this.#hooks.known?.get(name) ??
        this.#new(container, isInit).state();
      const image = this.#hooks.images.get(name);
      const imageNames = { image: image?.reference ?? container.image ?? '', imageId: image?.id ?? '' };
      return { ...state, ...imageNames };
    };
    return [
      ...initContainers.map(container => stateOf(container, true)),
      ...containers.map(container => stateOf(container, false)),
    ];
  }

  /** How the pod ended; `reason` if it was ended as a whole. */
  build(reason: { readonly reason: string; readonly message: string } | undefined): PodResult {
    const { uid = '', name = '', namespace = 'default' } = this.#pod.metadata ?? {};
    const containers = [...this.#results.values()].map(result => result.build());
    return {
      name,
      namespace,
      uid,
      phase: reason === undefined ? phaseOf(this.#pod, containers) : 'Failed',
      reason: reason?.reason,
      message: reason?.message,
      containers,
    };
  }
}
