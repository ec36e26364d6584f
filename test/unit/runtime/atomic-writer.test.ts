import { chmodSync, readdirSync, readFileSync, readlinkSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { PayloadError, writeAtomically } from '../../../src/runtime/atomic-writer.ts';

const file = (path: string, text: string, mode = 0o644) => ({ path, mode, data: Buffer.from(text) });
const visible = (directory: string): readonly string[] =>
  readdirSync(directory)
    .filter(name => !name.startsWith('..'))
    .sort();
const dated = (directory: string): readonly string[] =>
  readdirSync(directory).filter(name => /^\.\.\d/.test(name));

t.test('another content takes the place of all files at once', t => {
  const target = t.testdir();
  t.ok(writeAtomically(target, [file('a', '1'), file('deep/b', '2'), file('gone/c', '3')]));
  const first = readlinkSync(join(target, '..data'));
  t.match(first, /^\.\.\d{4}(_\d\d){5}\.\d+$/);
  t.same(visible(target), ['a', 'deep', 'gone']);
  t.notOk(writeAtomically(target, [file('a', '1'), file('deep/b', '2'), file('gone/c', '3')]), 'nothing new');
  t.equal(readlinkSync(join(target, '..data')), first);
  t.ok(writeAtomically(target, [file('a', '1'), file('deep/d', '2'), file('new', '4')]));
  t.same(visible(target), ['a', 'deep', 'new']);
  t.same(dated(target), [readlinkSync(join(target, '..data'))], 'the old directory is gone');
  t.equal(readFileSync(join(target, 'deep/d'), 'utf8'), '2');
  t.equal(readlinkSync(join(target, 'a')), '..data/a');
  t.throws(() => statSync(join(target, 'deep/b')));
  t.ok(writeAtomically(target, []));
  t.same(visible(target), []);
  t.end();
});

t.test('what was killed half-way is taken up', t => {
  const target = t.testdir();
  writeAtomically(target, [file('a', '1')]);
  symlinkSync('..nowhere', join(target, '..data_tmp'));
  t.ok(writeAtomically(target, [file('a', '2')]));
  t.equal(readFileSync(join(target, 'a'), 'utf8'), '2');
  t.end();
});

t.test('a link that others made is not followed, nor is what it leads to removed', t => {
  const root = t.testdir({ victim: { a: '1' }, volume: {} });
  const target = join(root, 'volume');
  symlinkSync('../victim', join(target, '..data'));
  t.ok(writeAtomically(target, [file('a', '1')]));
  t.same(readdirSync(join(root, 'victim')), ['a']);
  t.match(readlinkSync(join(target, '..data')), /^\.\.\d{4}/);
  t.end();
});

t.test('the directory is owned before it can be seen', t => {
  const target = t.testdir();
  const seen: (string | undefined)[] = [];
  writeAtomically(target, [file('a', '1')], () => {
    seen.push(readdirSync(target).find(name => name === '..data'));
    for (const name of dated(target)) chmodSync(join(target, name), 0o750);
  });
  t.same(seen, [undefined, '..data']);
  t.end();
});

t.test('paths that no volume may have', t => {
  const target = t.testdir();
  for (const [path, message] of [
    ['', 'invalid path: must not be empty'],
    ['/etc/x', 'invalid path: must be relative path: /etc/x'],
    ['a/../../x', "invalid path: must not contain '..': a/../../x"],
    ['..data', "invalid path: must not start with '..': ..data"],
    ['x'.repeat(256), 'invalid path: filenames must be less than or equal to 255 characters'],
    ['x/'.repeat(3000), 'invalid path: must be less than or equal to 4096 characters'],
  ] as const)
    t.throws(() => writeAtomically(target, [file(path, '')]), { name: 'PayloadError', message });
  t.throws(
    () => writeAtomically(target, [file('a', ''), file('a/b', '')]),
    PayloadError,
    'a file and a directory',
  );
  t.same(readdirSync(target), []);
  t.end();
});
