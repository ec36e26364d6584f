/** A container that ends well when it is told to. */
export const STAY = 'trap "exit 0" TERM; while true; do sleep 0.1; done';
export const NEVER = { restartPolicy: 'Never' };
export const sh = (script: string, more: object = {}): object => ({ command: ['sh', '-c', script], ...more });
export const waiting = (reason: string, message?: string): object => ({
  ready: false,
  started: false,
  state: { waiting: { reason, ...(message === undefined ? {} : { message }) } },
});
export const ended = (reason: string, exitCode: number, more: object = {}): object => ({
  started: false,
  state: { terminated: { reason, exitCode, finishedAt: /^\d{4}-\d\d-\d\dT/, ...more } },
});
export const RUNNING = { ready: true, started: true, state: { running: { startedAt: /^\d{4}-\d\d-\d\dT/ } } };
/** The end before. */
export const after = (reason: string, exitCode: number, message?: string): object => ({
  lastState: { terminated: { reason, exitCode, ...(message === undefined ? {} : { message }) } },
});

export const SCHEDULED = 'Scheduled: Successfully assigned default/NAME to NODE';
export const PULLED =
  'Pulled: Container image "localhost/busybox" already present on machine and can be accessed by the pod';
export const CREATED = 'Created: Container created';
export const STARTED = 'Started: Container started';
/** What is told of so many containers that were started, once or more often, and then of what else there was. */
export const told = (containers: number, ...more: readonly string[]): readonly string[] => [
  SCHEDULED,
  ...Array.from({ length: containers }, () => [PULLED, CREATED, STARTED]).flat(),
  ...more,
];
export const backOff = (container: string): string =>
  `BackOff: Back-off restarting failed container ${container} in pod NAME_default(UID)`;
export const crashLoop = (container: string): object =>
  waiting('CrashLoopBackOff', `back-off 10s restarting failed container=${container} pod=NAME_default(UID)`);
export const notReady = (...containers: readonly string[]): object => ({
  status: 'False',
  reason: 'ContainersNotReady',
  message: `containers with unready status: [${containers.join(' ')}]`,
});
export const incomplete = (...containers: readonly string[]): object => ({
  status: 'False',
  reason: 'ContainersNotInitialized',
  message: `containers with incomplete status: [${containers.join(' ')}]`,
});
