import t from 'tap';
import { agentFor, scripts } from './agent.ts';
import { needsRoot } from './harness.ts';
import {
  after,
  backOff,
  crashLoop,
  ended,
  NEVER,
  notReady,
  RUNNING,
  STAY,
  sh,
  told,
  waiting,
} from './pod-expected.ts';
import { type Row, testRows } from './pod-rows.ts';

// A machine that others keep busy takes its time.
const EVERY_SECOND = { periodSeconds: 1, failureThreshold: 1, timeoutSeconds: 30 };
const exec = (script: string): object => ({ ...EVERY_SECOND, exec: { command: ['sh', '-c', script] } });
/** The other probes wait until somebody listens. */
const listens = (port: number): object => {
  const hex = port.toString(16).toUpperCase();
  return {
    startupProbe: exec(`until grep -qs ":${hex} 0" /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done`),
  };
};
/** Fails the first time, and never again. */
const SECOND_TIME = 'test -e /tmp/x && exit 0; touch /tmp/x; exit 1';
const UNREADY = { ready: false, started: true, state: { running: {} } };
/** Ends at the signal, with that code. */
const stop = (code: number): string =>
  `trap "exit ${code}" TERM; touch /tmp/up; while true; do sleep 0.1; done`;

/** httpd with one page, that answers 503 the first time. */
const HTTPD = [
  'mkdir -p /tmp/w/cgi-bin',
  `printf '#!/bin/sh\\nif test -e /tmp/asked; then printf "Status: 200\\\\r\\\\n\\\\r\\\\n"; else touch /tmp/asked; printf "Status: 503\\\\r\\\\n\\\\r\\\\n"; fi' >/tmp/w/cgi-bin/page`,
  'chmod +x /tmp/w/cgi-bin/page; httpd -p 8080 -h /tmp/w',
  STAY,
].join('; ');

/** A health service by the machine's own Node.js, that serves the second time it is asked. */
const HEALTH = `
  let status = 2;
  require('node:http2').createServer().on('stream', stream => {
    stream.resume();
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.end(Buffer.of(0, 0, 0, 0, 2, 8, status));
    status = 1;
  }).listen(9090);`;
const health = {
  command: ['chroot', '/host', process.execPath, '-e', HEALTH],
  volumeMounts: [{ name: 'host', mountPath: '/host', readOnly: true }],
};
const HOST = { volumes: [{ name: 'host', hostPath: { path: '/' } }] };

const unhealthy = (what: string): string => `Unhealthy: ${what}`;
const restarted = (kind: string): string => `Killing: Container main failed ${kind} probe, will be restarted`;

const PROBES: Readonly<Record<string, Row>> = {
  'readiness: nobody listens': {
    spec: scripts({
      main: sh(STAY, { readinessProbe: { ...EVERY_SECOND, tcpSocket: { port: 9 } } }),
      other: STAY,
    }),
    shows: ['1/2 Running 0'],
    phase: 'Running',
    status: {
      main: UNREADY,
      other: RUNNING,
      Ready: notReady('main'),
      ContainersReady: notReady('main'),
      Initialized: { status: 'True' },
    },
    events: told(2, unhealthy('Readiness probe failed: dial tcp IP:9: connect: connection refused')),
  },
  'readiness by exec': {
    spec: scripts({ main: sh(STAY, { readinessProbe: exec(SECOND_TIME) }) }),
    shows: ['0/1 Running 0', '1/1 Running 0'],
    phase: 'Running',
    status: { main: RUNNING, Ready: { status: 'True' }, ContainersReady: { status: 'True' } },
    events: told(1, unhealthy('Readiness probe failed: ')),
  },
  'readiness by httpGet': {
    spec: scripts({
      main: sh(HTTPD, {
        ...listens(8080),
        readinessProbe: { ...EVERY_SECOND, httpGet: { port: 8080, path: '/cgi-bin/page' } },
      }),
    }),
    shows: ['0/1 Running 0', '1/1 Running 0'],
    phase: 'Running',
    status: { main: RUNNING },
    events: told(1, unhealthy('Readiness probe failed: HTTP probe failed with statuscode: 503')),
  },
  'readiness by tcpSocket': {
    spec: scripts({
      main: sh(`nc -ll -p 8080 -e cat & ${STAY}`, {
        ...listens(8080),
        readinessProbe: { ...EVERY_SECOND, tcpSocket: { port: 8080 } },
      }),
    }),
    shows: ['0/1 Running 0', '1/1 Running 0'],
    phase: 'Running',
    status: { main: RUNNING },
    events: told(1),
  },
  'readiness by gRPC': {
    spec: scripts(
      {
        main: {
          ...health,
          ...listens(9090),
          readinessProbe: { ...EVERY_SECOND, grpc: { port: 9090 } },
        },
      },
      HOST,
    ),
    shows: ['0/1 Running 0', '1/1 Running 0'],
    phase: 'Running',
    status: { main: RUNNING },
    events: told(1, unhealthy('Readiness probe failed: service unhealthy (responded with "NOT_SERVING")')),
  },
  'liveness by exec': {
    spec: scripts({ main: sh(stop(3), { livenessProbe: exec('echo sick; false') }) }),
    shows: ['1/1 Running 0', '0/1 Error 0', '1/1 Running 1', '0/1 CrashLoopBackOff 1'],
    phase: 'Running',
    status: { main: { restartCount: 1, ...crashLoop('main'), ...after('Error', 3) } },
    events: told(1, unhealthy('Liveness probe failed: sick\n'), restarted('liveness'), backOff('main')),
  },
  'liveness by httpGet': {
    spec: scripts({
      main: sh(`httpd -p 8080 -h /tmp; ${stop(0)}`, {
        ...listens(8080),
        livenessProbe: { ...EVERY_SECOND, httpGet: { port: 8080, path: '/nothing' } },
      }),
    }),
    shows: ['1/1 Running 0', '0/1 Completed 0', '1/1 Running 1', '0/1 CrashLoopBackOff 1'],
    phase: 'Running',
    status: { main: { restartCount: 1, ...crashLoop('main'), ...after('Completed', 0) } },
    events: told(
      1,
      unhealthy('Liveness probe failed: HTTP probe failed with statuscode: 404'),
      restarted('liveness'),
      backOff('main'),
    ),
  },
  'liveness, with OnFailure: it is started again though it ended well': {
    spec: scripts({ main: sh(stop(0), { livenessProbe: exec('false') }) }, { restartPolicy: 'OnFailure' }),
    shows: ['1/1 Running 0', '0/1 Completed 0', '1/1 Running 1', '0/1 CrashLoopBackOff 1'],
    phase: 'Running',
    status: { main: { restartCount: 1, ...crashLoop('main'), ...after('Completed', 0) } },
    events: told(1, unhealthy('Liveness probe failed: '), restarted('liveness'), backOff('main')),
  },
  'startup by tcpSocket': {
    spec: scripts({ main: sh(stop(3), { startupProbe: { ...EVERY_SECOND, tcpSocket: { port: 9 } } }) }),
    shows: ['0/1 Running 0', '0/1 Error 0', '0/1 Running 1', '0/1 CrashLoopBackOff 1'],
    phase: 'Running',
    status: { main: { restartCount: 1, ...crashLoop('main'), ...after('Error', 3) } },
    events: told(
      1,
      unhealthy('Startup probe failed: dial tcp IP:9: connect: connection refused'),
      restarted('startup'),
      backOff('main'),
    ),
  },
  'startup, with Never': {
    spec: scripts({ main: sh(stop(3), { startupProbe: exec('false') }) }, NEVER),
    shows: ['0/1 Running 0', '0/1 Error 0'],
    phase: 'Failed',
    status: { main: ended('Error', 3) },
    events: told(1, unhealthy('Startup probe failed: '), 'Killing: Container main failed startup probe'),
  },
  'startup before readiness': {
    spec: scripts({
      main: sh(STAY, {
        startupProbe: { ...exec(SECOND_TIME), failureThreshold: 9 },
        readinessProbe: exec('test -e /tmp/x'),
      }),
    }),
    shows: ['0/1 Running 0', '1/1 Running 0'],
    phase: 'Running',
    status: { main: RUNNING },
    events: told(1, unhealthy('Startup probe failed: ')),
  },
  'liveness of a sidecar': {
    spec: scripts(
      { main: STAY },
      {
        ...NEVER,
        initContainers: [
          {
            name: 'a',
            image: 'localhost/busybox',
            restartPolicy: 'Always',
            ...sh(stop(3), { livenessProbe: exec('false') }),
          },
        ],
      },
    ),
    shows: ['2/2 Running 0', '1/2 Init:CrashLoopBackOff 1'],
    phase: 'Running',
    status: { a: { ...crashLoop('a'), ...after('Error', 3) }, main: RUNNING },
    events: told(
      2,
      unhealthy('Liveness probe failed: '),
      'Killing: Init container a failed liveness probe',
      backOff('a'),
    ),
  },
};

/** When its container listens. */
const FAILING = 'until test -e /tmp/up; do sleep 0.05; done; echo no; exit 3';
const HOOK = `Exec lifecycle hook ([sh -c ${FAILING}]) for Container "main" in Pod "NAME_default(UID)" failed - error: command 'sh -c ${FAILING}' exited with 3: no\n, message: "no\\n"`;
const hook = (name: string, script: string): object => ({
  lifecycle: { [name]: { exec: { command: ['sh', '-c', script] } } },
});

const HOOKS: Readonly<Record<string, Row>> = {
  'postStart that fails': {
    spec: scripts({ main: sh(stop(3), hook('postStart', FAILING)) }),
    shows: ['0/1 Running 0', '0/1 PostStartHookError 0', '0/1 PostStartHookError 1'],
    phase: 'Running',
    status: { main: { ...waiting('PostStartHookError', HOOK), ...after('Error', 3) } },
    events: told(
      1,
      'FailedPostStartHook: PostStartHook failed',
      'Killing: FailedPostStartHook',
      backOff('main'),
    ),
  },
  'postStart that fails, with Never': {
    spec: scripts({ main: sh(stop(3), hook('postStart', FAILING)) }, NEVER),
    shows: ['0/1 Running 0', '0/1 Error 0'],
    phase: 'Failed',
    status: { main: ended('Error', 3, { message: undefined }) },
    events: told(1, 'FailedPostStartHook: PostStartHook failed', 'Killing: FailedPostStartHook'),
  },
  'postStart and preStop': {
    spec: scripts(
      { main: sh(STAY, hook('preStop', 'echo no; exit 3')), other: sh(STAY, hook('postStart', 'true')) },
      { terminationGracePeriodSeconds: 5 },
    ),
    shows: ['2/2 Running 0'],
    next: { deed: (agent, name) => agent.delete(name), shows: ['2/2 Terminating 0', '0/2 Terminating 0'] },
    phase: 'Running',
    events: told(
      2,
      'Killing: Stopping container main',
      'Killing: Stopping container other',
      'FailedPreStopHook: PreStopHook failed',
    ),
  },
};

t.test('probes of real servers, and hooks', { skip: needsRoot }, async t => {
  const agent = await agentFor(t);
  await testRows(t, agent, { ...PROBES, ...HOOKS });
  await agent.clear();
  t.strictSame(await agent.left(), []);
});
