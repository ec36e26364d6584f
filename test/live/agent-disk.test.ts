import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { agentSocket, isAnswering } from '../../src/agent/start.ts';
import { container, scripts, TestAgent } from './agent.ts';
import { needsRoot, PODSPACE } from './harness.ts';

type Test = typeof import('tap').default;

/** A disk of its own that has room for an image and little else. */
class SmallDisk {
  readonly path = mkdtempSync('/var/lib/podspace-disk-');
  readonly #filler = join(this.path, 'filler');

  constructor() {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'none', this.path]);
  }

  /** Until nothing has room any more. */
  fill(): void {
    const fd = openSync(this.#filler, 'a');
    try {
      for (const block = Buffer.alloc(4096); ; ) writeSync(fd, block);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(fd);
    }
  }

  makeRoom(): void {
    rmSync(this.#filler, { force: true });
  }

  remove(): void {
    execFileSync('umount', [this.path]);
    rmdirSync(this.path);
  }
}

async function onSmallDisk(t: Pick<Test, 'teardown'>) {
  const disk = new SmallDisk();
  const root = join(disk.path, 'root');
  mkdirSync(root);
  const agent = new TestAgent(root);
  t.teardown(async () => {
    disk.makeRoom();
    // A pod that goes on would keep the disk.
    await agent.clear().catch(() => {});
    await agent.remove();
    disk.remove();
  });
  await agent.start();
  return { agent, disk };
}

/** They tell each other things in a volume that is not on the disk. */
const spec = { volumes: [{ name: 'm', emptyDir: { medium: 'Memory' } }] };
const sh = (script: string): object => ({
  command: ['sh', '-c', script],
  volumeMounts: [{ name: 'm', mountPath: '/m' }],
});
const untilGo = (script: string): string => `while [ ! -e /m/go ]; do ${script}; done;`;
const PAD = 'x'.repeat(200);
/** Numbered lines in both streams, with pauses, and in the end how many there were. */
const printing = sh(
  `i=0; ${untilGo(
    `for n in 1 2 3 4 5 6 7 8 9 10; do echo line $i ${PAD}; echo line $i ${PAD} >&2; i=$((i + 1)); done; echo $i >/m/at; sleep 0.01`,
  )} echo last $i; sleep 1000`,
);
const waiting = sh(`${untilGo('sleep 0.05')} echo bye; exit 3`);

async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  seconds = 30,
): Promise<Exclude<Awaited<T>, undefined | false>> {
  for (const end = Date.now() + seconds * 1000; ; await delay(100)) {
    const found = await look();
    if (found !== undefined && found !== false) return found as Exclude<Awaited<T>, undefined | false>;
    if (Date.now() > end) throw new Error(`never: ${what}`);
  }
}

/** Files that were begun, and are in nobody's way any more. */
const begun = (directory: string): readonly string[] =>
  readdirSync(directory, { recursive: true })
    .map(String)
    .filter(path => /(^|\/)\./.test(path));

t.test('a full disk: the agent goes on, and nothing is lost', { skip: needsRoot }, async t => {
  const { agent, disk } = await onSmallDisk(t);
  await agent.create('printer', scripts({ print: printing, restart: waiting }, spec));
  await agent.create('never', scripts({ main: waiting }, { ...spec, restartPolicy: 'Never' }));
  await agent.create('gone', scripts({ main: 'sleep 1000' }));
  for (const name of ['printer', 'never', 'gone'])
    await agent.until(name, ({ phase }) => phase === 'Running', 30);
  disk.fill();
  const exec = (pod: string, ...command: string[]) => agent.command(['exec', pod, '--', ...command]);
  // What it prints has no room: it waits.
  let at = '';
  await until('a container that waits', () => {
    disk.fill();
    const before = at;
    at = exec('printer', 'cat', '/m/at').stdout;
    return at !== '' && at === before;
  });
  t.equal(agent.log(await agent.pod('printer'), 'print').length < 2 * Number(at), true, 'held back');

  const noRoom = /Internal error occurred: cannot store ".*\.json": no space left on device/;
  await t.rejects(agent.create('config', { data: { a: 'b' } }, 'ConfigMap'), { message: noRoom });
  await t.rejects(agent.create('pod', scripts({ main: 'true' })), { message: noRoom });
  const config = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'config' } });
  const applied = agent.command(['apply', '-f', '-'], config);
  t.equal(applied.status, 1);
  t.match(applied.stderr, /^Error from server \(InternalError\): error when creating "\(stdin\)": Internal/);
  t.strictSame(begun(join(agent.roots.state, 'objects')), [], 'nothing is left of what could not be stored');

  // Ends are seen; what cannot be started says why, and waits for room.
  for (const name of ['printer', 'never']) t.equal(exec(name, 'touch', '/m/go').status, 0);
  const failed = await agent.until('never', ({ phase }) => phase === 'Failed');
  t.match(container(failed.status, 'main')?.state, { terminated: { exitCode: 3, reason: 'Error' } });
  const stuck = await agent.until('printer', status => container(status, 'restart')?.state?.waiting, 20);
  t.match(container(stuck.status, 'restart'), {
    state: { waiting: { reason: 'CreateContainerError', message: /no space left on device/ } },
    lastState: { terminated: { exitCode: 3 } },
  });
  t.match(container(stuck.status, 'print'), { ready: true, restartCount: 0 });
  t.match(agent.command(['logs', 'printer', '-c', 'print', '--tail', '1']).stdout, /^line \d+ x+\n$/);
  // Who deletes something makes room.
  await agent.delete('gone', 0);
  await until('its end', async () => (await agent.pods()).every(({ metadata }) => metadata?.name !== 'gone'));
  disk.fill();

  disk.makeRoom();
  await agent.until('printer', status => (container(status, 'restart')?.restartCount ?? 0) > 0, 40);
  const lines = await until('all lines', async () => {
    const all = agent.log(await agent.pod('printer'), 'print').map(line => line.split(' ').slice(1));
    return all.some(([, , word]) => word === 'last') && all;
  });
  const count = Number(lines.find(([, , word]) => word === 'last')?.[3]);
  t.equal(count >= Number(at), true);
  for (const stream of ['stdout', 'stderr'])
    t.strictSame(
      lines
        .filter(([of, , word]) => of === stream && word === 'line')
        .map(([, , , number]) => Number(number)),
      Array.from({ length: count }, (_, i) => i),
      `each line of ${stream} once`,
    );
  // Others know again what runs, and the next agent how it ended.
  await until('what is on record', () => {
    const { uid = '' } = stuck.metadata ?? {};
    const record = JSON.parse(readFileSync(join(agent.roots.run, 'pods', uid, 'pod.json'), 'utf8'));
    return record.containers.length === 1;
  });
  const { uid = '' } = failed.metadata ?? {};
  const file = join(agent.roots.state, 'agent', 'status', `${uid}.json`);
  await until('its status in the file', () => /"phase":"Failed"/.test(readFileSync(file, 'utf8')));
  await agent.restart();
  t.match((await agent.pod('never')).status, { phase: 'Failed' });
  await agent.create('pod', scripts({ main: 'true' }, { restartPolicy: 'Never' }));
  await agent.until('pod', ({ phase }) => phase === 'Succeeded', 30);
  await agent.clear();
  t.strictSame(await agent.left(), []);
  t.strictSame(begun(join(agent.roots.state, 'agent')), []);
});

t.test('a full disk when a container ends and the agent is killed', { skip: needsRoot }, async t => {
  const { agent, disk } = await onSmallDisk(t);
  await agent.create('never', scripts({ main: waiting }, { ...spec, restartPolicy: 'Never' }));
  await agent.until('never', ({ phase }) => phase === 'Running', 30);
  disk.fill();
  t.equal(agent.command(['exec', 'never', '--', 'touch', '/m/go']).status, 0);
  const ended = await agent.until('never', ({ phase }) => phase === 'Failed');
  // Nothing of it is on the disk; the shim knows.
  disk.fill();
  await agent.restart();
  const found = await agent.until('never', ({ phase }) => phase === 'Failed');
  t.strictSame(container(found.status, 'main')?.state, container(ended.status, 'main')?.state);
  await agent.kill();
  disk.makeRoom();
  await agent.start();
  const after = await agent.until('never', ({ phase }) => phase === 'Failed');
  t.strictSame(container(after.status, 'main')?.state, container(ended.status, 'main')?.state);
  t.match(agent.log(after, 'main').at(-1), / stdout F bye$/);
  await agent.clear();
  t.strictSame(await agent.left(), []);
});

t.test('an agent whose log is on a full disk', { skip: needsRoot }, async t => {
  const agent = new TestAgent();
  t.teardown(() => agent.remove());
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, [PODSPACE, '--root', agent.root, 'agent', '--foreground'], {
    stdio: ['ignore', full, 'pipe'],
  });
  closeSync(full);
  const ended = new Promise(resolve => child.on('exit', resolve));
  await until('an answer', () => child.exitCode !== null || isAnswering(agentSocket(agent.roots)));
  await agent.create('pod', scripts({ main: 'exit 3' }, { restartPolicy: 'Never' }));
  await agent.until('pod', ({ phase }) => phase === 'Failed', 30);
  await agent.clear();
  child.kill();
  t.equal(await ended, 0);
  t.strictSame(await agent.left(), []);
});
