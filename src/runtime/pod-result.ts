import type { Pod } from '../kube/types.generated.ts';

/** How one container of a pod ended; the words are those of its status in the API. */
export interface ContainerResult {
  readonly name: string;
  readonly init: boolean;
  /** An init container with restartPolicy Always: how it ends does not count. */
  readonly sidecar: boolean;
  /** `Completed`, `Error`, `StartError`…; for a container that never ran, its waiting reason. */
  readonly reason: string;
  /** Why it did not run, or its termination message. */
  readonly message: string | undefined;
  /** As Kubernetes counts: the exit status, or 128 + signal; undefined if it never ran. */
  readonly exitCode: number | undefined;
  readonly signal: number | undefined;
  /** RFC 3339; undefined if it never ran. */
  readonly startedAt: string | undefined;
  readonly finishedAt: string | undefined;
  readonly restartCount: number;
  /** Processor time in microseconds, over all attempts. */
  readonly cpuMicroseconds: number;
  /** Peak resident set in bytes. */
  readonly maxRss: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The output was longer than what is kept of it, 64 MiB of each stream. */
  readonly truncated: boolean;
}

export interface PodResult {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly phase: 'Pending' | 'Succeeded' | 'Failed';
  /** Why the pod as a whole failed: `DeadlineExceeded`, `FailedMount`… */
  readonly reason: string | undefined;
  readonly message: string | undefined;
  readonly containers: readonly ContainerResult[];
}

/** The exit code of a command that ran the pod: the first container's that is not zero, in the order of the spec. */
export function exitCodeOf(result: PodResult): number {
  const failed = result.containers.find(
    ({ exitCode, sidecar }) => !sidecar && exitCode !== undefined && exitCode !== 0,
  );
  if (failed?.exitCode !== undefined) return failed.exitCode;
  return result.phase === 'Succeeded' ? 0 : 1;
}

/** Kubernetes' phase; sidecars do not count, and a container that could not be created leaves the pod Pending. */
export function phaseOf({ spec }: Pod, containers: readonly ContainerResult[]): PodResult['phase'] {
  const counted = containers.filter(({ sidecar }) => !sidecar);
  if (counted.some(({ exitCode, reason }) => exitCode === undefined && reason.startsWith('Create')))
    return 'Pending';
  const names = new Set(containers.map(({ name }) => name));
  const isComplete = spec?.containers.every(({ name }) => names.has(name)) === true;
  return isComplete && counted.every(({ exitCode }) => exitCode === 0) ? 'Succeeded' : 'Failed';
}
