import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { hasIPv6, leftovers, needsRoot, podspace, probePod, runPod, start } from './harness.ts';

const EVERY_SECOND = { periodSeconds: 1, failureThreshold: 1 };
const script = (...lines: readonly string[]): readonly string[] => ['sh', '-c', lines.join('\n')];
const shell = (name: string, ...lines: readonly string[]): object => ({
  name,
  image: 'localhost/busybox',
  command: script(...lines),
});
/** A container that is there until it is told to go. */
const FOR_EVER = 'trap "exit 0" TERM; echo ready; while :; do sleep 0.05; done';
const exec = (...lines: readonly string[]): object => ({ exec: { command: script(...lines) } });
const wait = (milliseconds: number): Promise<void> => new Promise(done => setTimeout(done, milliseconds));

/** A pod that tells its events, while the body runs. */
async function withPod(
  pod: ReturnType<typeof probePod>,
  body: (running: ReturnType<typeof start>, name: string) => Promise<void>,
  ...options: readonly string[]
): Promise<ReturnType<typeof start>> {
  const running = start(['run', '-v', '-', ...options], JSON.stringify(pod));
  try {
    await body(running, pod.metadata.name);
  } finally {
    running.child.kill('SIGTERM');
    await running.ended;
  }
  return running;
}

/** Whether Services would send traffic to a pod; undefined while nobody knows of it. */
function isReady(name: string): boolean | undefined {
  const directory = '/run/podspace/network/pods';
  if (!existsSync(directory)) return undefined;
  const files = readdirSync(directory).filter(file => file.endsWith('.json'));
  const pods = files.map(file => JSON.parse(readFileSync(`${directory}/${file}`, 'utf8')).pod);
  return pods.find(pod => pod.name === name)?.ready;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 400 && !condition(); i++) await wait(20);
  if (!condition()) throw new Error(`${what} never came`);
}

t.test(
  'startup, then readiness, over all kinds of actions from inside the pod’s network',
  { skip: needsRoot },
  async t => {
    const web = {
      ...shell('web', 'mkdir /tmp/w; echo fine >/tmp/w/index.html; httpd -p 8080 -h /tmp/w', FOR_EVER),
      ports: [{ name: 'web', containerPort: 8080 }],
      startupProbe: { ...exec('test -e /tmp/started'), periodSeconds: 1, failureThreshold: 30 },
      readinessProbe: { ...EVERY_SECOND, httpGet: { port: 'web' } },
      livenessProbe: { ...EVERY_SECOND, tcpSocket: { port: 8080 } },
    };
    const ran = await withPod(probePod({ containers: [web] }), async (running, name) => {
      await running.waitFor('Startup probe failed');
      t.equal(isReady(name), false);
      t.equal(podspace(['exec', name, '--', 'touch', '/tmp/started']).status, 0);
      await until(() => isReady(name) === true, 'readiness');
      t.equal(podspace(['exec', name, '--', 'rm', '/tmp/w/index.html']).status, 0);
      await running.waitFor('Readiness probe failed: HTTP probe failed with statuscode: 404');
      await until(() => isReady(name) === false, 'the end of readiness');
    });
    t.notMatch(ran.output(), /Liveness probe|will be restarted/);
    t.match(ran.output(), /^Warning\tUnhealthy\tpod\/[\w-]+\{web\}\tStartup probe failed: $/m);
  },
);

t.test('liveness: the events, the probe’s own grace period, and again', { skip: needsRoot }, async t => {
  const app = {
    ...shell('app', 'touch /tmp/alive; trap "echo stubborn" TERM; echo up; while :; do sleep 0.05; done'),
    livenessProbe: {
      ...EVERY_SECOND,
      exec: { command: ['cat', '/tmp/alive'] },
      terminationGracePeriodSeconds: 1,
    },
  };
  const ran = await withPod(
    probePod({ containers: [app], terminationGracePeriodSeconds: 60, restartPolicy: 'Always' }),
    async (running, name) => {
      await running.waitFor('up');
      podspace(['exec', name, '--', 'rm', '/tmp/alive']);
      await running.waitFor('will be restarted');
      const killedAt = Date.now();
      await until(() => (running.output().match(/^up$/gm) ?? []).length === 2, 'the second start');
      t.ok(Date.now() - killedAt < 10_000, 'not the pod’s minute');
      t.ok(Date.now() - killedAt > 1500, 'the least grace period of two seconds');
      // The next signal ends it at once.
      running.child.kill('SIGINT');
      await wait(200);
    },
  );
  const output = ran.output();
  t.match(output, /Unhealthy\tpod\/[\w-]+\{app\}\tLiveness probe failed: cat: can't open '\/tmp\/alive'/);
  t.match(output, /^Normal\tKilling\t\S+\tContainer app failed liveness probe, will be restarted$/m);
  t.match(
    output,
    /^Warning: Container app failed liveness probe, will be restarted: Liveness probe failed: cat/m,
  );
});

t.test('restartPolicy Never: it is killed, and that is all', { skip: needsRoot }, t => {
  const result = runPod(
    probePod({
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      containers: [{ ...shell('c', FOR_EVER), startupProbe: { ...EVERY_SECOND, tcpSocket: { port: 9 } } }],
    }),
    '-v',
  );
  t.match(result, { phase: 'Succeeded', containers: [{ restartCount: 0, exitCode: 0 }] });
  t.match(result.stderr, /Startup probe failed: dial tcp [\d.]+:9: connect: connection refused/);
  t.match(result.stderr, /Killing\t\S+\tContainer c failed startup probe$/m);
  t.end();
});

const openssl = spawnSync('openssl', ['version']).status === 0;

/** A key and a certificate that nobody has signed. */
function certificate(directory: string): { readonly key: Buffer; readonly cert: Buffer } {
  const [key, cert] = [`${directory}/key.pem`, `${directory}/cert.pem`];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  const files = ['-nodes', '-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', '-x509', ...curve, ...files, '-days', '2', '-subj', '/CN=somebody'], {
    stdio: 'ignore',
  });
  return { key: readFileSync(key), cert: readFileSync(cert) };
}

t.test(
  'gRPC, and HTTPS without a look at the certificate',
  { skip: needsRoot || (openssl ? false : 'needs openssl') },
  async t => {
    let status = 1;
    const health = createHttp2Server().on('stream', stream => {
      stream.resume();
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.end(Buffer.of(0, 0, 0, 0, 2, 8, status));
    });
    const secure = createHttpsServer(certificate(t.testdir()), (_, response) => response.end());
    const ports: number[] = [];
    for (const server of [health, secure]) {
      server.listen(0);
      await once(server, 'listening');
      ports.push((server.address() as AddressInfo).port);
    }
    const [port = 0, securePort = 0] = ports;
    const app = {
      ...shell('app', FOR_EVER),
      startupProbe: { ...EVERY_SECOND, httpGet: { port: securePort, scheme: 'HTTPS' } },
      readinessProbe: { ...EVERY_SECOND, grpc: { port } },
    };
    try {
      await withPod(probePod({ hostNetwork: true, containers: [app] }), async (running, name) => {
        await until(() => isReady(name) === true, 'readiness');
        status = 2;
        await running.waitFor('Readiness probe failed: service unhealthy (responded with "NOT_SERVING")');
        await until(() => isReady(name) === false, 'the end of readiness');
        t.notMatch(running.output(), /Startup probe/);
      });
    } finally {
      health.close();
      secure.close();
    }
  },
);

t.test('whatever namespaces a pod has', { skip: needsRoot }, async t => {
  const specs: readonly (readonly [object, ...string[]])[] = [
    [{ hostUsers: false }],
    [{ shareProcessNamespace: true }],
    [{ hostPID: true, hostNetwork: true }],
    [{}, '--network', 'none'],
    ...(hasIPv6 ? ([[{}, '--pod-cidr', 'fd00:10:244::/64']] as const) : []),
  ];
  const running = specs.map(([spec, ...options], i) => {
    const port = 8100 + i;
    const app = {
      ...shell('app', `httpd -p ${port}; while ! test -e /tmp/seen; do sleep 0.05; done`, 'cat /tmp/seen'),
      securityContext: { runAsUser: 405 },
      startupProbe: { ...EVERY_SECOND, failureThreshold: 9, tcpSocket: { port } },
      readinessProbe: { ...EVERY_SECOND, timeoutSeconds: 5, ...exec('id -u >/tmp/.s; mv /tmp/.s /tmp/seen') },
    };
    return start(['run', '-', ...options], JSON.stringify(probePod({ ...spec, containers: [app] })));
  });
  for (const [i, { ended, output }] of running.entries()) {
    t.equal(await ended, 0, `${JSON.stringify(specs[i])} ${output()}`);
    t.match(output(), /^405$/m);
  }
});

t.test('a sidecar that comes up late keeps the others waiting', { skip: needsRoot }, t => {
  const result = runPod(
    probePod({
      terminationGracePeriodSeconds: 1,
      volumes: [{ name: 'v', emptyDir: {} }],
      initContainers: [
        {
          ...shell('side', 'sleep 1.2; touch /v/up', FOR_EVER),
          restartPolicy: 'Always',
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
          startupProbe: { ...exec('test -e /v/up'), periodSeconds: 1, failureThreshold: 9 },
        },
        { ...shell('next', 'test -e /v/up'), volumeMounts: [{ name: 'v', mountPath: '/v' }] },
      ],
      containers: [shell('app', 'true')],
    }),
  );
  t.match(result, { phase: 'Succeeded', containers: [{ name: 'side' }, { name: 'next', exitCode: 0 }, {}] });
  t.end();
});

t.test('exec probes of a container that means no good', { skip: needsRoot }, async t => {
  const probes: readonly (readonly [string, object, RegExp])[] = [
    [
      'stopped, with children that hold its output and ignore everything',
      exec('(trap "" TERM HUP; setsid sleep 1000 & setsid sleep 1000 &) ; kill -STOP $$'),
      /Readiness probe failed: command timed out: "sh -c .*" timed out after 1s/,
    ],
    ['endless output', exec('echo begin; exec yes'), /command timed out: "sh -c .*" timed out after 1s/],
    [
      'a long message',
      { timeoutSeconds: 5, ...exec('yes | head -c 20000; exit 1') },
      /Readiness probe failed: (y\?){5120}$/m,
    ],
    [
      'what it left behind holds the output, and stays',
      { timeoutSeconds: 5, ...exec('sleep 777 & echo left; exit 1') },
      /Readiness probe failed: left/,
    ],
    [
      'a command that is not there',
      { exec: { command: ['nosuch'] } },
      /Readiness probe errored and resulted in unknown state: failed to exec in container: exec: "nosuch": executable file not found in \$PATH/,
    ],
    [
      'a link to the host’s',
      { timeoutSeconds: 5, ...exec('ln -sf /proc/self/exe /tmp/x; exec /tmp/x nosuchapplet') },
      /Readiness probe failed: .*applet not found/,
    ],
  ];
  const containers = probes.map(([, probe], i) => ({
    ...shell(`c${i}`, FOR_EVER),
    readinessProbe: { ...EVERY_SECOND, periodSeconds: 60, ...probe },
  }));
  const ran = await withPod(
    probePod({ containers, terminationGracePeriodSeconds: 1 }),
    async (running, name) => {
      for (const [what, , said] of probes)
        await until(() => said.test(running.output()), what).catch(error =>
          t.fail(`${error}: ${running.output()}`),
        );
      await wait(300);
      const processes = podspace(['ps', name]).stdout;
      t.notMatch(processes, /sleep 1000/, 'the stopped one’s children are gone');
      t.notMatch(processes, /yes/);
      t.match(processes, /sleep 777/);
    },
  );
  t.ok(ran.output().length < 100_000);
});

t.test('servers that mean no good: the others are asked all the same', { skip: needsRoot }, async t => {
  const endless =
    'while :; do echo "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"; done';
  const hostile = {
    ...shell(
      'hostile',
      `echo '#!/bin/sh\nprintf "HTTP/1.1 200 OK\\r\\n"; ${endless}' >/tmp/a; echo '#!/bin/sh\nsleep 1000' >/tmp/b`,
      'chmod +x /tmp/a /tmp/b; nc -ll -p 8001 -e /tmp/a & nc -ll -p 8002 -e /tmp/b &',
      FOR_EVER,
    ),
    readinessProbe: { ...EVERY_SECOND, httpGet: { port: 8001 } },
    livenessProbe: { ...EVERY_SECOND, failureThreshold: 99, grpc: { port: 8002 } },
  };
  const good = {
    ...shell('good', FOR_EVER),
    readinessProbe: { ...EVERY_SECOND, ...exec('echo x >>/tmp/asked') },
  };
  const others = 'cd /proc; for p in [0-9]*; do [ $p = 1 ] || kill -STOP $p 2>/dev/null; done';
  const stopper = {
    ...shell('stopper', 'trap "exit 0" TERM', `while :; do ${others}; done`),
    readinessProbe: { ...EVERY_SECOND, ...exec('sleep 0.2') },
  };
  await withPod(
    probePod({ containers: [hostile, good, stopper], terminationGracePeriodSeconds: 1 }),
    async (running, name) => {
      await running.waitFor('server response headers exceeded 65536 bytes; aborted');
      await running.waitFor('within 1s: context deadline exceeded');
      await running.waitFor('command timed out: "sh -c sleep 0.2" timed out after 1s');
      await wait(1000);
      const asked = podspace(['exec', name, '-c', 'good', '--', 'cat', '/tmp/asked']).stdout;
      t.ok(asked.length >= 4, `${asked.length / 2} times`);
    },
  );
});

t.test('nothing is left behind', { skip: needsRoot }, t => {
  t.same(leftovers(), []);
  t.end();
});
