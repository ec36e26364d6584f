import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { agentFor, scripts } from './agent.ts';
import { needsRoot } from './harness.ts';

/** Of each time that it is told to print: more than a log may have. */
const LINES = 60_000;
const PAD = 'x'.repeat(180);

t.test('a log that becomes large is moved away, and compressed later', { skip: needsRoot }, async t => {
  const agent = await agentFor(t);
  const script = `i=0; while true; do while [ ! -e /go ]; do sleep 0.1; done; rm /go; seq $i $((i + ${LINES - 1})) | sed 's/$/ ${PAD}/'; i=$((i + ${LINES})); done`;
  await agent.create('web', scripts({ main: script }));
  const { metadata } = await agent.until('web', ({ phase }) => phase === 'Running', 30);
  const directory = join(agent.root, 'logs', `default_web_${metadata?.uid}`, 'main');
  const until = async (isSo: (names: readonly string[]) => boolean): Promise<void> => {
    for (const end = Date.now() + 40_000; !isSo(readdirSync(directory)); await delay(50))
      if (Date.now() > end) throw new Error(`${readdirSync(directory)}\n${agent.said}`);
  };
  const print = (): void => void agent.command(['exec', 'web', '--', 'touch', '/go']);
  print();
  await until(names => names.length === 2);
  t.match(readdirSync(directory).sort().join(' '), /^0\.log 0\.log\.\d{8}-\d{6}$/);
  print();
  await until(names => names.length === 3 && names.some(name => name.endsWith('.gz')));
  t.match(readdirSync(directory).sort().join(' '), /^0\.log 0\.log\.\d{8}-\d{6}\.gz 0\.log\.\d{8}-\d{6}$/);

  const numbers = (...args: string[]): readonly number[] =>
    agent
      .command(['logs', 'web', ...args])
      .stdout.split('\n')
      .slice(0, -1)
      .map(line => Number(line.split(' ')[0]));
  const all = numbers();
  t.equal(all.length, 2 * LINES);
  t.ok(all.every((number, i) => number === i));
  const tail = numbers('--tail', String(LINES + 10));
  t.equal(tail.length, LINES + 10);
  t.equal(tail[0], LINES - 10);
  await agent.clear();
  t.strictSame(await agent.left(), []);
});
