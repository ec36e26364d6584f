import t from 'tap';
import { agentFor, scripts, type TestAgent } from './agent.ts';
import { needsRoot } from './harness.ts';
import { ended, notReady, PULLED, RUNNING, SCHEDULED, STAY, sh, told, waiting } from './pod-expected.ts';
import { type Row, testRows, untilTold } from './pod-rows.ts';

const setting = (name: string) => (agent: TestAgent) =>
  agent.create(name, { data: { key: 'value' } }, 'ConfigMap');

const FROM = { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'late-env', key: 'key' } } }] };
const PORT = { ports: [{ containerPort: 80, hostPort: 18080 }] };
const NO_PORT =
  "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";
const REFUSED = '127.0.0.1:5999: connect ECONNREFUSED 127.0.0.1:5999';

const SYSCTL = 'forbidden sysctl: "net.core.somaxconn" not allowlisted';

/** What the node does not even try. */
const REJECTED: Readonly<Record<string, Row>> = {
  SysctlForbidden: {
    spec: scripts(
      { main: STAY },
      { securityContext: { sysctls: [{ name: 'net.core.somaxconn', value: '9' }] } },
    ),
    shows: ['0/1 SysctlForbidden 0'],
    phase: 'Failed',
    status: { reason: 'SysctlForbidden', message: `Pod was rejected: ${SYSCTL}`, main: undefined },
    events: [SCHEDULED, `SysctlForbidden: ${SYSCTL}`],
  },
  'DeadlineExceeded before it was made': {
    spec: scripts({ main: { image: 'localhost/nosuch' } }, { activeDeadlineSeconds: 1 }),
    shows: ['0/1 ErrImagePull 0', '0/1 ContainerStatusUnknown 0'],
    phase: 'Failed',
    status: {
      main: ended('ContainerStatusUnknown', 137),
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
    },
    events: [
      SCHEDULED,
      'Failed: Failed to pull image "localhost/nosuch": image "localhost/nosuch" is not in the local store',
      'Failed: Error: ErrImagePull',
      'DeadlineExceeded: Pod was active on the node longer than the specified deadline',
    ],
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
  'CreateContainerConfigError beside one that runs': {
    spec: scripts({ a: STAY, b: sh(STAY, { securityContext: { runAsNonRoot: true, runAsUser: 0 } }) }),
    shows: ['1/2 CreateContainerConfigError 0'],
    phase: 'Pending',
    status: { a: RUNNING, Ready: notReady('b') },
    events: told(
      1,
      PULLED,
      'Failed: Error: container\'s runAsUser breaks non-root policy (pod: "NAME_default(UID)", container: b)',
    ),
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
  'ContainerCreating: a directory that is none': {
    spec: scripts(
      { main: STAY },
      { volumes: [{ name: 'v', hostPath: { path: '/etc/passwd', type: 'Directory' } }] },
    ),
    shows: ['0/1 ContainerCreating 0'],
    phase: 'Pending',
    status: { main: waiting('ContainerCreating') },
    events: [
      SCHEDULED,
      'FailedMount: MountVolume.SetUp failed for volume "v" : hostPath type check failed: /etc/passwd is not a directory',
    ],
  },
  'ContainerCreating: no such key': {
    spec: scripts(
      { main: STAY },
      { volumes: [{ name: 'v', secret: { secretName: 'there', items: [{ key: 'nosuch', path: 'x' }] } }] },
    ),
    shows: ['0/1 ContainerCreating 0'],
    phase: 'Pending',
    status: { main: waiting('ContainerCreating') },
    events: [
      SCHEDULED,
      'FailedMount: MountVolume.SetUp failed for volume "v" : references non-existent secret key: nosuch',
    ],
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
        const { spec, status } = await agent.pod(name);
        if (spec?.nodeName !== undefined || status.startTime !== undefined) throw new Error('it has a node');
        await agent.delete('has-port');
      },
      shows: ['1/1 Running 0'],
    },
    phase: 'Running',
    events: told(1, `FailedScheduling: ${NO_PORT}`),
  },
};

t.test('each reason that a pod waits for, or is not run', { skip: needsRoot }, async t => {
  const agent = await agentFor(t);
  await agent.create('there', { data: { key: 'dmFsdWU=' } }, 'Secret');
  await testRows(t, agent, { ...REJECTED, ...WAITS });
  await agent.clear();
  t.strictSame(await agent.left(), []);
});
