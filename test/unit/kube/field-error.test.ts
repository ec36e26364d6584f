import t from 'tap';
import * as errors from '../../../src/kube/field-error.ts';

const { formatFieldError, formatInvalid } = errors;

t.test('each type in the words of the API server', t => {
  const texts = [
    [errors.required('a'), 'a: Required value'],
    [errors.required('a', 'because'), 'a: Required value: because'],
    [errors.invalid('a', 'x"y', 'no'), 'a: Invalid value: "x\\"y": no'],
    [errors.invalid('a', true, 'no'), 'a: Invalid value: true: no'],
    [errors.invalid('a', [999], 'no'), 'a: Invalid value: [999]: no'],
    [errors.invalid('a', undefined, 'no'), 'a: Invalid value: null: no'],
    [errors.notSupported('a', 'x', ['B', 'A']), 'a: Unsupported value: "x": supported values: "A", "B"'],
    [errors.forbidden('a', 'no'), 'a: Forbidden: no'],
    [errors.duplicate('a', 'x'), 'a: Duplicate value: "x"'],
    [errors.notFound('a', 'x'), 'a: Not found: "x"'],
    [errors.tooLong('a', 5), 'a: Too long: may not be more than 5 bytes'],
  ] as const;
  for (const [error, text] of texts) t.equal(formatFieldError(error), text);
  t.end();
});

t.test('kubectl: one cause on the line, several below it, none twice', t => {
  const [a, b] = [errors.required('a'), errors.required('b')];
  t.equal(formatInvalid('Pod', 'p', [a].map(formatFieldError)), 'The Pod "p" is invalid: a: Required value');
  t.equal(
    formatInvalid('Pod', 'p', [a, a].map(formatFieldError)),
    'The Pod "p" is invalid: a: Required value',
  );
  t.equal(
    formatInvalid('Pod', 'p', [a, b, a].map(formatFieldError)),
    'The Pod "p" is invalid: \n* a: Required value\n* b: Required value',
  );
  t.end();
});
