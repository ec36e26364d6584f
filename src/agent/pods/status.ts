import { qosClass } from '../../kube/resources.ts';
import type {
  ContainerStatus,
  ContainerState as KubeState,
  Pod,
  PodCondition,
  PodStatus,
} from '../../kube/types.generated.ts';
import type { ContainerState, Terminated } from '../../runtime/container-state.ts';
import { runsAgain } from '../../runtime/restart.ts';
import { timestamp } from '../objects.ts';

/** What the status of a pod is made of, beside its spec. */
export interface StatusFacts {
  readonly containers: readonly ContainerState[];
  readonly hostIP: string;
  readonly podIPs: readonly string[];
  /** Milliseconds since the epoch: when the node took the pod. */
  readonly startTime: number;
  /** Its sandbox is there, with its network. */
  readonly hasSandbox: boolean;
  /** Why the pod as a whole has failed, or cannot be scheduled. */
  readonly failure?:
    | {
        readonly reason: string;
        readonly message: string;
        /** The node has never taken it. */
        readonly isRejected?: boolean;
      }
    | undefined;
  /** No node has room for it. */
  readonly unschedulable?: string | undefined;
}

type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

/**
 * v1.PodStatus as a kubelet makes it: phase, conditions in its order, statuses by name (init containers in the order of the
 * spec). Times of conditions that are as they were in `before` stay.
 */
export function podStatus(pod: Pod, facts: StatusFacts, before: PodStatus | undefined): PodStatus {
  const { containers, hostIP, podIPs, startTime, failure, unschedulable } = facts;
  const init = containers.filter(each => each.init);
  const apps = containers.filter(each => !each.init);
  const phase: Phase = failure === undefined ? phaseOf(pod, init, apps) : 'Failed';
  const reason = failure === undefined ? {} : { reason: failure.reason, message: failure.message };
  if (unschedulable !== undefined)
    return {
      phase: 'Pending',
      conditions: [
        dated(before, {
          type: 'PodScheduled',
          status: 'False',
          reason: 'Unschedulable',
          message: unschedulable,
        }),
      ],
      qosClass: qosClass(pod),
    };
  if (failure?.isRejected === true)
    return { phase, ...reason, startTime: timestamp(startTime), qosClass: qosClass(pod) };
  return {
    phase,
    ...reason,
    conditions: conditionsOf(facts, phase, init, apps).map(each => dated(before, each)),
    hostIP,
    hostIPs: [{ ip: hostIP }],
    ...(podIPs[0] === undefined ? {} : { podIP: podIPs[0], podIPs: podIPs.map(ip => ({ ip })) }),
    startTime: timestamp(startTime),
    qosClass: qosClass(pod),
    ...(init.length === 0 ? {} : { initContainerStatuses: init.map(each => statusOf(pod, each)) }),
    containerStatuses: [...apps].sort((a, b) => (a.name < b.name ? -1 : 1)).map(each => statusOf(pod, each)),
  };
}

/** The kubelet's getPhase. */
function phaseOf(pod: Pod, init: readonly ContainerState[], apps: readonly ContainerState[]): Phase {
  const failedInit = init.some(
    each =>
      !each.sidecar && each.state.is === 'terminated' && each.state.exitCode !== 0 && !runsAgain(pod, each),
  );
  if (failedInit) return 'Failed';
  const isInitialised = areInitialised(init);
  const hasApps = apps.some(({ state, lastState }) => state.is !== 'waiting' || lastState !== undefined);
  if (!isInitialised && !hasApps) return 'Pending';
  const isWaiting = apps.some(({ state, lastState }) => state.is === 'waiting' && lastState === undefined);
  if (isWaiting) return 'Pending';
  if (apps.some(each => each.state.is !== 'terminated' || runsAgain(pod, each))) return 'Running';
  return apps.every(isDone) ? 'Succeeded' : 'Failed';
}

/** All of a pod's init containers have done their part. */
function areInitialised(init: readonly ContainerState[]): boolean {
  return init.every(each => (each.sidecar ? each.started || each.lastState !== undefined : isDone(each)));
}

/**
 * What the containers are of a pod that was ended as a whole: once it was initialised, of one that still waited nobody knows
 * what would have become of it (TerminatePod of the kubelet's status manager).
 */
export function settled(containers: readonly ContainerState[], now: number): readonly ContainerState[] {
  if (!areInitialised(containers.filter(({ init }) => init))) return containers;
  const state = unknownEnd(0, now);
  return containers.map(each => (each.init || each.state.is !== 'waiting' ? each : { ...each, state }));
}

/** The end of a container that nobody has seen. */
export const unknownEnd = (startedAt: number, finishedAt: number): Terminated => ({
  is: 'terminated',
  reason: 'ContainerStatusUnknown',
  message: 'The container could not be located when the pod was terminated',
  exitCode: 137,
  signal: undefined,
  startedAt,
  finishedAt,
});

const isDone = ({ state }: ContainerState): boolean => state.is === 'terminated' && state.exitCode === 0;

type Condition = Pick<PodCondition, 'type' | 'status' | 'reason' | 'message'>;

function conditionsOf(
  { hasSandbox }: StatusFacts,
  phase: Phase,
  init: readonly ContainerState[],
  apps: readonly ContainerState[],
): readonly Condition[] {
  const truth = (type: string, isTrue: boolean, why: Omit<Condition, 'type' | 'status'> = {}): Condition => ({
    type,
    status: isTrue ? 'True' : 'False',
    ...(isTrue ? {} : why),
  });
  const names = (all: readonly ContainerState[]): string => all.map(({ name }) => name).join(' ');
  const incomplete = init.filter(each => (each.sidecar ? !each.started : !isDone(each)));
  const isInitialised =
    incomplete.length === 0 || apps.some(({ state, lastState }) => state.is !== 'waiting' || lastState);
  const unready = [...init.filter(({ sidecar }) => sidecar), ...apps].filter(({ ready }) => !ready);
  const isEnded = phase === 'Succeeded' || phase === 'Failed';
  const ended = { reason: phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed' };
  const why = isEnded
    ? ended
    : { reason: 'ContainersNotReady', message: `containers with unready status: [${names(unready)}]` };
  const isReady = !isEnded && unready.length === 0;
  const initialised =
    isInitialised && phase === 'Succeeded'
      ? { ...truth('Initialized', true), reason: 'PodCompleted' }
      : truth('Initialized', Boolean(isInitialised), {
          reason: 'ContainersNotInitialized',
          message: `containers with incomplete status: [${names(incomplete)}]`,
        });
  return [
    truth('PodReadyToStartContainers', hasSandbox),
    initialised,
    truth('Ready', isReady, why),
    truth('ContainersReady', isReady, why),
    truth('PodScheduled', true),
  ];
}

/** When it became what it is. */
function dated(before: PodStatus | undefined, condition: Condition): PodCondition {
  const was = before?.conditions?.find(({ type }) => type === condition.type);
  const isSame = was?.status === condition.status && was.lastTransitionTime !== undefined;
  return { ...condition, lastTransitionTime: isSame ? (was.lastTransitionTime as string) : timestamp() };
}

function statusOf(pod: Pod, each: ContainerState): ContainerStatus {
  const { name, state, lastState, ready, started, restartCount, image, imageId } = each;
  const id = `podspace://${pod.metadata?.uid}/${name}/${restartCount}`;
  const hasRun = state.is !== 'waiting' || lastState !== undefined;
  return {
    name,
    state: stateOf(state, id),
    lastState: lastState === undefined ? {} : stateOf(lastState, idBefore(pod, each)),
    ready: ready || (each.init && !each.sidecar && isDone(each)),
    started,
    restartCount,
    image,
    imageID: imageId === '' || !hasRun ? '' : `sha256:${imageId.replace(/^sha256:/, '')}`,
    ...(hasRun ? { containerID: id } : {}),
  };
}

const idBefore = (pod: Pod, { name, restartCount, state }: ContainerState): string =>
  `podspace://${pod.metadata?.uid}/${name}/${state.is === 'waiting' ? restartCount : Math.max(0, restartCount - 1)}`;

function stateOf(state: ContainerState['state'], containerID: string): KubeState {
  if (state.is === 'waiting')
    return {
      waiting: {
        reason: state.reason,
        ...(state.message === undefined ? {} : { message: state.message }),
      },
    };
  if (state.is === 'running') return { running: { startedAt: timestamp(state.startedAt) } };
  return { terminated: { ...terminated(state), containerID } };
}

function terminated({ exitCode, reason, message, startedAt, finishedAt }: Terminated) {
  return {
    exitCode,
    reason,
    ...(message === undefined ? {} : { message }),
    startedAt: timestamp(startedAt),
    finishedAt: timestamp(finishedAt),
  };
}
