import t from 'tap';
import { agentFor, scripts } from './agent.ts';
import { needsRoot } from './harness.ts';
import {
  after,
  backOff,
  CREATED,
  crashLoop,
  ended,
  NEVER,
  notReady,
  PULLED,
  SCHEDULED,
  sh,
  told,
} from './pod-expected.ts';
import { POD, type Row, testRows } from './pod-rows.ts';

const NOT_FOUND = 'exec: "nosuch": executable file not found in $PATH';

/** How containers end. */
const ENDS: Readonly<Record<string, Row>> = {
  Completed: {
    spec: scripts({ main: 'exit 0' }, NEVER),
    shows: ['0/1 ContainerCreating 0', '1/1 Running 0', '0/1 Completed 0'],
    phase: 'Succeeded',
    status: {
      main: { restartCount: 0, ...ended('Completed', 0) },
      Initialized: { status: 'True' },
      Ready: { status: 'False' },
    },
    events: told(1),
  },
  Error: {
    spec: scripts({ main: 'exit 3' }, NEVER),
    shows: ['1/1 Running 0', '0/1 Error 0'],
    phase: 'Failed',
    status: { main: ended('Error', 3, { signal: undefined }) },
    events: told(1),
  },
  'Error by a signal': {
    spec: scripts({ main: 'kill -KILL $$$$' }, { ...NEVER, shareProcessNamespace: true }),
    shows: ['1/1 Running 0', '0/1 Error 0'],
    phase: 'Failed',
    status: { main: ended('Error', 137, { signal: undefined }) },
    events: told(1),
  },
  OOMKilled: {
    spec: scripts({ main: sh('tail /dev/zero', { resources: { limits: { memory: '20Mi' } } }) }, NEVER),
    shows: ['1/1 Running 0', '0/1 OOMKilled 0'],
    phase: 'Failed',
    status: { main: ended('OOMKilled', 137) },
    events: told(1),
  },
  'a message': {
    spec: scripts({ main: 'echo printed; echo said >/dev/termination-log; exit 1' }, NEVER),
    shows: ['0/1 Error 0'],
    phase: 'Failed',
    status: { main: ended('Error', 1, { message: /^said\n$/ }) },
    events: told(1),
  },
  'a message at another path': {
    spec: scripts({ main: sh('echo fine >/tmp/why', { terminationMessagePath: '/tmp/why' }) }, NEVER),
    shows: ['0/1 Completed 0'],
    phase: 'Succeeded',
    status: { main: ended('Completed', 0, { message: /^fine\n$/ }) },
    events: told(1),
  },
  'what it printed, for want of a message': {
    spec: scripts(
      { main: sh('echo printed; exit 1', { terminationMessagePolicy: 'FallbackToLogsOnError' }) },
      NEVER,
    ),
    shows: ['0/1 Error 0'],
    phase: 'Failed',
    status: { main: ended('Error', 1, { message: /^printed\n$/ }) },
    events: told(1),
  },
  StartError: {
    spec: scripts({ main: { command: ['nosuch'] } }, NEVER),
    shows: ['0/1 ContainerCreating 0', '0/1 StartError 0'],
    phase: 'Failed',
    status: { main: ended('StartError', 128, { message: NOT_FOUND, startedAt: '1970-01-01T00:00:00Z' }) },
    events: [SCHEDULED, PULLED, CREATED, `Failed: Error: ${NOT_FOUND}`],
  },
  'RunContainerError, and again': {
    spec: scripts({ main: { command: ['nosuch'] } }),
    shows: ['0/1 RunContainerError 0', '0/1 RunContainerError 1', '0/1 CrashLoopBackOff 1'],
    phase: 'Running',
    status: { main: { restartCount: 1, ...crashLoop('main'), ...after('StartError', 128, NOT_FOUND) } },
    events: [SCHEDULED, PULLED, CREATED, `Failed: Error: ${NOT_FOUND}`, backOff('main')],
  },
  CrashLoopBackOff: {
    spec: scripts({ main: 'exit 1' }),
    shows: ['1/1 Running 0', '0/1 Error 0', '1/1 Running 1', '0/1 Error 1', '0/1 CrashLoopBackOff 1'],
    phase: 'Running',
    status: {
      main: { restartCount: 1, ...crashLoop('main'), ...after('Error', 1) },
      Initialized: { status: 'True' },
      Ready: notReady('main'),
      ContainersReady: notReady('main'),
    },
    events: told(1, backOff('main')),
  },
  Evicted: {
    spec: scripts(
      {
        main: sh('head -c 3000000 /dev/zero >/v/x; trap "exit 3" TERM; while true; do sleep 0.1; done', {
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
        }),
      },
      { volumes: [{ name: 'v', emptyDir: { sizeLimit: '1Mi' } }] },
    ),
    shows: ['1/1 Running 0', '0/1 Error 0'],
    phase: 'Failed',
    status: {
      reason: 'Evicted',
      message: 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". ',
      // By its own code, or that of SIGKILL if it has not begun to listen.
      main: { state: { terminated: { reason: 'Error' } } },
    },
    events: told(
      1,
      'Evicted: Usage of EmptyDir volume "v" exceeds the limit "1Mi". ',
      'Killing: Stopping container main',
    ),
  },
  DeadlineExceeded: {
    spec: scripts({ main: 'trap "exit 3" TERM; while true; do sleep 0.1; done' }),
    shows: ['1/1 Running 0'],
    next: {
      deed: (agent, name) => agent.client.patch(POD, 'default', name, { spec: { activeDeadlineSeconds: 1 } }),
      shows: ['0/1 Error 0'],
    },
    phase: 'Failed',
    status: {
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
      // By its own code, or that of SIGKILL if it has not begun to listen.
      main: { state: { terminated: { reason: 'Error' } } },
    },
    events: told(
      1,
      'DeadlineExceeded: Pod was active on the node longer than the specified deadline',
      'Killing: Stopping container main',
    ),
  },
};

t.test('each reason that a container ends for', { skip: needsRoot }, async t => {
  const agent = await agentFor(t);
  await testRows(t, agent, ENDS);
  await agent.clear();
  t.strictSame(await agent.left(), []);
});
