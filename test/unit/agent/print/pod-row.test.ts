import t from 'tap';
import { podSummary } from '../../../../src/agent/print/pod-row.ts';
import { tableOf } from '../../../../src/agent/print/table.ts';
import type {
  ContainerState,
  ContainerStatus,
  Pod,
  PodStatus,
} from '../../../../src/kube/types.generated.ts';

const NOW = Date.parse('2026-01-01T01:00:00Z');

type Words = 'waiting' | 'terminated' | 'running';

/** `waiting:Reason`, `terminated:Reason:EXITCODE:SIGNAL`, `running`, `running:ready`. */
function stateOf(text: string): { readonly state: ContainerState; readonly ready: boolean } {
  const [word = '', reason = '', code = '0', signal = '0'] = text.split(':');
  const states: Readonly<Record<Words, ContainerState>> = {
    waiting: { waiting: { reason } },
    terminated: { terminated: { reason, exitCode: Number(code), signal: Number(signal) } },
    running: { running: { startedAt: '2026-01-01T00:00:00Z' } },
  };
  return { state: states[word as Words] ?? {}, ready: reason === 'ready' };
}

interface Case {
  /** States of `a`, `b`, `c`… */
  readonly apps?: readonly string[];
  /** States of `init-0`, `init-1`…; one with `sidecar` before it is one. */
  readonly inits?: readonly string[];
  readonly status?: Partial<PodStatus>;
  readonly deleted?: boolean;
  readonly want: string;
  readonly ready?: string;
}

const statusOf = (name: string, text: string, more: Partial<ContainerStatus> = {}): ContainerStatus => ({
  name,
  image: 'i',
  imageID: '',
  restartCount: 0,
  ...stateOf(text),
  ...more,
});

function podOf({ apps = ['waiting:'], inits = [], status = {}, deleted = false }: Case): Pod {
  const isSidecar = (text: string): boolean => text.startsWith('sidecar ');
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', ...(deleted ? { deletionTimestamp: '2026-01-01T00:59:00Z' } : {}) },
    spec: {
      initContainers: inits.map((text, i) => ({
        name: `init-${i}`,
        image: 'i',
        ...(isSidecar(text) ? { restartPolicy: 'Always' } : {}),
      })),
      containers: apps.map((_, i) => ({ name: 'abcdef'[i] ?? '', image: 'i' })),
    },
    status: {
      phase: 'Pending',
      initContainerStatuses: inits.map((text, i) => {
        const state = text.replace('sidecar ', '');
        return statusOf(`init-${i}`, state, { started: isSidecar(text) && state.startsWith('running') });
      }),
      containerStatuses: apps.map((text, i) => statusOf('abcdef'[i] ?? '', text)),
      ...status,
    },
  };
}

const READY = { conditions: [{ type: 'Ready', status: 'True' }] };
const INITIALIZED = { conditions: [{ type: 'Initialized', status: 'True' }] };

const WAITING = [
  'ContainerCreating',
  'PodInitializing',
  'ErrImageNeverPull',
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ImageInspectError',
  'RegistryUnavailable',
  'SignatureValidationFailed',
  'CreateContainerConfigError',
  'CreateContainerError',
  'PreCreateHookError',
  'PreStartHookError',
  'PostStartHookError',
  'RunContainerError',
  'CrashLoopBackOff',
];
const TERMINATED = [
  'Completed',
  'Error',
  'OOMKilled',
  'StartError',
  'ContainerCannotRun',
  'Unknown',
  'ContainerStatusUnknown',
];

t.test('STATUS: each reason of a container that waits or has ended', t => {
  for (const reason of WAITING) {
    t.equal(podSummary(podOf({ apps: [`waiting:${reason}`], want: '' })).reason, reason);
    const init = podSummary(podOf({ inits: [`waiting:${reason}`], want: '' })).reason;
    t.equal(init, reason === 'PodInitializing' ? 'Init:0/1' : `Init:${reason}`);
  }
  for (const reason of TERMINATED) {
    t.equal(podSummary(podOf({ apps: [`terminated:${reason}:1`], want: '' })).reason, reason);
    t.equal(podSummary(podOf({ inits: [`terminated:${reason}:1`], want: '' })).reason, `Init:${reason}`);
  }
  t.end();
});

const CASES: Readonly<Record<string, Case>> = {
  'nothing known': { apps: ['waiting:'], want: 'Pending', ready: '0/1' },
  running: { apps: ['running:ready'], status: { phase: 'Running' }, want: 'Running', ready: '1/1' },
  'running, not ready': { apps: ['running'], status: { phase: 'Running' }, want: 'Running', ready: '0/1' },
  'rejected by the node': {
    apps: ['waiting:'],
    status: { phase: 'Failed', reason: 'SysctlForbidden' },
    want: 'SysctlForbidden',
  },
  evicted: { apps: [], status: { phase: 'Failed', reason: 'Evicted' }, want: 'Evicted', ready: '0/0' },
  'past its deadline': {
    apps: ['terminated::137'],
    status: { phase: 'Failed', reason: 'DeadlineExceeded' },
    want: 'ExitCode:137',
  },
  gated: {
    apps: [],
    status: { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] },
    want: 'SchedulingGated',
  },
  'ended by exit code': { apps: ['terminated::3'], want: 'ExitCode:3' },
  'ended by signal': { apps: ['terminated::0:9'], want: 'Signal:9' },
  'first container by name wins': {
    apps: ['waiting:CrashLoopBackOff', 'waiting:ErrImagePull'],
    want: 'CrashLoopBackOff',
  },
  'one crashes, others run': {
    apps: ['running:ready', 'waiting:CrashLoopBackOff', 'running:ready'],
    status: { phase: 'Running' },
    want: 'CrashLoopBackOff',
    ready: '2/3',
  },
  'one done, the pod ready': {
    apps: ['terminated:Completed', 'running:ready'],
    status: { phase: 'Running', ...READY },
    want: 'Running',
    ready: '1/2',
  },
  'one done, the pod not ready': {
    apps: ['terminated:Completed', 'running:ready'],
    status: { phase: 'Running' },
    want: 'NotReady',
    ready: '1/2',
  },
  'one done, one failed': {
    apps: ['terminated:Completed', 'terminated:Error:1'],
    status: { phase: 'Failed' },
    want: 'Error',
    ready: '0/2',
  },
  'all done': {
    apps: ['terminated:Completed', 'terminated:Completed'],
    status: { phase: 'Succeeded' },
    want: 'Completed',
    ready: '0/2',
  },
  'first init container': { inits: ['running', 'waiting:PodInitializing'], want: 'Init:0/2', ready: '0/1' },
  'second init container': { inits: ['terminated:Completed', 'running'], want: 'Init:1/2' },
  'init without a state': { inits: [''], want: 'Init:0/1' },
  'init ended by exit code': { inits: ['terminated::3'], want: 'Init:ExitCode:3' },
  'init ended by signal': { inits: ['terminated::1:9'], want: 'Init:Signal:9' },
  'init crashes': { inits: ['waiting:CrashLoopBackOff'], want: 'Init:CrashLoopBackOff' },
  'init done, apps wait': {
    inits: ['terminated:Completed'],
    apps: ['waiting:PodInitializing'],
    want: 'PodInitializing',
  },
  'sidecar runs, next init waits': {
    inits: ['sidecar running:ready', 'waiting:PodInitializing'],
    want: 'Init:1/2',
    ready: '1/2',
  },
  'sidecar not started': { inits: ['sidecar waiting:PodInitializing'], want: 'Init:0/1', ready: '0/2' },
  'sidecar and app run': {
    inits: ['sidecar running:ready'],
    apps: ['running:ready'],
    status: { phase: 'Running' },
    want: 'Running',
    ready: '2/2',
  },
  'sidecar crashes after the start': {
    inits: ['sidecar waiting:CrashLoopBackOff'],
    apps: ['running:ready'],
    status: { phase: 'Running', ...INITIALIZED },
    want: 'Init:CrashLoopBackOff',
    ready: '1/2',
  },
  terminating: { apps: ['running:ready'], status: { phase: 'Running' }, deleted: true, want: 'Terminating' },
  'deleted when done': {
    apps: ['terminated:Completed'],
    status: { phase: 'Succeeded' },
    deleted: true,
    want: 'Completed',
  },
  'deleted, node lost': {
    apps: ['running:ready'],
    status: { phase: 'Running', reason: 'NodeLost' },
    deleted: true,
    want: 'Unknown',
  },
  'node lost': { apps: [], status: { phase: 'Running', reason: 'NodeLost' }, want: 'NodeLost' },
};

t.test('STATUS and READY', t => {
  for (const [what, each] of Object.entries(CASES)) {
    const { reason, ready, total } = podSummary(podOf(each));
    t.equal(reason, each.want, what);
    if (each.ready !== undefined) t.equal(`${ready}/${total}`, each.ready, what);
  }
  t.same(podSummary({ spec: { containers: [] } }), {
    reason: '',
    ready: 0,
    total: 0,
    restarts: 0,
    lastRestart: undefined,
  });
  t.end();
});

t.test('RESTARTS: of what counts, and when', t => {
  const ended = (time: string): Partial<ContainerStatus> => ({
    lastState: { terminated: { exitCode: 1, finishedAt: time } },
  });
  const restarts = (
    init: Partial<ContainerStatus>,
    app: Partial<ContainerStatus>,
    inits: string,
  ): unknown => {
    const pod = podOf({ inits: [inits], apps: ['running:ready'], want: '' });
    const started = pod.status?.initContainerStatuses?.map(each => ({ ...each, ...init }));
    const status = {
      ...pod.status,
      initContainerStatuses: started,
      containerStatuses: [statusOf('a', 'running:ready', app)],
    };
    return tableOf('Pod', [{ ...pod, status }], NOW).rows[0]?.cells[3];
  };
  const [early, late] = ['2026-01-01T00:30:00Z', '2026-01-01T00:59:19Z'];
  const done = 'terminated:Completed';
  t.equal(restarts({}, {}, done), '0');
  t.equal(restarts({}, { restartCount: 2 }, done), '2', 'nobody knows when');
  t.equal(restarts({}, { restartCount: 0, ...ended(late) }, done), '0');
  t.equal(restarts({}, { restartCount: 2, ...ended(late) }, done), '2 (41s ago)');
  t.equal(restarts({}, { restartCount: 2, ...ended('1970-01-01T00:00:00Z') }, done), '2', 'never started');
  t.equal(restarts({ restartCount: 3, ...ended(late) }, {}, done), '0', 'of an init container that is done');
  t.equal(restarts({ restartCount: 3, ...ended(late) }, { restartCount: 9 }, 'running'), '3 (41s ago)');
  t.equal(
    restarts(
      { restartCount: 3, ...ended(late) },
      { restartCount: 2, ...ended(early) },
      'sidecar running:ready',
    ),
    '5 (41s ago)',
  );
  t.end();
});

t.test('the row, and what -o wide adds', t => {
  const pod: Pod = {
    metadata: { name: 'web', creationTimestamp: '2026-01-01T00:57:00Z' },
    spec: {
      nodeName: 'here',
      containers: [{ name: 'a', image: 'i' }],
      readinessGates: [{ conditionType: 'x/one' }, { conditionType: 'x/two' }],
    },
    status: {
      phase: 'Running',
      podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }],
      conditions: [{ type: 'x/one', status: 'True' }],
      containerStatuses: [statusOf('a', 'running:ready')],
    },
  };
  const { columns, rows } = tableOf('Pod', [pod, {}], NOW);
  t.same(
    columns.map(({ name, priority }) => `${name} ${priority}`),
    [
      'Name 0',
      'Ready 0',
      'Status 0',
      'Restarts 0',
      'Age 0',
      'IP 1',
      'Node 1',
      'Nominated Node 1',
      'Readiness Gates 1',
    ],
  );
  t.same(rows[0]?.cells, ['web', '1/1', 'Running', '0', '3m', '10.0.0.1', 'here', '<none>', '1/2']);
  t.equal(rows[0]?.object, pod);
  t.same(rows[1]?.cells, ['', '0/0', '', '0', '<unknown>', '<none>', '<none>', '<none>', '<none>']);
  t.end();
});
