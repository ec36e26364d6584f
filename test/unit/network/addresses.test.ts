import { equal, ok } from 'node:assert/strict';
import { isIP } from 'node:net';
import fc from 'fast-check';
import t from 'tap';
import { type Cidr, familyOf, formatAddress, parseAddress, parseCidr } from '../../../src/base/addresses.ts';
import {
  addressBytes,
  addressOfBytes,
  contains,
  formatCidr,
  hostPrefix,
  usable,
} from '../../../src/network/addresses.ts';

/** The URL standard has the same canonical text, RFC 5952 but for one thing: it writes IPv4 in IPv6 as hexadecimal, as we do. */
const canonical = (address: string): string =>
  isIP(address) === 4 ? address : new URL(`http://[${address}]`).hostname.slice(1, -1);

const reformat = (text: string): string | undefined => {
  const parsed = parseAddress(text);
  return parsed === undefined ? undefined : formatAddress(parsed);
};

const ipv4 = fc.ipV4();
const ipv6 = fc.ipV6();

t.test('as Node and the URL standard have it', t => {
  fc.assert(
    fc.property(fc.oneof(ipv4, ipv6), address => {
      equal(reformat(address), canonical(address));
      equal(hostPrefix(address), isIP(address) === 4 ? 32 : 128);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'0123456789abf:.') }), text => {
      equal(parseAddress(text) !== undefined, isIP(text) !== 0, text);
    }),
    { numRuns: 2000 },
  );
  t.pass('any text');
  t.end();
});

t.test('bytes and text are the same address', t => {
  t.strictSame(addressBytes('10.244.0.1'), Uint8Array.of(10, 244, 0, 1));
  t.equal(addressBytes('fd00::1').length, 16);
  fc.assert(
    fc.property(fc.oneof(ipv4, ipv6), address => {
      equal(addressOfBytes(addressBytes(address)), reformat(address));
    }),
  );
  t.throws(() => addressBytes('1.2.3'), /bug/);
  t.end();
});

const cidrOf = (text: string): Cidr => {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new Error(text);
  return cidr;
};

t.test('ranges', t => {
  for (const text of ['10.244.0.0/16', '0.0.0.0/0', '10.0.0.1/32', 'fd00::/64', '::/0', 'fd00::1/128'])
    t.equal(formatCidr(cidrOf(text)), text);
  t.end();
});

t.test('which addresses of a range a pod may have', t => {
  for (const [text, first, last] of [
    ['10.244.0.0/16', '10.244.0.1', '10.244.255.254'],
    ['10.0.0.0/30', '10.0.0.1', '10.0.0.2'],
    ['10.0.0.0/31', '10.0.0.0', '10.0.0.1'],
    ['10.0.0.7/32', '10.0.0.7', '10.0.0.7'],
    ['fd00::/64', 'fd00::1', 'fd00::ffff:ffff:ffff:ffff'],
    ['fd00::8/127', 'fd00::8', 'fd00::9'],
  ] as const) {
    const { family } = cidrOf(text);
    const range = usable(cidrOf(text));
    t.strictSame(
      [range.first, range.last].map(value => formatAddress({ family, value })),
      [first, last],
    );
  }
  t.end();
});

t.test('what is in a range', t => {
  fc.assert(
    fc.property(fc.oneof(ipv4, ipv6), fc.nat(128), fc.oneof(ipv4, ipv6), (address, length, other) => {
      const bits = hostPrefix(address);
      const prefixLength = Math.min(length, bits);
      const shift = BigInt(bits - prefixLength);
      const prefixOf = (text: string): bigint => (parseAddress(text)?.value ?? 0n) >> shift;
      const network = formatAddress({ family: familyOf(address), value: prefixOf(address) << shift });
      const cidr = cidrOf(`${network}/${prefixLength}`);
      ok(contains(cidr, address));
      equal(contains(cidr, other), familyOf(other) === cidr.family && prefixOf(other) === prefixOf(address));
    }),
  );
  t.pass('any range');
  t.end();
});
