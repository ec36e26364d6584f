import type { Container, Pod, PodSpec } from '../kube/types.generated.ts';
import { exitOf } from './child-exits.ts';
import type { ContainerState, Terminated } from './container-state.ts';
import type { Attempt } from './keeper.ts';
import type { LifecycleHooks } from './lifecycle-hooks.ts';
import { runsAgain } from './restart.ts';

type Ended = ContainerState & { readonly state: Terminated };

/** What a container of a lost pod had come to that does not run again, as its policy says. */
export function endedBefore(
  { before }: Pick<LifecycleHooks, 'before'>,
  pod: Pod,
  container: Container,
): Ended | undefined {
  const known = before?.get(container.name);
  if (known?.state.is !== 'terminated') return undefined;
  return runsAgain(pod, known) ? undefined : (known as Ended);
}

/** An app container of a pod that was found has been started. */
export function hasBegun({ keeper }: Pick<LifecycleHooks, 'keeper'>, { spec }: Pod): boolean {
  return keeper !== undefined && (spec?.containers ?? []).some(each => keeper.attempts(each).length > 0);
}

/** The containers of a pod that another process has started, with their newest attempts. */
export function foundContainers(
  { keeper }: Pick<LifecycleHooks, 'keeper'>,
  { initContainers = [], containers }: PodSpec,
): readonly { readonly container: Container; readonly isInit: boolean; readonly attempt: number }[] {
  const found = (container: Container, isInit: boolean) =>
    (keeper?.attempts(container) ?? [])
      .slice(0, 1)
      .map(({ number }) => ({ container, isInit, attempt: number }));
  return [
    ...initContainers.flatMap(container => found(container, true)),
    ...containers.flatMap(container => found(container, false)),
  ];
}

/** How the attempt before the newest one on record ended: as it was told, or else as its own record says. */
export function lastBefore(
  known: ContainerState | undefined,
  [newest, previous]: readonly Attempt[],
): Terminated | undefined {
  if (known !== undefined && known.restartCount === newest?.number) {
    const { state, lastState } = known;
    // Between two attempts the one that ended last is there twice: as the state, and soon as the last one.
    return state.is === 'waiting' && newest.end !== undefined ? lastOf(previous) : lastState;
  }
  return known?.state.is === 'terminated' ? known.state : lastOf(previous);
}

function lastOf(attempt: Attempt | undefined): Terminated | undefined {
  if (attempt?.end === undefined) return undefined;
  const { exitCode, signal } = exitOf(attempt.end);
  return {
    is: 'terminated',
    reason: exitCode === 0 ? 'Completed' : 'Error',
    message: undefined,
    exitCode,
    signal,
    startedAt: attempt.startedAt,
    finishedAt: attempt.end.finishedAt,
  };
}
