import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import t from 'tap';
import { type ReadLogOptions, readLog } from '../../../src/agent/logs/read-log.ts';
import { compressLogs, removeOldest, rotateLog } from '../../../src/agent/pods/rotate-logs.ts';
import { attemptsOf, filesOf } from '../../../src/runtime/log-files.ts';

const line = (text: string, tag = 'F'): string => `2026-01-01T00:00:00.000000000Z stdout ${tag} ${text}\n`;

async function textOf(options: Partial<ReadLogOptions> & { readonly directory: string }): Promise<string> {
  let text = '';
  for await (const entries of readLog({ attempt: 0, ...options }))
    for (const entry of entries) text += `${entry.text}${entry.isPartial ? '' : '\n'}`;
  return text;
}

const NOON = Date.UTC(2026, 0, 1, 12);

t.test(
  'rotated in one moment, and after the clock was set back: each has its name, and its turn',
  async t => {
    const directory = t.testdir({});
    const current = join(directory, '0.log');
    const times = [NOON, NOON, NOON + 999, NOON - 3_600_000];
    for (const [i, time] of times.entries()) {
      writeFileSync(current, line(`line ${i}`));
      rotateLog(directory, 0, time);
    }
    writeFileSync(current, line('last'));
    t.strictSame(readdirSync(directory).sort(), [
      '0.log',
      '0.log.20260101-120000',
      '0.log.20260101-120001',
      '0.log.20260101-120002',
      '0.log.20260101-120003',
    ]);
    t.equal(await textOf({ directory }), 'line 0\nline 1\nline 2\nline 3\nlast\n');
    rotateLog(directory, 0, NOON + 10_000);
    writeFileSync(current, '');
    removeOldest(directory, 0);
    t.equal(
      await textOf({ directory }),
      'line 1\nline 2\nline 3\nlast\n',
      'five files, and the oldest has gone',
    );
  },
);

t.test('all but the newest are compressed, and read all the same', async t => {
  const directory = t.testdir({
    '1.log.20260101-000000': 'another attempt',
    // An agent was killed: before a file was whole, and before the other one was removed.
    '0.log.20260101-000000.tmp': 'half',
    '0.log.20260101-000000': line('a') + line('b', 'P'),
    '0.log.20260101-000001': line('c') + line('d'),
    '0.log.20260101-000002': line('e'),
    '0.log': line('f'),
  });
  const whole = join(directory, '0.log.20260101-000001');
  writeFileSync(`${whole}.gz`, gzipSync(readFileSync(whole)));
  t.equal(await textOf({ directory }), 'a\nbc\nd\ne\nf\n', 'one that is there twice is read once');
  await compressLogs(directory, 0);
  t.strictSame(readdirSync(directory).sort(), [
    '0.log',
    '0.log.20260101-000000.gz',
    '0.log.20260101-000001.gz',
    '0.log.20260101-000002',
    '1.log.20260101-000000',
  ]);
  t.equal(String(gunzipSync(readFileSync(`${whole}.gz`))), line('c') + line('d'));
  t.equal(statSync(join(directory, '0.log.20260101-000000.gz')).mode & 0o777, 0o640);
  t.strictSame(attemptsOf(directory), [1, 0]);
  t.equal(await textOf({ directory }), 'a\nbc\nd\ne\nf\n');
  const tails = ['', 'f\n', 'e\nf\n', 'd\ne\nf\n', 'bc\nd\ne\nf\n', 'a\nbc\nd\ne\nf\n', 'a\nbc\nd\ne\nf\n'];
  for (const [tailLines, text] of tails.entries())
    t.equal(await textOf({ directory, tailLines }), text, `the last ${tailLines}`);
  // What is left of a damaged one is read, and what comes after it.
  truncateSync(join(directory, '0.log.20260101-000000.gz'), 15);
  t.match(await textOf({ directory }), /c\nd\ne\nf\n$/);
  t.match(await textOf({ directory, tailLines: 99 }), /c\nd\ne\nf\n$/);
  await compressLogs(directory, 0);
  t.equal(filesOf(directory, 0).length, 4);
});

t.test('the last lines of a compressed file, whatever its size', async t => {
  const directory = join(t.testdir({}), 'log');
  mkdirSync(directory);
  const entries = fc.array(
    fc.record({ size: fc.oneof(fc.nat(50), fc.nat(90_000)), isPartial: fc.boolean() }),
    { maxLength: 12 },
  );
  const property = fc.asyncProperty(entries, fc.nat(6), async (all, tailLines) => {
    const text = all.map(({ size, isPartial }) => line('x'.repeat(size), isPartial ? 'P' : 'F')).join('');
    const plain = join(directory, '0.log.20260101-000000');
    writeFileSync(plain, text);
    const expected = await textOf({ directory, tailLines });
    unlinkSync(plain);
    writeFileSync(`${plain}.gz`, gzipSync(text));
    return (await textOf({ directory, tailLines })) === expected;
  });
  await t.resolves(fc.assert(property, { numRuns: 60 }));
});

t.test('a log is followed while it is rotated and compressed: slowly, and fast', async t => {
  for (const pause of [0, 3]) {
    const directory = join(t.testdir({}), `${pause}`);
    mkdirSync(directory);
    const current = join(directory, '0.log');
    writeFileSync(current, '');
    let hasEnded = false;
    let changed = (): void => {};
    const follow: ReadLogOptions['follow'] = {
      hasEnded: () => hasEnded,
      signal: new AbortController().signal,
      onChange: callback => {
        changed = callback;
        return () => {};
      },
    };
    const read: number[] = [];
    const reading = (async () => {
      for await (const entries of readLog({ directory, attempt: 0, follow })) {
        for (const { text } of entries) read.push(Number(text));
        await new Promise(resolve => setTimeout(resolve, pause));
      }
    })();
    let written = 0;
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < 20; i++) appendFileSync(current, line(String(written++)));
      rotateLog(directory, 0, NOON + round);
      // Whoever writes goes on in the old file for a moment.
      const newest = filesOf(directory, 0).at(-1) ?? '';
      appendFileSync(newest, line(String(written++)));
      writeFileSync(current, '');
      removeOldest(directory, 0);
      changed();
      await compressLogs(directory, 0);
      if (round % 4 === 0) await new Promise(resolve => setTimeout(resolve, 10));
    }
    hasEnded = true;
    changed();
    await reading;
    const isInOrder = read.every((number, i) => i === 0 || number > (read[i - 1] ?? 0));
    t.ok(isInOrder, 'none is doubled, none comes late');
    t.equal(read.at(-1), written - 1);
    // Who reads slowly loses what has been removed meanwhile, and nothing else: 21 lines for each file.
    const missing = Array.from({ length: written }, (_, i) => i).filter(i => !read.includes(i));
    t.equal(missing.length % 21, 0, `${missing.length} lines were removed unread`);
    await compressLogs(directory, 0);
    t.strictSame(filesOf(directory, 0).filter(file => file.endsWith('.gz')).length, 3);
    t.notOk(readdirSync(directory).some(name => name.endsWith('.tmp')));
  }
});

t.test('a file that goes while it is compressed', async t => {
  const directory = t.testdir({
    '0.log.20260101-000000': line('a'),
    '0.log.20260101-000001': '',
    '0.log': '',
  });
  const compressing = compressLogs(directory, 0);
  renameSync(join(directory, '0.log.20260101-000000'), join(directory, 'gone'));
  await compressing;
  t.notOk(existsSync(join(directory, '0.log.20260101-000000.gz')));
  t.notOk(existsSync(join(directory, '0.log.20260101-000000.tmp')));
});
