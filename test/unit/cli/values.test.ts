import t from 'tap';
import { parseDuration } from '../../../src/cli/duration.ts';
import { formatTable } from '../../../src/cli/table.ts';

t.test('durations, in milliseconds', t => {
  const cases: Readonly<Record<string, number>> = {
    '30': 30_000,
    '0': 0,
    '0.5': 500,
    '30s': 30_000,
    '1m30s': 90_000,
    '500ms': 500,
    '1h': 3_600_000,
    '1.5h': 5_400_000,
    '1h2m3s4ms': 3_723_004,
    '0s': 0,
  };
  for (const [text, milliseconds] of Object.entries(cases))
    t.equal(parseDuration(text, '--timeout'), milliseconds, text);
  t.end();
});

t.test('what is no duration is named with its option', t => {
  for (const text of [
    '-1s',
    '+5',
    's',
    '1 s',
    '1s ',
    '1x',
    '1s2',
    '5M',
    'Infinity',
    'NaN',
    '1e3',
    '0x10',
    '1.s',
    '.5s',
    '1d',
    '½s',
    '1m30',
    '30 seconds',
  ])
    t.throws(() => parseDuration(text, '--timeout'), {
      message: `option --timeout: "${text}" is not a duration`,
      hint: /30s/,
    });
  t.end();
});

t.test('columns line up, three spaces apart, and no line has trailing spaces', t => {
  t.equal(
    formatTable([
      ['NAME', 'SIZE', 'WHAT'],
      ['a', '1', ''],
      ['longer', '', 'text'],
    ]),
    ['NAME     SIZE   WHAT', 'a        1', 'longer          text', ''].join('\n'),
  );
  t.equal(formatTable([]), '');
  t.equal(formatTable([[]]), '\n');
  t.equal(formatTable([['a', 'b'], ['c']]), 'a   b\nc\n', 'rows need not be of one length');
  t.end();
});

t.test('characters of two columns, and of none', t => {
  t.equal(
    formatTable([
      ['日本', '|'],
      ['abcd', '|'],
    ]),
    '日本   |\nabcd   |\n',
  );
  t.equal(
    formatTable([
      ['e\u0301', '|'],
      ['x', '|'],
    ]),
    'e\u0301   |\nx   |\n',
    'a combining accent',
  );
  t.equal(
    formatTable([
      ['👍', '|'],
      ['ab', '|'],
    ]),
    '👍   |\nab   |\n',
  );
  t.end();
});

t.test('a painted cell is as wide as before', t => {
  const painted = formatTable(
    [
      ['a', 'b'],
      ['long', 'c'],
    ],
    (cell, row, column) => (row === 0 && column === 0 ? `\u001b[31m${cell}\u001b[39m` : cell),
  );
  t.equal(painted, '\u001b[31ma\u001b[39m      b\nlong   c\n');
  t.end();
});
