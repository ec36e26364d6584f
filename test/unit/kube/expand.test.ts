import fc from 'fast-check';
import t from 'tap';
import { expand } from '../../../src/kube/expand.ts';

const VARIABLES: Readonly<Record<string, string>> = { A: 'a', B: '$(A)', '': 'empty', 'x y': 'spaced' };
const lookup = (name: string) => (Object.hasOwn(VARIABLES, name) ? VARIABLES[name] : undefined);

t.test('as Kubernetes has it', t => {
  const cases = {
    '$(A)': 'a',
    '$(B)': '$(A)',
    '$$(A)': '$(A)',
    '$$$(A)': '$a',
    '$$$$(A)': '$$(A)',
    '$(NONE)': '$(NONE)',
    '$(A': '$(A',
    $A: '$A',
    $: '$',
    a$: 'a$',
    '$()': 'empty',
    '$(x y)': 'spaced',
    '$($(A)': '$($(A)',
    '$(A)$(A)': 'aa',
    '': '',
    '$x$(A)': '$xa',
  };
  for (const [text, expected] of Object.entries(cases)) t.equal(expand(text, lookup), expected, text);
  t.end();
});

/** The rule said another way: one character after the other. */
function slowly(text: string): string {
  let result = '';
  for (let i = 0; i < text.length; i++) {
    const end = text.indexOf(')', i);
    if (text[i] !== '$') result += text[i];
    else if (text[i + 1] === '$') {
      result += '$';
      i++;
    } else if (text[i + 1] === '(' && end > 0) {
      const name = text.slice(i + 2, end);
      result += lookup(name) ?? `$(${name})`;
      i = end;
    } else result += '$';
  }
  return result;
}

t.test('any text', t => {
  const text = fc.array(fc.constantFrom('$', '(', ')', 'A', 'B', 'x y', '\n'), { maxLength: 12 });
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(text, parts => expand(parts.join(''), lookup) === slowly(parts.join(''))),
      { numRuns: 2000 },
    ),
  );
  t.end();
});
