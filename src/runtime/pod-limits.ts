import type { PodPaths } from '../oci/pod-paths.ts';
import type { PodObserver, RunPodOptions } from './run-options.ts';
import { storageLimits, watchStorage } from './storage-limits.ts';
import { startTimer } from './timer.ts';

/** immediateEvictionGracePeriodSeconds of the kubelet. */
const EVICTION_GRACE_SECONDS = 1;

const DEADLINE_EXCEEDED = 'Pod was active on the node longer than the specified deadline';

interface Limited {
  /** How often a container has been started again. */
  attempt(container: string): number;
  /** Ends the pod, and says why. */
  fail(reason: string, message: string, graceSeconds?: number): void;
}

/** Ends a pod when its activeDeadlineSeconds are over, from a time of performance.now() on; returns how to wait for that no longer. */
export function watchDeadline(
  seconds: number,
  startedAt: number,
  observer: PodObserver,
  fail: Limited['fail'],
): () => void {
  return startTimer(Math.max(0, startedAt + seconds * 1000 - performance.now()), () => {
    observer.onEvent?.('Normal', 'DeadlineExceeded', DEADLINE_EXCEEDED, '');
    fail('DeadlineExceeded', DEADLINE_EXCEEDED);
  });
}

/**
 * Ends a pod that takes more than it was allowed of time (since `startedAt`, of performance.now()) or of the disk; returns how to
 * stop looking.
 */
export function watchLimits(
  { pod, observer }: RunPodOptions,
  { paths, startedAt }: { readonly paths: PodPaths; readonly startedAt: number },
  { attempt, fail }: Limited,
): () => void {
  const seconds = pod.spec?.activeDeadlineSeconds;
  const stopDeadline = seconds === undefined ? undefined : watchDeadline(seconds, startedAt, observer, fail);
  // The kubelet's eviction manager, as far as it is about what the pod itself was allowed.
  const stopWatching = watchStorage(
    () => storageLimits(pod, paths, attempt),
    message => {
      observer.onEvent?.('Warning', 'Evicted', message, '');
      fail('Evicted', message, EVICTION_GRACE_SECONDS);
    },
  );
  return () => {
    stopDeadline?.();
    stopWatching();
  };
}
