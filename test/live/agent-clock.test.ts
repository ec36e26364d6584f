import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Pod } from '../../src/kube/types.generated.ts';
import { agentFor, container, scripts, type TestAgent } from './agent.ts';
import { needsRoot } from './harness.ts';

/** Seconds by which somebody has set the clock back while no agent ran. */
const STEP = 36_000;

/** What is on record of a pod, as if it had been written before the clock was set. */
function setBack({ roots }: TestAgent, { metadata }: Pod): void {
  const run = join(roots.run, 'pods', metadata?.uid ?? '');
  const records = join(run, 'records');
  for (const name of readdirSync(records)) {
    const lines = readFileSync(join(records, name), 'utf8').split('\n');
    const later = lines.map(line => line.replace(/^(\d+) (\d+)/, (_, first, at) => `${first} ${+at + STEP}`));
    writeFileSync(join(records, name), later.join('\n'));
  }
  const file = join(run, 'detached.json');
  const detached = JSON.parse(readFileSync(file, 'utf8'));
  detached.facts.createdAt += STEP * 1000;
  writeFileSync(file, JSON.stringify(detached));
}

t.test('the clock is set back ten hours while no agent runs', { skip: needsRoot }, async t => {
  const agent = await agentFor(t);
  const exec = (command: string) => ({ exec: { command: ['sh', '-c', command] } });
  const stay = { command: ['sleep', '1000'] };
  const ready = { ...exec('test -e /ready'), initialDelaySeconds: 1, periodSeconds: 1 };
  const specs = {
    deadline: scripts({ main: stay }, { activeDeadlineSeconds: 8 }),
    probed: scripts({ main: { ...stay, readinessProbe: ready } }),
    failing: scripts({ main: 'exit 1' }),
  };
  for (const [name, spec] of Object.entries(specs)) await agent.create(name, spec);
  const pods = [
    ...(await Promise.all(
      ['deadline', 'probed'].map(name => agent.until(name, ({ phase }) => phase === 'Running', 30)),
    )),
    await agent.until(
      'failing',
      status => container(status, 'main')?.state?.waiting?.reason === 'CrashLoopBackOff',
      30,
    ),
  ];
  const before = container((await agent.pod('failing')).status, 'main')?.restartCount ?? 0;
  await agent.kill();
  for (const pod of pods) setBack(agent, pod);
  await agent.start();

  // Readiness is asked for again at once.
  t.equal(agent.command(['exec', 'probed', '--', 'touch', '/ready']).status, 0);
  await agent.until('probed', status => container(status, 'main')?.ready, 20);
  // The back-off is its ten seconds, the deadline its eight, from now on.
  const failing = await agent.until(
    'failing',
    status => (container(status, 'main')?.restartCount ?? 0) > before,
    30,
  );
  t.equal(container(failing.status, 'main')?.restartCount, before + 1);
  const ended = await agent.until('deadline', ({ phase }) => phase === 'Failed', 30);
  t.equal(ended.status.reason, 'DeadlineExceeded');
  await agent.clear();
  t.strictSame(await agent.left(), []);
});
