import t from 'tap';
import { describeWiring, nodeSysctls } from '../../../src/network/pod-wiring.ts';

const uid = '0123abcd-4567-489a-bcde-f0123456789a';

t.test('a pod with an address of each family', t => {
  const plan = { uid, addresses: ['10.244.0.5', 'fd00::5'], mtu: 1400, hasIPv6: true };
  t.equal(
    describeWiring(plan),
    `node: link add ps0123abcd456 address 02:12:34:56:78:9a mtu 1400 type veth peer eth0 address 06:12:34:56:78:9a mtu 1400 netns pod
node: link show dev ps0123abcd456
node: sysctl net.ipv6.conf.ps0123abcd456.disable_ipv6=0
node: sysctl net.ipv6.conf.ps0123abcd456.accept_ra=0
node: sysctl net.ipv6.conf.ps0123abcd456.accept_redirects=0
node: link set dev ps0123abcd456 addrgenmode none forwarding 1 accept_redirects 0 rp_filter 1
node: link set dev ps0123abcd456 up
node: addr add 169.254.1.1/32 dev ps0123abcd456 scope link
node: neigh replace 10.244.0.5 lladdr 06:12:34:56:78:9a dev ps0123abcd456 nud permanent
node: route replace 10.244.0.5/32 dev ps0123abcd456 scope link proto 112
node: addr add fe80::1/128 dev ps0123abcd456 scope link nodad
node: neigh replace fd00::5 lladdr 06:12:34:56:78:9a dev ps0123abcd456 nud permanent
node: route replace fd00::5/128 dev ps0123abcd456 proto 112
pod:  link set dev eth0 addrgenmode none
pod:  link set dev eth0 up
pod:  addr add 10.244.0.5/32 dev eth0
pod:  neigh replace 169.254.1.1 lladdr 02:12:34:56:78:9a dev eth0 nud permanent
pod:  route add default via 169.254.1.1 dev eth0 onlink proto 112
pod:  addr add fd00::5/128 dev eth0 nodad
pod:  neigh replace fe80::1 lladdr 02:12:34:56:78:9a dev eth0 nud permanent
pod:  route add default via fe80::1 dev eth0 onlink proto 112
pod:  link show dev eth0
`,
  );
  t.end();
});

t.test('a kernel without IPv6 is not asked for any of it', t => {
  const plan = { uid, addresses: ['10.244.0.5'], mtu: 1500, hasIPv6: false };
  t.strictSame(nodeSysctls(plan), {});
  t.notMatch(describeWiring(plan), /addrgenmode|ipv6/);
  t.end();
});

t.test('without an IPv6 address there is no IPv6 on the node’s end', t => {
  const plan = { uid, addresses: ['10.244.0.5'], mtu: 1500, hasIPv6: true };
  t.strictSame(nodeSysctls(plan), { 'net.ipv6.conf.ps0123abcd456.disable_ipv6': '1' });
  t.end();
});
