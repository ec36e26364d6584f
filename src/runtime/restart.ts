import { containersOf } from '../kube/containers.ts';
import type { Container, ContainerRestartRule, Pod } from '../kube/types.generated.ts';
import type { ContainerState } from './container-state.ts';
import type { LifecycleHooks } from './lifecycle-hooks.ts';
import { delay } from './on-abort.ts';
import type { ResultBuilder } from './result-builder.ts';
import type { RunPodOptions } from './run-options.ts';
import type { Attempt } from './supervision.ts';

const FIRST_DELAY = 10;
const MAX_DELAY = 300;

/** A run that took longer than this, in seconds, makes up for all failures before it. */
const RESET_AFTER = 600;

/** Seconds until what is missing or wrong around a container is looked at again. */
const RETRY_SECONDS = 10;

/** The kubelet's crash-loop back-off of one container: the first restart is immediate, then 10, 20, 40… to 300 seconds. */
export class BackOff {
  #restarts = 0;

  /** Seconds before the next start, after a run that took so long. */
  next(ranSeconds: number): number {
    if (ranSeconds > RESET_AFTER) this.#restarts = 0;
    const seconds = this.#restarts === 0 ? 0 : Math.min(FIRST_DELAY * 2 ** (this.#restarts - 1), MAX_DELAY);
    this.#restarts++;
    return seconds;
  }

  /** Of that, what is left by now of a run that ended a while ago: never more, whatever somebody has done to the clock. */
  after(
    state: ContainerState['state'],
    ranMilliseconds: number,
  ): { readonly wanted: number; readonly seconds: number } {
    const finishedAt = state.is === 'terminated' ? state.finishedAt : 0;
    const wanted = this.next(ranMilliseconds / 1000);
    return { wanted, seconds: Math.max(0, Math.min(wanted, wanted - (Date.now() - finishedAt) / 1000)) };
  }
}

/** Where a container stands whose attempts are on record, or that was lost with its pod; any other one begins. */
export function resume(
  { keeper, before }: Pick<LifecycleHooks, 'keeper' | 'before'>,
  container: Container,
): { readonly backOff: BackOff; readonly first: number } {
  const backOff = new BackOff();
  const [last, ...earlier] = keeper?.attempts(container) ?? [];
  // Nothing is on record any more of the oldest ones.
  for (let i = 0; i < (last?.number ?? 0) - earlier.length; i++) backOff.next(0);
  for (const { startedAt, end } of earlier.reverse())
    backOff.next(((end?.finishedAt ?? startedAt) - startedAt) / 1000);
  const lost = before?.get(container.name);
  return { backOff, first: last?.number ?? (lost === undefined ? 0 : lost.restartCount + 1) };
}

/**
 * Whether a container that ended is started again by an attached run. The pod's `Always` is not obeyed there: a command
 * that never ended would be of no use, so each container runs once, as with Never. A container's own policy and rules are
 * (1.35). One that was ended because its probes failed has not ended by itself: that follows the policy as it is.
 */
export function shouldRestart(
  pod: Pod,
  container: Container,
  exitCode: number,
  { wasUnhealthy = false, isAttached = true } = {},
): boolean {
  if (wasUnhealthy && restartsUnhealthy(pod, container)) return true;
  if ((container.restartPolicyRules ?? []).some(rule => applies(rule, exitCode))) return true;
  const ofPod = pod.spec?.restartPolicy ?? 'Always';
  const policy = container.restartPolicy ?? (isAttached && ofPod === 'Always' ? 'Never' : ofPod);
  if (policy === 'Always') return true;
  return policy === 'OnFailure' && exitCode !== 0;
}

/** Whether a container that has ended is started again by the agent. */
export function runsAgain(pod: Pod, { name, state }: Pick<ContainerState, 'name' | 'state'>): boolean {
  const container = containersOf(pod).find(each => each.name === name);
  if (container === undefined || state.is !== 'terminated') return false;
  const { exitCode, wasUnhealthy = false } = state;
  return shouldRestart(pod, container, exitCode, { isAttached: false, wasUnhealthy });
}

/** Seconds as Go prints a duration: 10s, 1m20s, 5m0s. */
function duration(seconds: number): string {
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

/** What the kubelet says while a container waits for its restart; and what a person is told who ran the pod. */
function backOffWords(
  { metadata }: Pod,
  { name }: Container,
  exitCode: number,
  seconds: number,
): { readonly state: string; readonly event: string; readonly warning: string } {
  const pod = `${metadata?.name}_${metadata?.namespace}(${metadata?.uid})`;
  return {
    state: `back-off ${duration(seconds)} restarting failed container=${name} pod=${pod}`,
    event: `Back-off restarting failed container ${name} in pod ${pod}`,
    warning: `container "${name}" ended with exit code ${exitCode}: back-off ${seconds}s before it is restarted`,
  };
}

/** A run of a container that is followed by another one. */
export interface EndedRun {
  readonly container: Container;
  readonly exit: Attempt;
  readonly backOff: BackOff;
  readonly result: ResultBuilder;
  /** Aborted when the pod's end has begun. */
  readonly ending: AbortSignal;
}

/** From the end of the container on, which may have been a while ago; false if the pod's end comes first. */
export async function waitForRestart(
  { container, exit, backOff, result, ending }: EndedRun,
  { observer, pod }: Pick<RunPodOptions, 'observer' | 'pod'>,
  tellStates: () => void,
): Promise<boolean> {
  const { wanted, seconds } = backOff.after(result.state().state, exit.ranFor);
  const { failure } = exit;
  if (failure !== undefined) {
    result.waiting(failure.reason, failure.message);
    tellStates();
  }
  if (wanted > 0) {
    const words = backOffWords(pod, container, exit.exitCode, wanted);
    result.waiting('CrashLoopBackOff', words.state);
    tellStates();
    observer.onEvent?.('Warning', 'BackOff', words.event, container.name);
    // Minutes in which nothing would be seen to happen.
    observer.onWarning?.(words.warning);
  }
  await delay(seconds * 1000, ending);
  return !ending.aborted;
}

/** What is missing or wrong around a container may be put right; false if the pod's end comes first. */
export async function waitToRetry(ending: AbortSignal): Promise<boolean> {
  await delay(RETRY_SECONDS * 1000, ending);
  return !ending.aborted;
}

/** Whether a container is started again that did not come up, or does not live, whatever its exit code is then. */
export function restartsUnhealthy({ spec }: Pod, { restartPolicy }: Container): boolean {
  return (restartPolicy ?? spec?.restartPolicy) !== 'Never';
}

/** The one action here is Restart: see the support table. */
function applies({ exitCodes }: ContainerRestartRule, exitCode: number): boolean {
  if (exitCodes === undefined) return false;
  const isListed = (exitCodes.values ?? []).includes(exitCode);
  return exitCodes.operator === 'In' ? isListed : !isListed;
}
