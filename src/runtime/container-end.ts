import type { Container } from '../kube/types.generated.ts';
import type { Exit } from './child-exits.ts';
import type { StartedContainer } from './container.ts';
import type { Keeper } from './keeper.ts';
import { hasOomKill } from './pod-cgroup.ts';
import type { ResultBuilder } from './result-builder.ts';
import type { Supervision } from './supervision.ts';

interface EndedContainer {
  readonly container: Container;
  readonly attempt: number;
  readonly started: StartedContainer;
  readonly result: ResultBuilder;
  readonly keeper: Keeper | undefined;
}

/** Puts into a container's result how it ended, and what it said of that; all that it printed has been read. */
export function settleEnd(
  { container, attempt, started, result, keeper }: EndedContainer,
  exit: Exit,
  {
    finishedAt,
    memoryPeak = exit.maxRss,
    supervision,
  }: {
    readonly finishedAt: number;
    readonly memoryPeak?: number | undefined;
    readonly supervision: Supervision | undefined;
  },
): void {
  if (keeper !== undefined && container.terminationMessagePolicy === 'FallbackToLogsOnError')
    result.output('stdout', keeper.logTail(container, attempt));
  // containerd's rule: somebody of the container was killed for want of memory, and it ended as one who is killed.
  const isOomKilled = exit.exitCode === 137 && hasOomKill(started.facts.cgroup);
  const message = started.terminationLog.read();
  started.terminationLog.close();
  // To who ran the pod it is why; a status says so only while the container waits for its restart.
  const failure = keeper === undefined ? supervision?.failure : undefined;
  const wasUnhealthy = supervision?.wasUnhealthy === true;
  const end = { ...exit, maxRss: memoryPeak, isOomKilled, message, failure, wasUnhealthy };
  result.ended(end, started.startedAt, finishedAt, attempt);
}
