import t from 'tap';
import { cidrErrors, ipErrors, specialIpErrors } from '../../../src/kube/ip-fields.ts';

const IP = ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'];
const CIDR = ['must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'];

t.test('addresses', t => {
  for (const [text, ...errors] of [
    ['10.1.2.3'],
    ['2001:DB8::1'],
    ['fe80:0:0:0:0:0:0:1'],
    ['010.1.2.3', 'must not have leading 0s'],
    ['1.2.3.00', 'must not have leading 0s'],
    ['::ffff:010.1.2.3', 'must not have leading 0s'],
    ['::ffff:1.2.3.4', 'must not be an IPv4-mapped IPv6 address'],
    ['300.1.2.3', ...IP],
    ['1.2.3', ...IP],
    ['fe80::1%eth0', ...IP],
    ['None', ...IP],
    ['', ...IP],
  ] as const)
    t.same(ipErrors(text), errors, text);
  t.end();
});

t.test('ranges', t => {
  for (const [text, ...errors] of [
    ['10.0.0.0/8'],
    ['0.0.0.0/0'],
    ['2001:db8::/64'],
    ['::/0'],
    ['1.2.3.4/32'],
    ['10.0.0.1/8', 'must not have bits set beyond the prefix length'],
    ['2001:db8::1/64', 'must not have bits set beyond the prefix length'],
    ['010.0.0.0/8', 'must not have leading 0s in IP or prefix length'],
    ['10.0.0.0/08', 'must not have leading 0s in IP or prefix length'],
    ['::ffff:10.0.0.0/104', 'must not have an IPv4-mapped IPv6 address'],
    ['10.0.0.0', ...CIDR],
    ['10.0.0.0/33', ...CIDR],
    ['::/129', ...CIDR],
    ['10.0.0.0/8/8', ...CIDR],
    ['10.0.0.0/-1', ...CIDR],
    ['', ...CIDR],
  ] as const)
    t.same(cidrErrors(text), errors, text);
  t.end();
});

t.test('addresses that mean something else', t => {
  for (const [text, what] of [
    ['0.0.0.0', /unspecified/],
    ['::', /unspecified/],
    ['127.1.2.3', /loopback range/],
    ['::1', /loopback range/],
    ['169.254.1.1', /link-local range/],
    ['fe80::1', /link-local range/],
    ['224.0.0.9', /link-local multicast range/],
    ['ff02::1', /link-local multicast range/],
  ] as const)
    t.match(specialIpErrors(text), [what], text);
  for (const text of ['10.0.0.1', '224.0.1.1', '2001:db8::1']) t.same(specialIpErrors(text), [], text);
  t.end();
});
