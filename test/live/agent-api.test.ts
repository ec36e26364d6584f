import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { CoreV1Api, Exec, KubeConfig, PortForward } from '@kubernetes/client-node';
import t from 'tap';
import { AgentApi } from '../../src/agent/api/start.ts';
import { Registry } from '../../src/agent/registry.ts';
import { agentSocket } from '../../src/agent/start.ts';
import { findPods } from '../../src/runtime/pod-directory.ts';
import { KUBECTL, needsKubectl, needsRoot, probePod, start } from './harness.ts';

type Test = typeof import('tap').default;

/** The API of a registry without a pod manager: the tests say what becomes of the pods. */
async function startApi(t: Pick<Test, 'testdir' | 'teardown'>) {
  const directory = t.testdir();
  const roots = { run: '/run/podspace', state: directory };
  const registry = await Registry.open(roots);
  const backend = {
    attach: () => Promise.reject(new Error('there is no manager')),
  };
  const api = await AgentApi.start({ roots, registry, backend });
  t.teardown(() => {
    api.close();
    registry.close();
    rmSync('/run/podspace', { recursive: true, force: true });
  });
  /** What `podspace kubeconfig` does. */
  const kubeconfig = (body: object): Promise<string> =>
    new Promise((resolve, reject) => {
      const asked = request(
        { socketPath: agentSocket(roots), path: '/podspace/kubeconfig', method: 'POST', agent: false },
        async response => {
          let text = '';
          for await (const chunk of response) text += chunk;
          resolve(text);
        },
      );
      asked.on('error', reject);
      asked.setHeader('Content-Type', 'application/json');
      asked.end(JSON.stringify(body));
    });
  const file = join(directory, 'kubeconfig');
  writeFileSync(file, await kubeconfig({ listen: '127.0.0.1:0' }));
  const config = new KubeConfig();
  config.loadFromFile(file);
  const kubectl = (args: readonly string[], input = '', env: object = {}) =>
    new Promise<{ code: number; out: string; err: string }>(resolve => {
      const child = execFile(
        KUBECTL ?? '',
        args,
        {
          env: { PATH: process.env.PATH, HOME: directory, KUBECONFIG: file, ...env },
          timeout: 30_000,
          maxBuffer: 1 << 24,
        },
        (error, out, err) => resolve({ code: Number(error?.code ?? 0), out, err }),
      );
      // Not every command reads it.
      child.stdin?.on('error', () => {}).end(input);
    });
  return { roots, registry, kubeconfig, config, kubectl, directory, file };
}

/** A pod that podspace runs, as the registry has it. */
async function runningPod(t: Pick<Test, 'teardown'>, registry: Registry, script: string) {
  const manifest = probePod(
    { terminationGracePeriodSeconds: 1 },
    { name: 'main', image: 'localhost/busybox', command: ['sh', '-c', script] },
  );
  const ran = start(['run', '--network', 'none', '-'], JSON.stringify(manifest));
  t.teardown(async () => {
    ran.child.kill('SIGTERM');
    await ran.ended;
  });
  await ran.waitFor('ready');
  const { name } = manifest.metadata;
  const find = () =>
    findPods({ run: '/run/podspace', state: '/var/lib/podspace' })
      .map(each => each.record)
      .find(each => each?.name === name && each.containers.length > 0);
  // What it prints can come before what is written down of it.
  for (let i = 0; i < 200 && find() === undefined; i++) await new Promise(done => setTimeout(done, 20));
  const record = find();
  const uid = record?.uid ?? '';
  registry.create({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid },
    spec: record?.pod.spec,
  });
  const running = { startedAt: '2026-01-01T00:00:00Z' };
  registry.setPodStatus(uid, {
    phase: 'Running',
    conditions: [{ type: 'Ready', status: 'True' }],
    containerStatuses: [
      { name: 'main', image: 'x', imageID: '', ready: true, restartCount: 0, state: { running } },
    ],
  });
  return { name, uid };
}

t.test('kubectl: objects of its own and of files', { skip: needsKubectl }, async t => {
  const { registry, kubectl } = await startApi(t);
  registry.watch('Pod', undefined, ({ object }) => {
    if (object.metadata.deletionTimestamp !== undefined) registry.removed(object.metadata.uid ?? '');
  });
  const pod = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', labels: { app: 'web' } },
    spec: { containers: [{ name: 'main', image: 'busybox', env: [{ name: 'A', value: '1' }] }] },
  });
  t.match(await kubectl(['apply', '-f', '-'], pod), { code: 0, out: 'pod/web created\n', err: '' });
  t.match(await kubectl(['apply', '-f', '-'], pod), { code: 0, out: 'pod/web unchanged\n' });
  t.match(await kubectl(['apply', '-f', '-'], pod.replace('"app":"web"', '"app":"web","tier":"a"')), {
    code: 0,
    out: 'pod/web configured\n',
  });
  t.match(
    (await kubectl(['get', 'po', '-l', 'tier=a'])).out,
    /^NAME +READY +STATUS +RESTARTS +AGE\nweb +0\/1 +Pending/,
  );
  t.match(await kubectl(['apply', '-f', '-'], pod.replace('"env"', '"envs"')), {
    code: 1,
    err: /strict decoding error: unknown field "spec\.containers\[0\]\.envs"/,
  });
  t.match(await kubectl(['apply', '-f', '-'], pod.replace('"value":"1"', '"value":"2"')), {
    code: 1,
    err: /^The Pod "web" is invalid: spec: Forbidden: pod updates may not change fields other than `spec\.containers\[\*\]\.image`/,
  });
  t.match(await kubectl(['apply', '--server-side', '-f', '-'], pod), {
    code: 1,
    err: /^error: Server-side apply not available on the server/,
  });
  const { uid = '' } = registry.get('Pod', 'default', 'web')?.metadata ?? {};
  const waiting = kubectl(['wait', '--for=condition=Ready', 'pod/web', '--timeout=20s']);
  registry.setPodStatus(uid, { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] });
  t.match(await waiting, { code: 0, out: 'pod/web condition met\n' });
  const web = registry.pod(uid);
  if (web !== undefined)
    registry.recordEvent(web, 'Normal', 'Started', 'it runs', { component: 'kubelet', container: 'main' });
  const { out } = await kubectl(['describe', 'pod', 'web']);
  t.match(out, /^Name: +web\n/);
  t.match(out, /Normal +Started +\S+ +kubelet +it runs\n/);
  t.match(await kubectl(['create', 'namespace', 'team']), { code: 0 }, 'which kubectl sends as protobuf');
  t.match(await kubectl(['create', 'configmap', 'c', '--from-literal=a=b', '-n', 'team']), { code: 0 });
  t.match((await kubectl(['get', 'cm', 'c', '-n', 'team', '-o', 'jsonpath={.data.a}'])).out, 'b');
  t.match(await kubectl(['delete', 'namespace', 'team']), { code: 0 });
  t.match(await kubectl(['create', 'deployment', 'd', '--image=busybox']), {
    code: 1,
    err: /deployments\.apps are not served: podspace has no controllers, those belong to a cluster/,
  });
  t.match(await kubectl(['delete', 'pod', 'web']), { code: 0, out: 'pod "web" deleted\n' });
});

t.test('kubectl: users see what RBAC lets them', { skip: needsKubectl }, async t => {
  const { kubectl, kubeconfig, directory } = await startApi(t);
  const bob = join(directory, 'bob');
  writeFileSync(bob, await kubeconfig({ user: 'bob', groups: ['dev'] }));
  const asBob = (...args: string[]) => kubectl(args, '', { KUBECONFIG: bob });
  t.match(await asBob('get', 'pods'), {
    code: 1,
    err: 'Error from server (Forbidden): pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "default"\n',
  });
  t.match(await asBob('auth', 'can-i', 'list', 'pods'), { code: 1, out: 'no\n' });
  await kubectl(['create', 'role', 'look', '--verb=get,list', '--resource=pods']);
  await kubectl(['create', 'rolebinding', 'look', '--role=look', '--group=dev']);
  t.match(await asBob('auth', 'can-i', 'list', 'pods'), { code: 0, out: 'yes\n' });
  t.match(await asBob('get', 'pods'), { code: 0, err: 'No resources found in default namespace.\n' });
  t.match(await asBob('get', 'pods', '-A'), {
    code: 1,
    err: /cannot list resource "pods" in API group "" at the cluster scope/,
  });
  t.match(await asBob('create', 'role', 'more', '--verb=delete', '--resource=pods'), {
    code: 1,
    err: /Forbidden/,
  });
  t.match((await asBob('auth', 'whoami')).out, /Username +bob\nGroups +\[dev system:authenticated\]/);
  const refused = await kubectl(['get', 'pods', '--token=wrong'], '', { KUBECONFIG: bob });
  t.match(refused, { code: 1, err: /You must be logged in to the server/ });
});

t.test('kubectl exec and port-forward', { skip: needsKubectl }, async t => {
  const { registry, kubectl, file } = await startApi(t);
  const script =
    'nc -ll -p 9000 -e cat & nc -ll -p 9001 -e sh -c "head -c 300000 /dev/zero" & echo ready; wait';
  const { name } = await runningPod(t, registry, script);
  t.match(await kubectl(['exec', name, '--', 'sh', '-c', 'echo out; echo err >&2; exit 7']), {
    code: 7,
    out: 'out\n',
    err: /^err\ncommand terminated with exit code 7\n$/,
  });
  t.match(await kubectl(['exec', '-i', name, '--', 'sha256sum'], 'x'.repeat(500_000)), {
    code: 0,
    out: /^[0-9a-f]{64} +-\n$/,
  });
  t.equal((await kubectl(['exec', name, '--', 'head', '-c', '3000000', '/dev/zero'])).out.length, 3_000_000);
  t.match(await kubectl(['exec', name, '--', 'no-such-command']), { code: 1, err: /not found/ });
  t.match(await kubectl(['exec', name, '-c', 'other', '--', 'true']), {
    code: 1,
    err: `Error from server (BadRequest): container other is not valid for pod ${name}\n`,
  });
  const older = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false' };
  t.match(await kubectl(['exec', '-i', name, '--', 'sh', '-c', 'cat; exit 4'], 'over SPDY', older), {
    code: 4,
    out: 'over SPDY',
  });
  const child = spawn(KUBECTL ?? '', ['port-forward', name, ':9000', ':9001', ':9'], {
    env: { PATH: process.env.PATH, HOME: dirname(file), KUBECONFIG: file },
  });
  t.teardown(() => child.kill());
  let said = '';
  child.stdout.on('data', chunk => (said += chunk));
  child.stderr.on('data', chunk => (said += chunk));
  const ports = (): readonly number[] =>
    [...said.matchAll(/127\.0\.0\.1:(\d+) -> /g)].map(([, port]) => Number(port));
  for (let i = 0; i < 500 && ports().length < 3; i++) await new Promise(done => setTimeout(done, 20));
  const [echo = 0, zeros = 0, closed = 0] = ports();
  const talk = async (port: number, text?: string): Promise<string> => {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    if (text === undefined) socket.on('end', () => socket.end());
    else socket.end(text);
    let got = '';
    socket.on('data', chunk => (got += chunk.toString('latin1')));
    socket.on('error', () => {});
    await new Promise(resolve => socket.on('close', resolve));
    return got;
  };
  const text = 'y'.repeat(200_000);
  t.equal((await talk(echo, text)).length, text.length);
  t.same(await Promise.all([1, 2, 3].map(i => talk(echo, `hello ${i}`))), ['hello 1', 'hello 2', 'hello 3']);
  t.equal((await talk(zeros)).length, 300_000);
  await talk(closed, 'x');
  for (let i = 0; i < 200 && !said.includes('refused'); i++) await new Promise(done => setTimeout(done, 20));
  t.match(said, /connection refused/);
});

t.test(
  'client-node: exec and port-forward over the channels of a WebSocket',
  { skip: needsRoot },
  async t => {
    const { registry, config } = await startApi(t);
    const { name } = await runningPod(t, registry, 'nc -ll -p 9000 -e cat & echo ready; wait');
    let out = '';
    const sink = new Writable({
      write(chunk, _encoding, done) {
        out += chunk;
        done();
      },
    });
    const stdin = new PassThrough();
    const status = await new Promise<{ status?: string; details?: unknown }>((resolve, reject) => {
      new Exec(config)
        .exec(
          'default',
          name,
          'main',
          ['sh', '-c', 'read a; echo "got $a"; exit 3'],
          sink,
          sink,
          stdin,
          false,
          resolve,
        )
        .catch(reject);
      stdin.write('line\n');
    });
    t.equal(out, 'got line\n');
    t.match(status, { status: 'Failure', details: { causes: [{ reason: 'ExitCode', message: '3' }] } });
    const input = new PassThrough();
    let echoed = '';
    const output = new Writable({
      write(chunk, _encoding, done) {
        echoed += chunk;
        done();
      },
    });
    const socket = await new PortForward(config).portForward('default', name, [9000], output, null, input);
    input.write('echo this');
    for (let i = 0; i < 200 && echoed !== 'echo this'; i++) await new Promise(done => setTimeout(done, 20));
    t.equal(echoed, 'echo this');
    (socket as { close(): void }).close();
  },
);

t.test(
  'client-node and kubectl: a log that is followed over its rotation',
  { skip: needsKubectl },
  async t => {
    const { registry, config, kubectl, roots, file } = await startApi(t);
    const { metadata } = registry.create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', namespace: 'default' },
      spec: { containers: [{ name: 'main', image: 'x' }] },
    });
    const { uid = '' } = metadata;
    const setState = (state: object): void =>
      registry.setPodStatus(uid, {
        phase: 'Running',
        containerStatuses: [{ name: 'main', image: 'x', imageID: '', ready: true, restartCount: 0, state }],
      });
    setState({ running: {} });
    t.match(await kubectl(['logs', 'p', '-p']), {
      code: 1,
      err: 'Error from server (BadRequest): previous terminated container "main" in pod "p" not found\n',
    });
    const directory = join(roots.state, 'logs', `default_p_${uid}`, 'main');
    mkdirSync(directory, { recursive: true });
    const log = join(directory, '0.log');
    let line = 0;
    const write = (count: number, to = log): void => {
      let text = '';
      for (const end = line + count; line < end; line++)
        text += `2026-01-01T00:00:00.${String(line).padStart(9, '0')}Z stdout F line ${line}\n`;
      appendFileSync(to, text);
    };
    write(100);
    const child = spawn(KUBECTL ?? '', ['logs', '-f', 'p'], {
      env: { PATH: process.env.PATH, HOME: dirname(file), KUBECONFIG: file },
    });
    let got = '';
    child.stdout.on('data', chunk => (got += chunk));
    const ended = once(child, 'close');
    for (let i = 0; i < 200 && !got.includes('line 99\n'); i++)
      await new Promise(done => setTimeout(done, 20));
    const old = `${log}.20260101-000000`;
    renameSync(log, old);
    writeFileSync(log, '');
    write(50, old);
    await new Promise(done => setTimeout(done, 50));
    write(50, old);
    write(100);
    setState({ terminated: { exitCode: 0 } });
    await ended;
    t.equal(got, Array.from({ length: 300 }, (_, i) => `line ${i}\n`).join(''), 'nothing is lost or doubled');
    t.match(
      (await kubectl(['logs', 'p', '--tail=2', '--timestamps'])).out,
      '2026-01-01T00:00:00.000000298Z line 298\n2026-01-01T00:00:00.000000299Z line 299\n',
    );
    t.equal((await kubectl(['logs', 'p', '--limit-bytes=9'])).out, 'line 0\nli');
    t.equal(
      await config
        .makeApiClient(CoreV1Api)
        .readNamespacedPodLog({ name: 'p', namespace: 'default', tailLines: 1 }),
      'line 299\n',
    );
  },
);
