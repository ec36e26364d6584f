import t from 'tap';
import { agentFor, scripts } from './agent.ts';
import { needsRoot } from './harness.ts';
import {
  after,
  backOff,
  CREATED,
  crashLoop,
  ended,
  incomplete,
  NEVER,
  notReady,
  PULLED,
  RUNNING,
  SCHEDULED,
  STAY,
  sh,
  told,
  waiting,
} from './pod-expected.ts';
import { type Row, testRows } from './pod-rows.ts';

const ON_FAILURE = { restartPolicy: 'OnFailure' };
const VOLUME = { volumes: [{ name: 'v', emptyDir: {} }] };
/** Ends with that code at first, and well when it is tried again. */
const once = (code: number, more: object = {}): object =>
  sh(`test -e /v/x && exit 0; touch /v/x; exit ${code}`, {
    volumeMounts: [{ name: 'v', mountPath: '/v' }],
    ...more,
  });
const init = (name: string, what: object): object => ({ name, image: 'localhost/busybox', ...what });
const sidecar = (name: string, script: string): object => init(name, sh(script, { restartPolicy: 'Always' }));
const rule = (operator: string, ...values: readonly number[]): object => ({
  restartPolicyRules: [{ action: 'Restart', exitCodes: { operator, values } }],
});

/** Several containers, and whether they are started again. */
const POLICIES: Readonly<Record<string, Row>> = {
  'Never: one of them failed': {
    spec: scripts({ a: 'exit 2', b: 'exit 0' }, NEVER),
    shows: ['0/2 Error 0'],
    phase: 'Failed',
    status: {
      a: ended('Error', 2),
      b: ended('Completed', 0),
      Ready: { status: 'False', reason: 'PodFailed' },
    },
    events: told(2),
  },
  'Never: one has done its work, and one goes on': {
    spec: scripts({ a: 'exit 0', b: STAY }, NEVER),
    shows: ['1/2 NotReady 0'],
    phase: 'Running',
    status: { a: ended('Completed', 0), b: RUNNING, Ready: notReady('a') },
    events: told(2),
  },
  'Never: one has failed, and one goes on': {
    spec: scripts({ a: STAY, b: 'exit 1' }, NEVER),
    shows: ['1/2 Error 0'],
    phase: 'Running',
    status: { a: RUNNING, b: ended('Error', 1), Ready: notReady('b') },
    events: told(2),
  },
  'OnFailure: until all have ended well': {
    spec: scripts({ a: 'exit 0', b: once(1) }, { ...ON_FAILURE, ...VOLUME }),
    shows: ['0/2 Completed 1'],
    phase: 'Succeeded',
    status: {
      a: { restartCount: 0, lastState: {}, ...ended('Completed', 0) },
      b: { restartCount: 1, ...ended('Completed', 0), ...after('Error', 1) },
      Ready: { status: 'False', reason: 'PodCompleted' },
      Initialized: { status: 'True', reason: 'PodCompleted' },
    },
    events: told(2),
  },
  'OnFailure: one that fails, and one that does not': {
    spec: scripts({ a: 'exit 0', b: 'exit 1' }, ON_FAILURE),
    shows: ['0/2 Error 1', '0/2 Completed 1'],
    phase: 'Running',
    status: { a: ended('Completed', 0), b: { ...crashLoop('b'), ...after('Error', 1) } },
    events: told(2, backOff('b')),
  },
  'Always: also one that ended well': {
    spec: scripts({ a: 'exit 0', b: STAY }),
    shows: ['1/2 CrashLoopBackOff 1'],
    phase: 'Running',
    status: { a: { ...crashLoop('a'), ...after('Completed', 0) }, b: RUNNING },
    events: told(2, backOff('a')),
  },
  'a container’s own policy': {
    spec: scripts({ a: sh('exit 1', { restartPolicy: 'Never' }), b: STAY }),
    shows: ['1/2 Error 0'],
    phase: 'Running',
    status: { a: { restartCount: 0, lastState: {}, ...ended('Error', 1) }, b: RUNNING },
    events: told(2),
  },
  'a rule that restarts it': {
    spec: scripts({ a: once(42, { restartPolicy: 'Never', ...rule('In', 42) }) }, { ...NEVER, ...VOLUME }),
    shows: ['0/1 Error 0', '1/1 Running 1', '0/1 Completed 1'],
    phase: 'Succeeded',
    status: { a: { restartCount: 1, ...ended('Completed', 0), ...after('Error', 42) } },
    events: told(1),
  },
  'a rule that does not': {
    spec: scripts({ a: sh('exit 42', { restartPolicy: 'Never', ...rule('NotIn', 42) }) }, NEVER),
    shows: ['0/1 Error 0'],
    phase: 'Failed',
    status: { a: { restartCount: 0, ...ended('Error', 42) } },
    events: told(1),
  },
};

/** What comes before the containers, and beside them. */
const INITS: Readonly<Record<string, Row>> = {
  'Init:1/2': {
    spec: scripts({ main: STAY }, { initContainers: [init('a', sh('exit 0')), init('b', sh(STAY))] }),
    shows: ['0/1 Init:0/2 0', '0/1 Init:1/2 0'],
    phase: 'Pending',
    status: {
      a: { ready: true, ...ended('Completed', 0) },
      main: waiting('PodInitializing'),
      Initialized: incomplete('b'),
      Ready: notReady('main'),
    },
    events: told(2),
  },
  'PodInitializing, and then all run': {
    spec: scripts({ a: STAY, b: STAY }, { initContainers: [init('i', sh('exit 0'))] }),
    shows: ['0/2 Init:0/1 0', '0/2 PodInitializing 0', '1/2 PodInitializing 0', '2/2 Running 0'],
    phase: 'Running',
    status: { a: RUNNING, b: RUNNING, Initialized: { status: 'True' }, Ready: { status: 'True' } },
    events: told(3),
  },
  'Init:Error': {
    spec: scripts(
      { main: STAY },
      { ...NEVER, initContainers: [init('a', sh('exit 2')), init('b', sh(STAY))] },
    ),
    shows: ['0/1 Init:0/2 0', '0/1 Init:Error 0'],
    phase: 'Failed',
    status: {
      a: ended('Error', 2),
      b: waiting('PodInitializing'),
      main: waiting('PodInitializing'),
      Initialized: incomplete('a', 'b'),
      Ready: { status: 'False', reason: 'PodFailed' },
    },
    events: told(1),
  },
  'Init:CrashLoopBackOff': {
    spec: scripts({ main: STAY }, { initContainers: [init('a', sh('exit 2'))] }),
    shows: ['0/1 Init:0/1 0', '0/1 Init:Error 0', '0/1 Init:CrashLoopBackOff 1'],
    phase: 'Pending',
    status: {
      a: { restartCount: 1, ...crashLoop('a'), ...after('Error', 2) },
      main: waiting('PodInitializing'),
    },
    events: told(1, backOff('a')),
  },
  'Init:OOMKilled': {
    spec: scripts(
      { main: STAY },
      {
        ...NEVER,
        initContainers: [init('a', sh('tail /dev/zero', { resources: { limits: { memory: '20Mi' } } }))],
      },
    ),
    shows: ['0/1 Init:OOMKilled 0'],
    phase: 'Failed',
    status: { a: ended('OOMKilled', 137) },
    events: told(1),
  },
  'Init:CreateContainerConfigError': {
    spec: scripts(
      { main: STAY },
      { initContainers: [init('a', sh(STAY, { securityContext: { runAsNonRoot: true } }))] },
    ),
    shows: ['0/1 Init:CreateContainerConfigError 0'],
    phase: 'Pending',
    status: {
      a: waiting('CreateContainerConfigError', 'container has runAsNonRoot and image will run as root'),
    },
    events: [
      SCHEDULED,
      PULLED,
      'Failed: Error: container has runAsNonRoot and image will run as root (pod: "NAME_default(UID)", container: a)',
    ],
  },
  'sidecars: before the others, and after them': {
    spec: scripts(
      { main: 'sleep 1' },
      { ...NEVER, initContainers: [sidecar('a', STAY), sidecar('b', STAY)] },
    ),
    shows: [
      ...['0/3 Init:0/2 0', '1/3 Init:1/2 0', '2/3 PodInitializing 0', '3/3 Running 0'],
      ...['2/3 Completed 0', '1/3 Completed 0', '0/3 Completed 0'],
    ],
    phase: 'Succeeded',
    status: { a: ended('Completed', 0), b: ended('Completed', 0), main: ended('Completed', 0) },
    events: told(3, 'Killing: Stopping container a', 'Killing: Stopping container b'),
  },
  'a sidecar that fails is started again, whatever the policy': {
    spec: scripts({ main: STAY }, { ...NEVER, initContainers: [sidecar('a', 'exit 1')] }),
    shows: ['1/2 Init:CrashLoopBackOff 1'],
    phase: 'Running',
    status: { a: { ...crashLoop('a'), ...after('Error', 1) }, main: RUNNING, Ready: notReady('a') },
    events: told(2, backOff('a')),
  },
  'a sidecar that fails does not count': {
    spec: scripts(
      { main: 'sleep 1' },
      { ...NEVER, initContainers: [sidecar('a', 'trap "exit 9" TERM; while true; do sleep 0.1; done')] },
    ),
    shows: ['0/2 Completed 0'],
    phase: 'Succeeded',
    status: { a: ended('Error', 9), main: ended('Completed', 0) },
    events: told(2, 'Killing: Stopping container a'),
  },
  'a sidecar that cannot be started': {
    spec: scripts(
      { main: STAY },
      { initContainers: [init('a', { command: ['nosuch'], restartPolicy: 'Always' })] },
    ),
    shows: ['0/2 Init:RunContainerError 0', '0/2 Init:CrashLoopBackOff 1'],
    phase: 'Pending',
    status: { a: { ...crashLoop('a'), ...after('StartError', 128) }, main: waiting('PodInitializing') },
    events: [
      SCHEDULED,
      PULLED,
      CREATED,
      'Failed: Error: exec: "nosuch": executable file not found in $PATH',
      backOff('a'),
    ],
  },
};

t.test('containers of one pod, by their policies', { skip: needsRoot }, async t => {
  const agent = await agentFor(t);
  await testRows(t, agent, { ...POLICIES, ...INITS });
  await agent.clear();
  t.strictSame(await agent.left(), []);
});
