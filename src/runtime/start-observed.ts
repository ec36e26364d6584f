import type { Image } from '../image/store.ts';
import type { Container } from '../kube/types.generated.ts';
import type { ContainerInput, ContainerStages } from '../pipeline.ts';
import type { Audit } from './audit/audit.ts';
import { ContainerStartError, type StartedContainer, startContainer } from './container.ts';
import { isDiskFailure } from './disk-failure.ts';
import type { LifecycleHooks } from './lifecycle-hooks.ts';
import type { RunPodOptions } from './run-options.ts';

export interface ObservedStart {
  readonly started: StartedContainer;
  /** To be called at the container's end. */
  ended(): Promise<void>;
}

/** A full disk is no reason to give up a pod: the container is tried again. */
const noRoom = ({ message }: Error): ContainerStartError =>
  new ContainerStartError('CreateContainerError', `cannot write the container's files: ${message}`);

/** Starts a container, and tells those who watch. Throws a {@link ContainerStartError}. */
export async function startObserved(
  options: RunPodOptions,
  { sandbox, keeper }: Pick<LifecycleHooks, 'sandbox' | 'keeper'>,
  input: ContainerInput,
  image: Image | undefined,
): Promise<ObservedStart> {
  const { observer, onAudited } = options;
  const { container, attempt } = input;
  const { name } = container;
  // Loaded only when asked for: it brings node:worker_threads along.
  const audit =
    onAudited === undefined ? undefined : await (await import('./audit/audit.ts')).startAudit(input);
  let started: StartedContainer;
  try {
    const trace = options.trace === true;
    started = await startContainer(input, image, { trace, sandbox, auditSocket: audit?.socket, keeper });
  } catch (cause) {
    const error = keeper !== undefined && isDiskFailure(cause) ? noRoom(cause) : cause;
    if (!(error instanceof ContainerStartError)) throw error;
    if (error.programError !== undefined)
      observer.onTrace?.(name, error.programError.program, error.programError.report);
    observer.onAttempt?.(name, error.reason === 'StartError');
    observer.onEvent?.('Warning', 'Failed', `Error: ${error.message}`, name);
    throw error;
  } finally {
    audit?.close();
  }
  if (attempt === 0)
    for (const warning of started.warnings) observer.onWarning?.(`container "${name}": ${warning}`);
  const { made } = started;
  if (made !== undefined) {
    observer.onTrace?.(name, made.stages.compiled.program, made.report);
    observer.onStarted?.(name, made.stages);
  }
  observer.onAttempt?.(name, true);
  observer.onEvent?.('Normal', 'Started', 'Container started', name);
  return {
    // Programs are large, and nobody looks at this one again.
    started: { ...started, made: undefined },
    ended:
      audit === undefined || made === undefined ? nothing : audited(options, container, made.stages, audit),
  };
}

const nothing = async (): Promise<void> => {};

/** Apart, so that nothing holds on to the stages of a container that nobody audits. */
function audited(
  { onAudited }: RunPodOptions,
  container: Container,
  stages: ContainerStages,
  audit: Audit,
): () => Promise<void> {
  return async () => onAudited?.(container, stages, await audit.observation);
}
