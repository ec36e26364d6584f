import fc from 'fast-check';
import t from 'tap';
import { parseQuantity } from '../../../src/kube/quantity.ts';
import { exactQuantity, formatQuantity } from '../../../src/kube/quantity-order.ts';

t.test('whole units, rounded up', t => {
  const cases = {
    '64Mi': 67_108_864n,
    '1k': 1000n,
    '0.5': 1n,
    '100m': 1n,
    '1500m': 2n,
    '1e3': 1000n,
    '1E': 10n ** 18n,
    '.5Ki': 512n,
    '-1': -1n,
    '+2': 2n,
    '0': 0n,
  };
  for (const [text, value] of Object.entries(cases)) t.equal(parseQuantity(text), value, text);
  t.equal(parseQuantity(3), 3n);
  t.end();
});

t.test('what is none', t => {
  for (const text of [
    '',
    '.',
    'Mi',
    '1MB',
    '1 Mi',
    '0x10',
    '1e',
    '--1',
    '1_000',
    '1e1000',
    'NaN',
    'Infinity',
  ]) {
    t.equal(parseQuantity(text), undefined, text);
    t.equal(exactQuantity(text), undefined, text);
  }
  t.end();
});

t.test('printed as the API server prints them', t => {
  const cases = {
    '1000m': '1',
    '0.2': '200m',
    '1024Mi': '1Gi',
    '1536Mi': '1536Mi',
    '1.5Gi': '1536Mi',
    '1000k': '1M',
    '1e3': '1e3',
    '12e2': '1200',
    '0': '0',
    '0Mi': '0',
    '1n': '1n',
    '-500m': '-500m',
    '0.0000000001': '1n',
  };
  for (const [text, printed] of Object.entries(cases)) {
    const quantity = exactQuantity(text);
    t.ok(quantity, text);
    if (quantity !== undefined) t.equal(formatQuantity(quantity), printed, text);
  }
  t.end();
});

t.test('what is printed means the same', t => {
  const suffix = fc.constantFrom('', 'n', 'u', 'm', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi', 'e3', 'e-3', 'E2');
  const text = fc
    .tuple(fc.integer({ min: -1e9, max: 1e9 }), suffix)
    .map(([number, unit]) => `${number}${unit}`);
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(text, quantity => {
        const exact = exactQuantity(quantity);
        return exact !== undefined && exactQuantity(formatQuantity(exact))?.nanos === exact.nanos;
      }),
      { numRuns: 1000 },
    ),
  );
  t.end();
});
