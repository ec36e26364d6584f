import type { ContainerState, ContainerStatus, Pod, PodStatus } from '../../kube/types.generated.ts';
import { age } from './age.ts';
import { AGE, ageOf, type Cell, column, NAME, NONE, nameOf, type RowPrinter, wideColumn } from './row.ts';

/** What kubectl says of a pod in one word, and the numbers beside it. */
export interface PodSummary {
  /** STATUS: `Running`, `CrashLoopBackOff`, `Init:0/2`. */
  readonly reason: string;
  readonly ready: number;
  /** App containers and sidecars. */
  readonly total: number;
  readonly restarts: number;
  /** Of the newest end that a restart followed, in milliseconds. */
  readonly lastRestart: number | undefined;
}

/** The reason of an ended container, or which signal or exit code it had. */
function endOf({ reason = '', signal = 0, exitCode }: NonNullable<ContainerState['terminated']>): string {
  if (reason !== '') return reason;
  return signal === 0 ? `ExitCode:${exitCode}` : `Signal:${signal}`;
}

const isTrue = ({ conditions = [] }: PodStatus, type: string): boolean =>
  conditions.some(condition => condition.type === type && condition.status === 'True');

/** Restarts of some containers, and when the last of them was. */
function restartsOf(statuses: readonly ContainerStatus[]): Pick<PodSummary, 'restarts' | 'lastRestart'> {
  const ends = statuses
    .map(({ lastState }) => Date.parse(lastState?.terminated?.finishedAt ?? ''))
    .filter(time => time > 0);
  return {
    restarts: statuses.reduce((sum, { restartCount = 0 }) => sum + restartCount, 0),
    lastRestart: ends.length === 0 ? undefined : Math.max(...ends),
  };
}

interface Initialization {
  /** Undefined when all init containers are done. */
  readonly reason: string | undefined;
  /** Ready sidecars. */
  readonly ready: number;
  /** The statuses up to the one that is not done. */
  readonly seen: readonly ContainerStatus[];
}

function initialization(pod: Pod, sidecars: ReadonlySet<string>): Initialization {
  const statuses = pod.status?.initContainerStatuses ?? [];
  const count = pod.spec?.initContainers?.length ?? 0;
  let ready = 0;
  for (const [i, status] of statuses.entries()) {
    const { terminated, waiting } = status.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (sidecars.has(status.name) && status.started === true) {
      if (status.ready) ready++;
      continue;
    }
    const isWaiting = ![undefined, '', 'PodInitializing'].includes(waiting?.reason);
    const what =
      terminated === undefined ? (isWaiting ? waiting?.reason : `${i}/${count}`) : endOf(terminated);
    return { reason: `Init:${what}`, ready, seen: statuses.slice(0, i + 1) };
  }
  return { reason: undefined, ready, seen: statuses };
}

/** The app containers' say: the first one by name that does not simply run decides. */
function appContainers(
  status: PodStatus,
  before: string,
): { readonly reason: string; readonly ready: number } {
  const { containerStatuses = [] } = status;
  let reason = before;
  let failure: string | undefined;
  let ready = 0;
  for (const { state = {}, ready: isReady } of [...containerStatuses].reverse()) {
    const { waiting, terminated, running } = state;
    if ((waiting?.reason ?? '') !== '') reason = waiting?.reason ?? '';
    else if (terminated !== undefined) {
      reason = endOf(terminated);
      if (terminated.exitCode !== 0) failure = reason;
    } else if (running !== undefined && isReady) ready++;
  }
  if (reason !== 'Completed') return { reason, ready };
  // One that has done its work says nothing about the others.
  if (ready > 0 && isTrue(status, 'Ready')) return { reason: 'Running', ready };
  return { reason: failure ?? (ready > 0 ? 'NotReady' : reason), ready };
}

const TERMINAL: readonly (string | undefined)[] = ['Succeeded', 'Failed'];

function deletionReason({ metadata, status = {} }: Pod): string | undefined {
  if (metadata?.deletionTimestamp === undefined) return undefined;
  if (status.reason === 'NodeLost') return 'Unknown';
  return TERMINAL.includes(status.phase) ? undefined : 'Terminating';
}

/** The algorithm of the API server's printPod. */
export function podSummary(pod: Pod): PodSummary {
  const { spec, status = {} } = pod;
  const sidecars = new Set(
    (spec?.initContainers ?? []).flatMap(each => (each.restartPolicy === 'Always' ? [each.name] : [])),
  );
  const isGated = (status.conditions ?? []).some(
    ({ type, reason }) => type === 'PodScheduled' && reason === 'SchedulingGated',
  );
  const start = isGated ? 'SchedulingGated' : (status.reason ?? '') || (status.phase ?? '');
  const init = initialization(pod, sidecars);
  const isInitialized = init.reason === undefined || isTrue(status, 'Initialized');
  const apps = isInitialized
    ? appContainers(status, init.reason ?? start)
    : { reason: init.reason ?? start, ready: 0 };
  // Once they are done, restarts of the init containers are of no interest.
  const counted = isInitialized
    ? [...init.seen.filter(({ name }) => sidecars.has(name)), ...(status.containerStatuses ?? [])]
    : init.seen;
  return {
    reason: deletionReason(pod) ?? apps.reason,
    ready: init.ready + apps.ready,
    total: (spec?.containers.length ?? 0) + sidecars.size,
    ...restartsOf(counted),
  };
}

function restartsCell({ restarts, lastRestart }: PodSummary, now: number): string {
  if (restarts === 0 || lastRestart === undefined) return String(restarts);
  return `${restarts} (${age(new Date(lastRestart).toISOString(), now)} ago)`;
}

function readinessGates({ spec, status = {} }: Pod): string {
  const gates = spec?.readinessGates ?? [];
  if (gates.length === 0) return NONE;
  return `${gates.filter(({ conditionType }) => isTrue(status, conditionType)).length}/${gates.length}`;
}

/** `get pods`: kubectl's columns. */
export const POD_ROW: RowPrinter = {
  columns: [
    NAME,
    column('Ready', 'How many of the containers are ready.'),
    column('Status', 'What the containers are doing, in one word.'),
    column('Restarts', 'How often containers have been restarted, and when the last one was.'),
    AGE,
    wideColumn('IP', 'The address of the pod.'),
    wideColumn('Node', 'The node that the pod runs on.'),
    wideColumn('Nominated Node', 'The node that the pod waits for.'),
    wideColumn('Readiness Gates', 'How many of the readiness gates are passed.'),
  ],
  cells: (pod: Pod, now: number): readonly Cell[] => {
    const summary = podSummary(pod);
    const { status = {} } = pod;
    return [
      nameOf(pod),
      `${summary.ready}/${summary.total}`,
      summary.reason,
      restartsCell(summary, now),
      ageOf(pod, now),
      status.podIPs?.[0]?.ip || status.podIP || NONE,
      pod.spec?.nodeName || NONE,
      status.nominatedNodeName || NONE,
      readinessGates(pod),
    ];
  },
};
