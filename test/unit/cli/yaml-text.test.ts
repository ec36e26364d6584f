import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { formatYaml } from '../../../src/cli/yaml-text.ts';

t.test('in the style of the package', t => {
  const values: readonly unknown[] = [
    { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', labels: { app: 'web', 'a.b/c': 'd' } } },
    { spec: { containers: [{ name: 'c', command: ['sleep', '60'], env: [] }], securityContext: {} } },
    { list: [[1, 2], [], {}, { a: [{ b: 1 }] }], flag: true, none: null, text: 'yes', number: '012' },
    [],
    {},
    'text',
    5,
  ];
  for (const value of values) t.equal(formatYaml(value), stringify(value, { version: '1.1' }));
  t.equal(formatYaml({ a: undefined, b: 1 }), 'b: 1\n');
  t.equal(formatYaml({ a: 'two\nlines', '': ' ' }), 'a: "two\\nlines"\n"": " "\n');
  t.end();
});

t.test('what is read back is what was printed, in both versions of YAML', t => {
  const text = fc.oneof(
    fc.string({ maxLength: 8 }),
    fc.constantFrom(
      'y',
      'No',
      'on',
      '1e3',
      'e0',
      'E-12',
      '0x1',
      '.5',
      '~',
      '<<',
      '=',
      '12:30:45',
      '2026-01-01',
      'a: b',
      'a #b',
      '-',
      'a:',
    ),
  );
  const { value } = fc.letrec(tie => ({
    value: fc.oneof(
      { maxDepth: 4 },
      text,
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      tie('list'),
      tie('map'),
    ),
    list: fc.array(tie('value'), { maxLength: 3 }),
    map: fc.dictionary(
      text.filter(key => key !== '__proto__' && key !== '<<'),
      tie('value'),
      { maxKeys: 3, noNullPrototype: true },
    ),
  }));
  fc.assert(
    fc.property(value, value =>
      (['1.1', '1.2'] as const).every(version =>
        isDeepStrictEqual(parse(formatYaml(value), { version }), value),
      ),
    ),
    { numRuns: 500 },
  );
  t.pass('all were');
  t.end();
});
