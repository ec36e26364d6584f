import fc from 'fast-check';
import t from 'tap';
import { DEFAULT_DETACH_KEYS, DetachKeys, parseDetachKeys } from '../../../src/cli/detach-keys.ts';
import { parseArguments } from '../../../src/cli/parse.ts';

t.test('the syntax is docker’s and podman’s', t => {
  for (const [text, codes] of [
    [DEFAULT_DETACH_KEYS, [16, 17]],
    ['', []],
    ['a', [97]],
    ['ctrl-@,ctrl-a,ctrl-z', [0, 1, 26]],
    ['ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_', [27, 28, 29, 30, 31]],
    ['DEL,~,-', [127, 126, 45]],
  ] as const)
    t.same(parseDetachKeys(text), codes, text);
  for (const text of ['ctrl-', 'ctrl-P', 'ctrl-1', 'ab', 'a,', ',', 'ctrl-p ctrl-q', 'é', 'del'])
    t.throws(() => parseDetachKeys(text), { message: /invalid detach keys: Unknown character: '/ }, text);
  t.end();
});

t.test('"" on the command line is a value', t => {
  const { args } = parseArguments(['exec', 'pod', '--detach-keys', '', '--', 'sh']) as {
    readonly args: { readonly values: Readonly<Record<string, unknown>> };
  };
  t.equal(args.values['detach-keys'], '');
  t.end();
});

/** What passes of some chunks, and after which of them it detached. */
function type(keys: string, ...chunks: readonly string[]): { passed: string; rest: string; after: number } {
  let after = -1;
  let i = 0;
  const filter = new DetachKeys(parseDetachKeys(keys), () => {
    after = i;
  });
  let passed = '';
  for (; i < chunks.length; i++) passed += filter.push(Buffer.from(chunks[i] ?? '')).toString();
  return { passed, rest: filter.rest().toString(), after };
}

t.test('the keys are taken out, whatever stands around them', t => {
  t.same(type('a,b', 'xab'), { passed: 'x', rest: '', after: 0 });
  t.same(type('a,b', 'xa', 'by'), { passed: 'x', rest: '', after: 1 });
  t.same(type('a,b', 'aab never seen'), { passed: 'a', rest: '', after: 0 });
  t.same(type('a,a,b', 'aaab'), { passed: 'a', rest: '', after: 0 });
  t.same(type('a,b', 'acb', 'a'), { passed: 'acb', rest: 'a', after: -1 }, 'held until the next key');
  t.same(type('', 'ab'), { passed: 'ab', rest: '', after: -1 });
  t.end();
});

t.test('nothing is lost or added while nobody detaches', t => {
  const chunks = fc.array(fc.array(fc.constantFrom('a', 'b', 'c')).map(letters => letters.join('')));
  fc.assert(
    fc.property(chunks, all => {
      const text = all.join('');
      const { passed, rest, after } = type('a,a,b', ...all);
      const found = text.indexOf('aab');
      return found === -1
        ? after === -1 && passed + rest === text
        : passed === text.slice(0, found) && rest === '' && after !== -1;
    }),
  );
  t.end();
});
