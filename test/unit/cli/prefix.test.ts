import fc from 'fast-check';
import t from 'tap';
import { PrefixedOutput } from '../../../src/cli/prefix.ts';

type Stream = 'stdout' | 'stderr';
type Write = readonly [stream: Stream, text: string];

/** A PrefixedOutput, and everything that it writes. */
function watched(hasColor = false): {
  readonly output: PrefixedOutput;
  readonly writes: Buffer[];
  all(): readonly Write[];
} {
  const written: (readonly [Stream, Buffer])[] = [];
  const writes: Buffer[] = [];
  const output = new PrefixedOutput((stream, chunk) => {
    written.push([stream, chunk]);
    writes.push(chunk);
  }, hasColor);
  return { output, writes, all: () => written.map(([stream, chunk]) => [stream, chunk.toString()] as const) };
}

t.test('each line has its container before it, whatever the chunks were', t => {
  const cases: readonly (readonly [chunks: readonly string[], lines: readonly string[]])[] = [
    [['one\n'], ['[a] one\n']],
    [['one\ntwo\n'], ['[a] one\n', '[a] two\n']],
    [
      ['o', 'n', 'e\ntw', 'o\n'],
      ['[a] one\n', '[a] two\n'],
    ],
    [['\n'], ['[a] \n']],
    [
      ['\n\n', '\n'],
      ['[a] \n', '[a] \n', '[a] \n'],
    ],
    [['one\r\ntwo\r\n'], ['[a] one\r\n', '[a] two\r\n']],
    [['10%\r20%\r', '30%\n'], ['[a] 10%\r20%\r30%\n']],
    [['no end'], ['[a] no end\n']],
    [['one\nno end'], ['[a] one\n', '[a] no end\n']],
    [[''], []],
    [[], []],
  ];
  for (const [chunks, lines] of cases) {
    const { output, all } = watched();
    for (const chunk of chunks) output.push('a', 'stdout', Buffer.from(chunk));
    output.end();
    t.same(
      all().map(([, text]) => text),
      lines,
      JSON.stringify(chunks),
    );
  }
  t.end();
});

t.test('a line that has no end yet waits, so that no other container breaks into it', t => {
  const { output, all } = watched();
  output.push('a', 'stdout', Buffer.from('half of '));
  output.push('b', 'stdout', Buffer.from('whole\n'));
  output.push('a', 'stderr', Buffer.from('error\n'));
  t.same(all(), [
    ['stdout', '[b] whole\n'],
    ['stderr', '[a] error\n'],
  ]);
  output.push('a', 'stdout', Buffer.from('a line\n'));
  t.same(all()[2], ['stdout', '[a] half of a line\n']);
  output.end();
  t.equal(all().length, 3, 'nothing twice');
  t.end();
});

t.test('a chunk that is kept is a copy: its reader may fill it again', t => {
  const { output, all } = watched();
  const chunk = Buffer.from('first');
  output.push('a', 'stdout', chunk);
  chunk.fill('x');
  output.end();
  t.same(all(), [['stdout', '[a] first\n']]);
  t.end();
});

t.test('bytes are not read as text: UTF-8 cut in two stays whole, what is none stays as it is', t => {
  const { output, writes } = watched();
  const euro = Buffer.from('€');
  output.push('a', 'stdout', euro.subarray(0, 1));
  output.push('a', 'stdout', euro.subarray(1));
  output.push('a', 'stdout', Buffer.from([10, 0xff, 0xc0, 0, 0x80]));
  output.end();
  t.same(Buffer.concat(writes), Buffer.from([...Buffer.from('[a] €\n[a] '), 0xff, 0xc0, 0, 0x80, 10]));
  t.end();
});

t.test('a line without end does not fill the memory', t => {
  const { output, all } = watched();
  const chunk = Buffer.alloc(10_000, 'x');
  for (let i = 0; i < 100; i++) output.push('a', 'stdout', chunk);
  const before = all().length;
  t.ok(before > 5, `${before} pieces were written meanwhile`);
  output.end();
  const text = all()
    .map(([, piece]) => piece)
    .join('');
  t.equal(text.replace(/\[a\] |\n/g, ''), 'x'.repeat(1_000_000));
  for (const line of text.split('\n').slice(0, -1)) t.ok(line.startsWith('[a] '));
  t.end();
});

t.test('colours: one for each container, the same on both streams, closed after the prefix', t => {
  const { output, all } = watched(true);
  for (const name of ['a', 'b', 'a']) output.push(name, 'stdout', Buffer.from('x\n'));
  output.push('a', 'stderr', Buffer.from('x\n'));
  const [first, second, third, fourth] = all().map(([, text]) => text);
  t.equal(third, first);
  t.equal(fourth, first);
  t.not(second, first?.replace('[a]', '[b]'), 'another container has another colour');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape is what is looked for
  t.match(first, /^\u001b\[\d+m\[a\]\u001b\[39m x\n$/);
  const { output: many, all: lines } = watched(true);
  for (let i = 0; i < 40; i++) many.push(`c${i}`, 'stdout', Buffer.from('x\n'));
  t.equal(new Set(lines()).size, 40, 'more containers than colours');
  t.end();
});

t.test('whatever the chunks, every byte of every line comes once and in order', t => {
  const names = fc.constantFrom('a', 'b');
  const stream = fc.constantFrom<Stream>('stdout', 'stderr');
  const bytes = fc.uint8Array({ maxLength: 12 }).map(array => Buffer.from(array.map(byte => byte % 14)));
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.array(fc.tuple(names, stream, bytes), { maxLength: 30 }), pushes => {
        const { output, all } = watched();
        for (const push of pushes) output.push(...push);
        output.end();
        for (const [name, from] of [
          ['a', 'stdout'],
          ['a', 'stderr'],
          ['b', 'stdout'],
          ['b', 'stderr'],
        ] as const) {
          const sent = Buffer.concat(
            pushes.filter(([who, where]) => who === name && where === from).map(([, , chunk]) => chunk),
          ).toString();
          const got = all()
            .filter(([where, text]) => where === from && text.startsWith(`[${name}] `))
            .map(([, text]) => text.slice(4))
            .join('');
          if (got !== (sent === '' || sent.endsWith('\n') ? sent : `${sent}\n`)) return false;
        }
        return true;
      }),
      { numRuns: 300 },
    ),
  );
  t.end();
});
