import { appendFileSync, renameSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ResultBuilder } from '../../../src/runtime/result-builder.ts';
import { fitMessage, LogTail, TerminationLog } from '../../../src/runtime/termination-message.ts';

/** A log in a directory of its own, and its path. */
function makeLog(t: Test): readonly [TerminationLog, string] {
  const path = join(t.testdir({}), 'log');
  const log = TerminationLog.create(path);
  t.teardown(() => log.close());
  return [log, path];
}

t.test('any user may write to the file, whatever the umask', t => {
  const umask = process.umask(0o077);
  const [, path] = makeLog(t);
  process.umask(umask);
  t.equal(statSync(path).mode & 0o7777, 0o666);
  t.end();
});

t.test('what is there already is not used, not even a link to a file', t => {
  const directory = t.testdir({ victim: 'untouched' });
  symlinkSync('victim', join(directory, 'log'));
  t.throws(() => TerminationLog.create(join(directory, 'log')), { code: 'EEXIST' });
  t.end();
});

t.test('the message is the file’s last 4096 bytes', t => {
  const [log, path] = makeLog(t);
  t.equal(log.read(), '');
  appendFileSync(path, 'out of luck\n');
  t.equal(log.read(), 'out of luck\n');
  appendFileSync(path, `${'x'.repeat(5000)}end`);
  t.equal(log.read(), `${'x'.repeat(4093)}end`);
  truncateSync(path);
  t.equal(log.read(), '');
  t.end();
});

t.test('a file of many gigabytes is not read', t => {
  const [log, path] = makeLog(t);
  truncateSync(path, 2 ** 40);
  appendFileSync(path, 'end');
  t.equal(log.read().replaceAll('\0', ''), 'end');
  t.end();
});

t.test('what took the file’s place at its path is not looked at', t => {
  const [log, path] = makeLog(t);
  writeFileSync(path, 'mine');
  renameSync(path, `${path}.old`);
  symlinkSync('/etc/passwd', path);
  t.equal(log.read(), 'mine');
  t.end();
});

const lines = (count: number): string => Array.from({ length: count }, (_, i) => `${i}\n`).join('');

t.test('the end of an output is 80 lines, and at most 2048 bytes', t => {
  for (const [chunks, text] of [
    [[], ''],
    [['a\n', 'b'], 'a\nb'],
    [[lines(100)], lines(100).slice(lines(20).length)],
    [[...lines(100)], lines(100).slice(lines(20).length)],
    [['x'.repeat(3000), 'y'], `${'x'.repeat(2047)}y`],
    [[`${'x'.repeat(100)}\n`.repeat(30)], `${'x'.repeat(100)}\n`.repeat(30).slice(-2048)],
  ] as const) {
    const tail = new LogTail();
    for (const chunk of chunks) tail.push(Buffer.from(chunk));
    t.equal(tail.text(), text);
  }
  t.end();
});

t.test('the containers of a pod share 12 KiB', t => {
  const message = 'x'.repeat(4096);
  t.equal(fitMessage(message, 3).length, 4096);
  t.equal(fitMessage(message, 4).length, 3072);
  t.end();
});

t.test('the output stands in for an empty message only after an error, and only where it is asked for', t => {
  const END = { signal: undefined, cpuMicroseconds: 0, maxRss: 0 };
  for (const [fallsBackToLogs, exitCode, message, expected] of [
    [true, 1, '', 'the reason'],
    [true, 1, 'said', 'said'],
    [true, 0, '', undefined],
    [false, 1, '', undefined],
    [false, 0, 'said', 'said'],
  ] as const) {
    const result = new ResultBuilder(
      { name: 'c', init: false, sidecar: false },
      { capture: false, fallsBackToLogs, containers: 1 },
    );
    result.output('stdout', Buffer.from('of an attempt before'));
    result.ended({ ...END, exitCode: 1 }, 0, 0, 0);
    result.output('stderr', Buffer.from('the reason'));
    result.ended({ ...END, exitCode, message }, 0, 0, 1);
    t.equal(result.build().message, expected, JSON.stringify([fallsBackToLogs, exitCode, message]));
  }
  t.end();
});
