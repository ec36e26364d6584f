import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { AttachStreams } from '../../../src/agent/backend.ts';
import { AgentClient, objectPath } from '../../../src/agent/client.ts';
import { RemoteSession } from '../../../src/agent/remote-session.ts';
import { servedKind } from '../../../src/agent/resources.ts';
import { agentSocket } from '../../../src/agent/start.ts';
import type { ContainerStatus } from '../../../src/kube/types.generated.ts';
import { rootsAt } from '../../../src/oci/pod-paths.ts';
import { logDirectory } from '../../../src/runtime/log-files.ts';
import { type FakeAgent, fakeAgent } from './agent.ts';

const needsRoot = process.geteuid?.() === 0 ? false : 'needs root';

const POD = `apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  initContainers: [{name: init, image: busybox}]
  containers: [{name: main, image: busybox, stdin: true}, {name: side, image: busybox}]
`;

const running = (name: string, restartCount = 0): ContainerStatus => ({
  name,
  image: 'busybox',
  imageID: '',
  ready: true,
  restartCount,
  state: { running: { startedAt: '2026-01-01T00:00:00Z' } },
});

type Options = NonNullable<Parameters<typeof fakeAgent>[1]>;

/** A pod that runs, and has written something. */
async function withLogs(t: Parameters<typeof fakeAgent>[0], options: Options = {}): Promise<FakeAgent> {
  const agent = await fakeAgent(t, options);
  const { run, file, setStatus, pod, root } = agent;
  await run('create', '-f', file('web.yaml', POD));
  setStatus('web', {
    phase: 'Running',
    initContainerStatuses: [{ ...running('init'), state: { terminated: { exitCode: 0 } } }],
    containerStatuses: [running('main', 1), running('side')],
  });
  const write = (container: string, attempt: number, lines: readonly string[]): void => {
    const { uid = '' } = pod('web').metadata;
    const directory = join(
      logDirectory(rootsAt(root), { namespace: 'default', name: 'web', uid }),
      container,
    );
    mkdirSync(directory, { recursive: true });
    const text = lines.map((line, i) => `2026-01-01T00:00:0${i}.000000000Z stdout F ${line}\n`).join('');
    writeFileSync(join(directory, `${attempt}.log`), text);
  };
  write('init', 0, ['made']);
  write('main', 0, ['before']);
  write('main', 1, ['one', 'two', 'three']);
  write('side', 0, ['beside']);
  return agent;
}

const DEFAULTED = 'Defaulted container "main" out of: main, side, init (init)\n';

t.test('logs', { skip: needsRoot }, async t => {
  const { run } = await withLogs(t);
  const cases: Readonly<Record<string, string>> = {
    'web -c main': 'one\ntwo\nthree\n',
    'web side': 'beside\n',
    'pod/web -c init': 'made\n',
    'web -c main --tail=1': 'three\n',
    'web -c main --tail=-1': 'one\ntwo\nthree\n',
    'web -c main --since-time=2026-01-01T00:00:01Z': 'two\nthree\n',
    'web -c main --since=1s': '',
    'web -c main -p': 'before\n',
    'web -c main --limit-bytes=5': 'one\nt',
    'web -c side --timestamps': '2026-01-01T00:00:00.000000000Z beside\n',
    'web --all-containers': 'made\none\ntwo\nthree\nbeside\n',
    'web --all-containers --prefix --tail=2':
      '[pod/web/init] made\n[pod/web/main] two\n[pod/web/main] three\n[pod/web/side] beside\n',
  };
  for (const [words, stdout] of Object.entries(cases))
    t.same(await run('logs', ...words.split(' ')), { stdout, stderr: '', exitCode: 0 }, words);
  t.same(await run('logs', 'web'), { stdout: 'one\ntwo\nthree\n', stderr: DEFAULTED, exitCode: 0 });
  t.match(await run('logs', '-l', 'app=web'), { stdout: 'one\ntwo\nthree\n', stderr: DEFAULTED });
  t.match(await run('logs', '-l', 'app=db'), { stdout: '', exitCode: 0 });
  const mistakes: Readonly<Record<string, string>> = {
    nosuch: 'error: error from server (NotFound): pods "nosuch" not found in namespace "default"\n',
    'web -c nosuch': 'error: container nosuch is not valid for pod web\n',
    'web -c side -p':
      'Error from server (BadRequest): previous terminated container "side" in pod "web" not found\n',
    'web -l app=web': 'error: only a selector (-l) or a POD name is allowed\n',
    'web --since=1s --since-time=2026-01-01T00:00:00Z':
      'error: at most one of `sinceTime` or `since` may be specified\n',
    'web --tail=x': 'error: option --tail: "x" is not a number\n',
    'web --since=x': 'error: option --since: "x" is not a duration\nhint: for example 30s, 1m30s, 500ms\n',
    'web --since-time=x':
      'error: option --since-time: "x" is no time\nhint: for example 2026-01-01T10:00:00Z\n',
    'web --all-containers -c main':
      'error: --all-containers=true should not be specified with container name\n',
    'web -f --all-containers --max-log-requests=2':
      'error: you are attempting to follow 3 log streams, but maximum allowed concurrency is 2, use --max-log-requests to increase the limit\n',
    'web main side': 'error: unexpected argument "side"\n',
  };
  for (const [words, stderr] of Object.entries(mistakes))
    t.match(await run('logs', ...words.split(' ')), { stderr, exitCode: 1 }, words);
  t.match(await run('logs'), {
    exitCode: 1,
    stderr: /^error: expected 'logs \[-f\] \[-p\] \(POD \| TYPE\/NAME\)/,
  });
});

t.test('logs -f ends with the container', { skip: needsRoot }, async t => {
  const { run, setStatus } = await withLogs(t);
  const following = run('logs', 'web', '-c', 'side', '-f');
  await delay(100);
  setStatus('web', {
    phase: 'Running',
    containerStatuses: [running('main', 1), { ...running('side'), state: { terminated: { exitCode: 0 } } }],
  });
  t.same(await following, { stdout: 'beside\n', stderr: '', exitCode: 0 });
});

t.test('attach: what comes, what goes, and how it ends', { skip: needsRoot }, async t => {
  let streams: AttachStreams | undefined;
  const typed: string[] = [];
  const attach = async (_uid: string, container: string, given: AttachStreams) => {
    streams = given;
    typed.push(`(${container})`);
    return {
      hasStdin: true,
      isTerminal: false,
      write: async (chunk: Uint8Array) => void typed.push(Buffer.from(chunk).toString()),
      end: () => void typed.push('(end)'),
      resize: () => {},
      close: () => void typed.push('(close)'),
    };
  };
  const { root } = await withLogs(t, { attach });
  const client = new AgentClient(agentSocket(rootsAt(root)));
  const path = objectPath(servedKind('Pod'), 'default', 'web', 'attach');
  const printed: string[] = [];
  const session = await RemoteSession.open(
    client,
    path,
    { container: 'main', stdin: 'true', stdout: 'true', stderr: 'true' },
    (stream, chunk) => printed.push(`${stream} ${chunk}`),
  );
  await delay(50);
  await session.write(Buffer.from('hello'));
  session.end();
  streams?.onOutput('stdout', Buffer.from('out'));
  streams?.onOutput('stderr', Buffer.from('err'));
  await delay(50);
  streams?.onEnd(0);
  t.match(await session.ended, { status: 'Success' });
  t.same(printed, ['stdout out', 'stderr err']);
  t.same(typed, ['(main)', 'hello', '(end)', '(close)']);
  await t.rejects(
    RemoteSession.open(client, `${path}x`, {}, () => {}),
    { name: 'ServerError', reason: 'BadRequest' },
  );
  await t.rejects(
    RemoteSession.open(client, path, { container: 'init', stdout: 'true' }, () => {}),
    { message: 'container init is not running in pod web' },
  );
});
