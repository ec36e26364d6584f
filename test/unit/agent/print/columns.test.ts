import t from 'tap';
import {
  customCells,
  parseColumnsFile,
  parseCustomColumns,
} from '../../../../src/agent/print/custom-columns.ts';
import { sortBy } from '../../../../src/agent/print/sort-by.ts';

const POD = {
  metadata: { name: 'web', labels: { b: '2', a: '1' } },
  spec: { containers: [{ image: 'x' }, { image: 'y' }], hostNetwork: true },
  nothing: null,
};

t.test('custom columns', t => {
  const spec =
    'NAME:.metadata.name,IMAGES:.spec.containers[*].image,TWO:.spec.containers[0,1].image,NO:.x,HOST:{.spec.hostNetwork}';
  const columns = parseCustomColumns(spec);
  t.same(
    columns.map(({ header }) => header),
    ['NAME', 'IMAGES', 'TWO', 'NO', 'HOST'],
  );
  t.same(customCells(columns, POD), ['web', 'x,y', 'x,y', '<none>', 'true']);
  t.same(customCells(parseCustomColumns('L:metadata.labels,C:.spec.containers,N:.nothing'), POD), [
    'map[a:1 b:2]',
    '[map[image:x] map[image:y]]',
    '<nil>',
  ]);
  t.same(customCells(parseColumnsFile('NAME   IMAGE\n.metadata.name .spec.containers[0].image\n'), POD), [
    'web',
    'x',
  ]);
  const mistakes: readonly (readonly [() => unknown, string])[] = [
    [() => parseCustomColumns(''), 'custom-columns format specified but no custom columns given'],
    [
      () => parseCustomColumns('NAME'),
      'unexpected custom-columns spec: NAME, expected <header>:<json-path-expr>',
    ],
    [() => parseColumnsFile(''), 'custom-columns format specified but no custom columns given'],
    [() => parseColumnsFile('A B\n.a'), "number of headers (2) and field specifications (1) don't match"],
  ];
  for (const [parse, message] of mistakes) t.throws(parse, { name: 'UserError', message });
  t.end();
});

t.test('--sort-by: numbers, quantities, names with numbers', t => {
  const sorted = (values: readonly unknown[]): unknown =>
    sortBy(
      values.map(value => ({ x: value })),
      '.x',
    ).map(({ x }) => x);
  t.same(sorted([10, 9, 1]), [1, 9, 10]);
  t.same(sorted(['web-10', 'web-2', 'web', 'db-3']), ['db-3', 'web', 'web-2', 'web-10']);
  t.same(sorted(['1Gi', '500Mi', '2']), ['2', '500Mi', '1Gi']);
  t.same(sorted(['2026-01-02T00:00:00Z', '2026-01-01T00:00:00Z']), [
    '2026-01-01T00:00:00Z',
    '2026-01-02T00:00:00Z',
  ]);
  t.same(sorted(['a01', 'a1']), ['a01', 'a1']);
  t.same(
    sortBy([{ x: 1 }, {}, { x: 0 }], '{.x}').map(object => JSON.stringify(object)),
    ['{}', '{"x":0}', '{"x":1}'],
  );
  t.same(sortBy([], '.x'), []);
  t.throws(() => sortBy([{}], '.x'), {
    message: `couldn't find any field with path ".x" in the list of objects`,
  });
  t.end();
});
