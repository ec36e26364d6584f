import { appendFileSync, closeSync, mkdirSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { logOptions } from '../../../src/agent/api/log-options.ts';
import { ApiError } from '../../../src/agent/api-error.ts';
import { parseEntry } from '../../../src/agent/logs/cri-line.ts';
import { readLog } from '../../../src/agent/logs/read-log.ts';
import { tailOf } from '../../../src/agent/logs/tail.ts';
import { attemptsOf, filesOf } from '../../../src/runtime/log-files.ts';

const line = (text: string, tag = 'F', stream = 'stdout'): string =>
  `2026-01-01T00:00:00.000000000Z ${stream} ${tag} ${text}\n`;

async function textOf(log: ReturnType<typeof readLog>): Promise<string> {
  let text = '';
  for await (const entries of log)
    for (const entry of entries) text += `${entry.text}${entry.isPartial ? '' : '\n'}`;
  return text;
}

t.test('an entry, and what is none', t => {
  t.match(parseEntry(Buffer.from('T stderr P a b ')), {
    time: 'T',
    stream: 'stderr',
    isPartial: true,
    text: Buffer.from('a b '),
  });
  t.match(parseEntry(Buffer.from('T stdout F:x ')), { isPartial: false, text: Buffer.alloc(0) });
  t.match(parseEntry(Buffer.from('T stdout F')), { text: Buffer.alloc(0) });
  for (const none of ['', 'T', 'T stdout', 'T stdin F x', 'T stdout X x', '\0\0\0'])
    t.equal(parseEntry(Buffer.from(none)), undefined, JSON.stringify(none));
  t.end();
});

t.test('the files of a log, and nothing else', t => {
  const directory = t.testdir({
    '0.log': '',
    '2.log': '',
    '2.log.20260101-000001': '',
    '2.log.20260101-000000': '',
    '12.log': '',
    '2.log.tmp': '',
    x: {},
  });
  t.strictSame(attemptsOf(directory), [12, 2, 0]);
  t.strictSame(
    filesOf(directory, 2),
    ['2.log.20260101-000000', '2.log.20260101-000001', '2.log'].map(name => join(directory, name)),
  );
  t.strictSame(attemptsOf(join(directory, 'none')), []);
  t.end();
});

t.test('the last lines of a file, wherever its blocks begin', t => {
  const file = join(t.testdir(), 'log');
  const entries = fc.array(
    fc.record({ size: fc.oneof(fc.nat(50), fc.nat(90_000)), isPartial: fc.boolean() }),
    { maxLength: 12 },
  );
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(entries, fc.nat(6), fc.boolean(), (all, count, isCut) => {
        const text = all.map(({ size, isPartial }) => line('x'.repeat(size), isPartial ? 'P' : 'F')).join('');
        writeFileSync(file, isCut ? `${text}2026-01-01T00:00:00Z stdout F cut` : text);
        const fd = openSync(file, 'r');
        const { offset, found } = tailOf(fd, count);
        closeSync(fd);
        const whole = all.flatMap(({ isPartial }, i) => (isPartial ? [] : [i]));
        const wanted = Math.min(count, whole.length);
        const last = whole.at(-1 - count);
        const start = all
          .slice(0, count < whole.length && last !== undefined ? last + 1 : 0)
          .reduce(
            (sum, { size, isPartial }) => sum + line('x'.repeat(size), isPartial ? 'P' : 'F').length,
            0,
          );
        return found === wanted && offset === start;
      }),
      { numRuns: 60 },
    ),
  );
  t.end();
});

t.test('a log is read over all its files, or from the last lines on', async t => {
  const directory = t.testdir({
    '0.log.20260101-000000': line('a') + line('b', 'P'),
    '0.log.20260101-000001': line('c') + line('d'),
    '0.log': `${line('e')}\0garbage\n${line('f')}`,
    '1.log': line('another attempt'),
  });
  const read = (more: object) => textOf(readLog({ directory, attempt: 0, ...more }));
  t.equal(await read({}), 'a\nbc\nd\ne\nf\n');
  t.equal(await read({ tailLines: 1 }), 'f\n');
  t.equal(await read({ tailLines: 3 }), 'd\ne\nf\n');
  t.equal(await read({ tailLines: 4 }), 'bc\nd\ne\nf\n');
  t.equal(await read({ tailLines: 99 }), 'a\nbc\nd\ne\nf\n');
  t.equal(await read({ tailLines: 0 }), '');
  t.equal(await textOf(readLog({ directory, attempt: 7 })), '');
});

t.test('a log that is followed while it is rotated again and again', async t => {
  const directory = t.testdir();
  mkdirSync(directory, { recursive: true });
  const current = join(directory, '0.log');
  let hasEnded = false;
  let changed = (): void => {};
  const log = readLog({
    directory,
    attempt: 0,
    follow: {
      hasEnded: () => hasEnded,
      signal: new AbortController().signal,
      onChange: callback => {
        changed = callback;
        return () => {};
      },
    },
  });
  const reading = textOf(log);
  let written = '';
  for (let i = 0; i < 300; i++) {
    const text = `line ${i}`;
    appendFileSync(current, line(text));
    written += `${text}\n`;
    if (i % 20 !== 19) continue;
    // Whoever writes goes on in the old file for a moment.
    const old = `${current}.20260101-${String(i).padStart(6, '0')}`;
    renameSync(current, old);
    writeFileSync(current, '');
    appendFileSync(old, line(`late ${i}`));
    written += `late ${i}\n`;
    if (i % 40 === 39) await new Promise(resolve => setTimeout(resolve, 5));
  }
  hasEnded = true;
  changed();
  t.equal(await reading, written);
});

t.test('what a client wants of a log', t => {
  const options = (query: string) => logOptions(new URLSearchParams(query), 100_000);
  t.match(
    options('follow=true&previous=1&timestamps=false&tailLines=0&sinceSeconds=10&limitBytes=5&stream=Stderr'),
    {
      follow: true,
      previous: true,
      timestamps: false,
      tailLines: 0,
      since: 90_000,
      limitBytes: 5,
      stream: 'stderr',
    },
  );
  t.match(options('sinceTime=1970-01-01T00:00:01Z'), { since: 1000 });
  for (const wrong of [
    'tailLines=-1',
    'tailLines=x',
    'sinceSeconds=0',
    'limitBytes=0',
    'sinceTime=now',
    'stream=Both',
    'sinceSeconds=1&sinceTime=1970-01-01T00:00:01Z',
  ])
    t.throws(() => options(wrong), ApiError, wrong);
  t.end();
});
