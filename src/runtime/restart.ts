import type { Container, Pod } from '../kube/types.generated.ts';

const FIRST_DELAY = 10;
const MAX_DELAY = 300;

/** Seconds before the next start after attempt `n` (from 0): the first restart is immediate, then 10, 20, 40… to 300. */
export function backOff(attempt: number): number {
  return attempt === 0 ? 0 : Math.min(FIRST_DELAY * 2 ** (attempt - 1), MAX_DELAY);
}

/**
 * Whether a container that ended is started again by an attached run. The pod's `Always` is not obeyed there: a command
 * that never ended would be of no use, so each container runs once, as with Never. A container's own policy is (1.35).
 */
export function shouldRestart(pod: Pod, container: Container, exitCode: number): boolean {
  const policy = container.restartPolicy ?? (pod.spec?.restartPolicy === 'OnFailure' ? 'OnFailure' : 'Never');
  if (policy === 'Always') return true;
  return policy === 'OnFailure' && exitCode !== 0;
}
