import fc from 'fast-check';
import t from 'tap';
import { canonicalAddress, formatAddress, parseAddress, parseCidr } from '../../../src/base/addresses.ts';

t.test('texts', t => {
  for (const [text, canonical] of [
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['10.244.0.1', '10.244.0.1'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['FD00:0:0:0::1', 'fd00::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['0:0:0:0:0:0:0:10', '::10'],
    ['10:0:0:0:0:0:0:0', '10::'],
    ['::ffff:1.2.3.4', '::ffff:102:304'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
  ] as const)
    t.equal(canonicalAddress(text), canonical, text);
  for (const text of [
    ...['', '1.2.3', '1.2.3.4.5', '01.2.3.4', '256.0.0.0', '1.2.3.x', ' 1.2.3.4'],
    ...[
      ':',
      ':::',
      '1::2::3',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '12345::',
      'g::',
      'fe80::1%eth0',
      '1:2:3:4:5:6:7::8',
    ],
    ...['::1.2.3.4:5', '1.2.3.4::', '::1.2.3', '1:2:3:4:5:6:7:1.2.3.4'],
  ])
    t.equal(canonicalAddress(text), undefined, text);
  t.end();
});

t.test('there and back', t => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 128n - 1n), fc.bigInt(0n, 128n), (bits, shift) => {
      const value = bits >> shift;
      for (const address of [
        { family: 'IPv6', value },
        { family: 'IPv4', value: value & 0xffffffffn },
      ] as const) {
        const text = formatAddress(address);
        const back = parseAddress(text);
        if (back?.family !== address.family || back.value !== address.value) throw new Error(text);
      }
    }),
  );
  t.pass('for all of them');
  t.end();
});

t.test('ranges', t => {
  t.match(parseCidr('10.1.2.3/8'), {
    family: 'IPv4',
    first: 0x0a000000n,
    last: 0x0affffffn,
    prefixLength: 8,
    isNetwork: false,
  });
  t.match(parseCidr('10.0.0.0/8'), { isNetwork: true });
  t.match(parseCidr('::/0'), { family: 'IPv6', first: 0n, last: 2n ** 128n - 1n });
  t.match(parseCidr('1.2.3.4/32'), { first: 0x01020304n, last: 0x01020304n });
  for (const text of [
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/08',
    '10.0.0.0/8/8',
    '/8',
    'x/8',
  ])
    t.equal(parseCidr(text), undefined, text);
  t.end();
});
