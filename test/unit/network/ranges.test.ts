import fc from 'fast-check';
import t from 'tap';
import { formatAddress } from '../../../src/base/addresses.ts';
import {
  blockRanges,
  containsAddress,
  formatRange,
  isEverything,
  mergeRanges,
} from '../../../src/network/ranges.ts';

const texts = (cidr: string, ...except: readonly string[]): readonly string[] =>
  blockRanges({ cidr, except }).map(formatRange);

t.test('ipBlocks', t => {
  t.same(texts('10.0.0.0/8'), ['10.0.0.0/8']);
  t.same(texts('10.0.0.0/30', '10.0.0.1/32'), ['10.0.0.0', '10.0.0.2/31']);
  t.same(texts('10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24'), ['10.0.0.0/16', '10.2.0.0-10.255.255.255']);
  t.same(texts('0.0.0.0/0', '0.0.0.0/8', '255.0.0.0/8'), ['1.0.0.0-254.255.255.255']);
  t.same(texts('::/0', '8000::/1'), ['::/1']);
  t.same(
    texts('10.0.0.0/8', '2001:db8::/32'),
    ['10.0.0.0/8'],
    'an exception of the other family takes nothing away',
  );
  t.same(texts('10.0.0.0/8', '10.0.0.0/9', '10.128.0.0/9'), [], 'nothing is left');
  t.ok(isEverything(blockRanges({ cidr: '0.0.0.0/0' })));
  t.ok(isEverything(blockRanges({ cidr: '::/0' })));
  t.notOk(isEverything(blockRanges({ cidr: '0.0.0.0/1' })));
  t.notOk(isEverything([]));
  t.end();
});

t.test('a union has what its parts have, in order, and nothing twice', t => {
  const range = fc.tuple(fc.nat(60), fc.nat(10)).map(([first, length]) => ({
    family: 'IPv4' as const,
    first: BigInt(first),
    last: BigInt(first + length),
  }));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 8 }), ranges => {
      const merged = mergeRanges(ranges);
      for (let value = 0n; value < 80n; value++) {
        const address = formatAddress({ family: 'IPv4', value });
        if (containsAddress(merged, address) !== containsAddress(ranges, address)) throw new Error(address);
      }
      for (const [i, { first }] of merged.entries()) {
        const before = merged[i - 1];
        if (before !== undefined && first <= before.last + 1n) throw new Error('they touch');
      }
    }),
  );
  t.pass('for all of them');
  t.end();
});
