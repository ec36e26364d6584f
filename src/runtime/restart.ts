import type { Container, ContainerRestartRule, Pod } from '../kube/types.generated.ts';
import type { Attempt } from './keeper.ts';

const FIRST_DELAY = 10;
const MAX_DELAY = 300;

/** A run that took longer than this, in seconds, makes up for all failures before it. */
const RESET_AFTER = 600;

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
}

/** Where a container stands whose attempts are on record, the newest first; one that was never started begins. */
export function resume(attempts: readonly Attempt[] = []): {
  readonly backOff: BackOff;
  readonly first: number;
} {
  const backOff = new BackOff();
  const [last, ...before] = attempts;
  for (const { startedAt, end } of before.reverse())
    backOff.next(((end?.finishedAt ?? startedAt) - startedAt) / 1000);
  return { backOff, first: last?.number ?? 0 };
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
  { isAttached = true, wasUnhealthy = false } = {},
): boolean {
  if (wasUnhealthy && restartsUnhealthy(pod, container)) return true;
  if ((container.restartPolicyRules ?? []).some(rule => applies(rule, exitCode))) return true;
  const ofPod = pod.spec?.restartPolicy ?? 'Always';
  const policy = container.restartPolicy ?? (isAttached && ofPod === 'Always' ? 'Never' : ofPod);
  if (policy === 'Always') return true;
  return policy === 'OnFailure' && exitCode !== 0;
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

/** Seconds as Go prints a duration: 10s, 1m20s, 5m0s. */
export function duration(seconds: number): string {
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
