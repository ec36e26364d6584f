import t from 'tap';
import { formatCidr } from '../../../src/network/addresses.ts';
import { DEFAULT_POD_CIDR, parsePodCidr } from '../../../src/network/pod-cidr.ts';

t.test('one range, or one of each family', t => {
  for (const text of [DEFAULT_POD_CIDR, 'fd00::/64', '10.0.0.0/8,fd00::/48', 'fd00::/48,10.0.0.0/30']) {
    const cidrs = parsePodCidr(text);
    if ('error' in cidrs) throw new Error(cidrs.error);
    t.equal(cidrs.map(formatCidr).join(','), text);
  }
  t.end();
});

t.test('what cannot be pods’ addresses, and why', t => {
  for (const [text, error] of [
    ['', '"" is not a range of addresses, as 10.244.0.0/16 is'],
    ['10.244.0.0/16,', '"" is not a range of addresses, as 10.244.0.0/16 is'],
    ['10.244.0.5/16', '"10.244.0.5/16" is not the first address of 10.244.0.0/16'],
    ['10.0.0.0/8,10.0.0.0/9', '"10.0.0.0/8,10.0.0.0/9" has two IPv4 ranges'],
    ['fd00::/64,fd01::/64', '"fd00::/64,fd01::/64" has two IPv6 ranges'],
    ['127.0.0.0/24', '"127.0.0.0/24" has addresses of 127.0.0.0/8: loopback'],
    ['0.0.0.0/0', '"0.0.0.0/0" has addresses of 0.0.0.0/8: "this network"'],
    ['169.254.1.0/24', '"169.254.1.0/24" has addresses of 169.254.0.0/16: link-local'],
    ['240.0.0.0/8', '"240.0.0.0/8" has addresses of 224.0.0.0/3: multicast, and what is above it'],
    ['::/0', '"::/0" has addresses of ::/8: unspecified, loopback and IPv4 in IPv6'],
    ['10.100.0.0/16', '"10.100.0.0/16" has addresses of 10.96.0.0/12: Services'],
    ['fe80::/64', '"fe80::/64" has addresses of fe80::/10: link-local'],
    ['10.0.0.0/8,ff00::/16', '"ff00::/16" has addresses of ff00::/8: multicast'],
  ] as const)
    t.strictSame(parsePodCidr(text), { error }, text);
  t.end();
});
