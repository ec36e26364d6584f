import t from 'tap';
import { formatGoFieldError } from '../../../src/admission/go-syntax.ts';
import { quote } from '../../../src/base/go-quote.ts';
import { invalid, required } from '../../../src/kube/field-error.ts';

t.test('lists print as Go’s %#v, with the names of their types', t => {
  const texts = [
    [formatGoFieldError(invalid('a', [999, 1], 'no'), '[]int64'), 'a: Invalid value: []int64{999, 1}: no'],
    [formatGoFieldError(invalid('a', [], 'no'), '[]int64'), 'a: Invalid value: []int64{}: no'],
    [formatGoFieldError(invalid('a', undefined, 'no'), '[]int64'), 'a: Invalid value: []int64(nil): no'],
    [
      formatGoFieldError(invalid('a', ['b"c'], 'no'), '[]core.Capability'),
      'a: Invalid value: []core.Capability{"b\\"c"}: no',
    ],
    [
      formatGoFieldError(invalid('a', [{ min: 1, max: 5 }], 'no'), '[]policy.IDRange'),
      'a: Invalid value: []policy.IDRange{policy.IDRange{Min:1, Max:5}}: no',
    ],
  ] as const;
  for (const [found, expected] of texts) t.equal(found, expected);
  t.end();
});

t.test('what is no list prints plainly, and nil as a quoted null', t => {
  t.equal(formatGoFieldError(invalid('a', undefined, 'no')), 'a: Invalid value: "null": no');
  t.equal(formatGoFieldError(invalid('a', 405, 'no')), 'a: Invalid value: 405: no');
  t.equal(formatGoFieldError(invalid('a', false, 'no')), 'a: Invalid value: false: no');
  t.equal(formatGoFieldError(invalid('a', 'x', '')), 'a: Invalid value: "x"');
  t.equal(formatGoFieldError(required('a')), 'a: Required value');
  t.end();
});

t.test('strings are quoted as %q does', t => {
  const texts: readonly (readonly [text: string, quoted: string])[] = [
    ['a\\b', '"a\\\\b"'],
    ['\u0007\b\f\n\r\t\v', '"\\a\\b\\f\\n\\r\\t\\v"'],
    ['\u0000\u001b\u007f', '"\\x00\\x1b\\x7f"'],
    ['é ☺ 日', '"é ☺ 日"'],
    ['\u0080\u00a0\u200b', '"\\u0080\\u00a0\\u200b"'],
    ['\u{e0001}', '"\\U000e0001"'],
  ];
  for (const [text, quoted] of texts) t.equal(quote(text), quoted);
  t.end();
});
