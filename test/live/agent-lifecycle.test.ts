import t from 'tap';
import { scripts, TestAgent } from './agent.ts';
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
  RUNNING,
  SCHEDULED,
  STAY,
  sh,
  told,
  waiting,
} from './pod-expected.ts';
import { type Row, testRows, untilTold } from './pod-rows.ts';

const setting = (name: string) => (agent: TestAgent) =>
  agent.create(name, { data: { key: 'value' } }, 'ConfigMap');

const FROM = { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'late-env', key: 'key' } } }] };
const PORT = { ports: [{ containerPort: 80, hostPort: 18080 }] };
const NO_PORT =
  "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";
const NOT_FOUND = 'exec: "nosuch": executable file not found in $PATH';
const REFUSED = '127.0.0.1:5999: connect ECONNREFUSED 127.0.0.1:5999';

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
  DeadlineExceeded: {
    spec: scripts(
      { main: 'trap "exit 3" TERM; while true; do sleep 0.1; done' },
      { activeDeadlineSeconds: 1 },
    ),
    shows: ['1/1 Running 0', '0/1 Error 0', '0/1 Error 0'],
    phase: 'Failed',
    status: {
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
      main: ended('Error', 3),
    },
    events: told(
      1,
      'DeadlineExceeded: Pod was active on the node longer than the specified deadline',
      'Killing: Stopping container main',
    ),
  },
};

/** What pods wait for. */
const WAITS: Readonly<Record<string, Row>> = {
  'CreateContainerConfigError, until its ConfigMap is there': {
    spec: scripts({ main: sh(STAY, FROM) }),
    shows: ['0/1 CreateContainerConfigError 0'],
    next: { deed: setting('late-env'), shows: ['1/1 Running 0'] },
    phase: 'Running',
    status: { main: { restartCount: 0, ...RUNNING } },
    events: told(1, 'Failed: Error: configmap "late-env" not found'),
  },
  'CreateContainerConfigError: no such key': {
    spec: scripts({
      main: sh(STAY, { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'there', key: 'nosuch' } } }] }),
    }),
    shows: ['0/1 CreateContainerConfigError 0'],
    phase: 'Pending',
    status: {
      main: waiting('CreateContainerConfigError', "couldn't find key nosuch in Secret default/there"),
    },
    events: [SCHEDULED, PULLED, "Failed: Error: couldn't find key nosuch in Secret default/there"],
  },
  'CreateContainerConfigError: root': {
    spec: scripts({ main: STAY }, { securityContext: { runAsNonRoot: true } }),
    shows: ['0/1 CreateContainerConfigError 0'],
    phase: 'Pending',
    status: {
      main: {
        restartCount: 0,
        lastState: {},
        ...waiting(
          'CreateContainerConfigError',
          'container has runAsNonRoot and image will run as root (pod: "NAME_default(UID)", container: main)',
        ),
      },
    },
    events: [
      SCHEDULED,
      PULLED,
      'Failed: Error: container has runAsNonRoot and image will run as root (pod: "NAME_default(UID)", container: main)',
    ],
  },
  ErrImageNeverPull: {
    spec: scripts({ main: { image: 'localhost/nosuch', imagePullPolicy: 'Never' } }),
    shows: ['0/1 ErrImageNeverPull 0'],
    phase: 'Pending',
    status: {
      main: waiting(
        'ErrImageNeverPull',
        'Container image "localhost/nosuch" is not present with pull policy of Never',
      ),
    },
    events: [
      SCHEDULED,
      'ErrImageNeverPull: Container image "localhost/nosuch" is not present with pull policy of Never',
      'Failed: Error: ErrImageNeverPull',
    ],
  },
  'ErrImagePull, ImagePullBackOff': {
    spec: scripts({ main: { image: '127.0.0.1:5999/x' } }),
    shows: ['0/1 ContainerCreating 0', '0/1 ErrImagePull 0', '0/1 ImagePullBackOff 0'],
    phase: 'Pending',
    status: {
      main: waiting(
        'ImagePullBackOff',
        `Back-off pulling image "127.0.0.1:5999/x": ErrImagePull: ${REFUSED}`,
      ),
    },
    events: [
      SCHEDULED,
      'Pulling: Pulling image "127.0.0.1:5999/x"',
      `Failed: Failed to pull image "127.0.0.1:5999/x": ${REFUSED}`,
      'Failed: Error: ErrImagePull',
      'BackOff: Back-off pulling image "127.0.0.1:5999/x"',
      'Failed: Error: ImagePullBackOff',
    ],
  },
  'an image of this machine that is not there': {
    spec: scripts({ main: { image: 'localhost/nosuch' } }),
    shows: ['0/1 ErrImagePull 0', '0/1 ImagePullBackOff 0'],
    phase: 'Pending',
    events: [
      SCHEDULED,
      'Failed: Failed to pull image "localhost/nosuch": image "localhost/nosuch" is not in the local store',
      'Failed: Error: ErrImagePull',
      'BackOff: Back-off pulling image "localhost/nosuch"',
      'Failed: Error: ImagePullBackOff',
    ],
  },
  InvalidImageName: {
    spec: scripts({ main: { image: 'No:Such' } }),
    shows: ['0/1 InvalidImageName 0'],
    phase: 'Pending',
    status: {
      main: waiting('InvalidImageName', 'Failed to apply default image tag "No:Such": couldn\'t parse'),
    },
    events: [
      SCHEDULED,
      'InspectFailed: Failed to apply default image tag "No:Such": couldn\'t parse image name "No:Such": invalid reference format: repository name (library/No) must be lowercase',
      'Failed: Error: InvalidImageName',
    ],
  },
  'ContainerCreating, until its volume is there': {
    spec: scripts({ main: STAY }, { volumes: [{ name: 'v', configMap: { name: 'late-volume' } }] }),
    shows: ['0/1 ContainerCreating 0'],
    next: {
      deed: async (agent, name) => {
        await untilTold(agent, name, 'FailedMount');
        await setting('late-volume')(agent);
      },
      shows: ['1/1 Running 0'],
    },
    phase: 'Running',
    events: told(
      1,
      'FailedMount: MountVolume.SetUp failed for volume "v" : configmap "late-volume" not found',
    ),
  },
  'the first of two with one port': {
    name: 'has-port',
    spec: scripts({ main: sh(STAY, PORT) }),
    shows: ['1/1 Running 0'],
    phase: 'Running',
    events: told(1),
  },
  'the other one, until the first has gone': {
    after: 'has-port',
    spec: scripts({ main: sh(STAY, PORT) }),
    shows: ['0/1 Pending 0'],
    next: {
      deed: async (agent, name) => {
        await untilTold(agent, name, 'FailedScheduling');
        await agent.delete('has-port');
      },
      shows: ['1/1 Running 0'],
    },
    phase: 'Running',
    events: told(1, `FailedScheduling: ${NO_PORT}`),
  },
};

t.test('each reason that a container can have', { skip: needsRoot }, async t => {
  const agent = new TestAgent();
  t.teardown(() => agent.remove());
  await agent.start();
  await agent.create('there', { data: { key: 'dmFsdWU=' } }, 'Secret');
  await testRows(t, agent, { ...ENDS, ...WAITS });
  await agent.clear();
  t.strictSame(await agent.left(), []);
});
