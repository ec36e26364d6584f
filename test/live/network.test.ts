import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import t from 'tap';
import type { NetworkPod } from '../../src/network/state.ts';
import type { NodeRecord } from '../../src/runtime/node-registry.ts';
import { leftovers, needsRoot, podspace, probe, probePod, runPod, STAY, start } from './harness.ts';
import { hello, ip, noPodLinks, outside, podLinks, podRoutes } from './node.ts';

const BOTH = '10.244.0.0/16,fd00:10:244::/64';
/** Runs until it is told to end. */
const shell = (script: string, spec: object = {}, container: object = {}) =>
  probePod(spec, { image: 'localhost/busybox', command: ['sh', '-c', script], ...container });
/** What a pod's shell printed. */
function output(script: string, spec: object, ...args: readonly string[]): string {
  const { containers, stderr, message } = runPod(shell(script, spec), ...args);
  const [first] = containers;
  if (first?.exitCode !== 0) throw new Error(`${message} ${stderr} ${first?.stdout} ${first?.stderr}`);
  return first.stdout;
}
const list = (items: readonly object[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
const record = (): NetworkPod => {
  const directory = '/run/podspace/network/pods';
  const [file = ''] = readdirSync(directory).filter(name => name.endsWith('.json'));
  return (JSON.parse(readFileSync(`${directory}/${file}`, 'utf8')) as NodeRecord).pod;
};

t.beforeEach(async () => {
  await noPodLinks();
});

const SPECS: readonly object[] = [{}, { hostUsers: false }, { shareProcessNamespace: true }];
for (const spec of SPECS) {
  t.test(`a pod's address, ${JSON.stringify(spec)}`, { skip: needsRoot }, async t => {
    const script = `ip -o addr; ip route; ip neigh; cat /sys/class/net/eth0/address; tail -1 /etc/hosts; hostname -i
      ping -c1 -W1 169.254.1.1 >/dev/null && echo the node answers`;
    const text = output(script, spec);
    t.match(text, 'inet 10.244.0.1/32 scope global eth0');
    t.match(text, 'inet 127.0.0.1/8 scope host lo');
    t.notMatch(text, /inet6 (?!::1)/, 'no link-local address');
    t.match(text, 'default via 169.254.1.1 dev eth0 onlink');
    t.match(text, /169\.254\.1\.1 dev eth0 lladdr 02(:[0-9a-f]{2}){5}.* PERMANENT/);
    t.match(text, /^06(:[0-9a-f]{2}){5}$/m);
    t.match(text, /^10\.244\.0\.1\ttest-\d+-\d+$/m, '/etc/hosts');
    t.match(text, /^10\.244\.0\.1$/m, 'what its own name is');
    t.match(text, 'the node answers');
    t.equal(podRoutes(), '');
    t.same(await noPodLinks(), []);
    t.same(leftovers(), []);
  });
}

t.test('the address is in the environment, and both are', { skip: needsRoot }, t => {
  const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  const env = [field('ONE', 'status.podIP'), field('ALL', 'status.podIPs')];
  const script = 'echo $ONE; echo $ALL; tail -2 /etc/hosts | cut -f1';
  const [container] = runPod(shell(script, {}, { env }), '--pod-cidr', BOTH).containers;
  t.equal(
    container?.stdout,
    '10.244.0.1\n10.244.0.1,fd00:10:244::1\n10.244.0.1\nfd00:10:244::1\n',
    `${container?.stderr}`,
  );
  const reversed = runPod(shell('echo $ONE', {}, { env }), '--pod-cidr', 'fd00:10:244::/64,10.0.0.0/8');
  t.equal(reversed.containers[0]?.stdout, 'fd00:10:244::1\n', 'the first range counts');
  t.end();
});

for (const [title, cidr, gateway, any] of [
  ['IPv4', '10.244.0.0/16', '169.254.1.1', '0.0.0.0'],
  ['IPv6', 'fd00:10:244::/64', 'fe80::1%eth0', '::'],
] as const) {
  t.test(`two pods and a node that has just lo, by ${title}`, { skip: needsRoot }, async t => {
    const serve = 'while true; do echo "pod $HOSTNAME" | nc -l -p 80; done & trap "exit 0" TERM; wait';
    const server = start(['run', '-', '--pod-cidr', cidr], JSON.stringify(shell(`echo ready; ${serve}`)));
    await server.waitFor('ready');
    const [address = ''] = record().ips;
    t.same(podRoutes().match(/^\S+/gm), [address]);
    t.match(
      output(`ping -c1 -W2 ${address}; nc ${address} 80 < /dev/null`, {}, '--pod-cidr', cidr),
      'pod test-',
    );
    const said = await new Promise((done, failed) => {
      const socket = connect(80, address, () => socket.end());
      socket.setTimeout(5000, () => failed(new Error('no answer')));
      socket.on('error', failed).on('data', data => done(String(data)));
    });
    t.match(said, 'pod test-', 'from the node to a pod');
    const node = await hello(any, 8080);
    // Not output(): nobody would answer meanwhile.
    const asking = start(
      ['run', '-', '--pod-cidr', cidr],
      JSON.stringify(shell(`nc ${gateway} 8080 </dev/null`)),
    );
    await asking.ended;
    t.match(asking.output(), /^hello (::ffff:)?(10\.244\.0\.\d|fd00:10:244::\d)\n/, 'from a pod to the node');
    node.close();
    server.child.kill('SIGTERM');
    await server.ended;
    t.same(await noPodLinks(), []);
  });
}

t.test('only what is configured is there: IPv6 on the node’s end', { skip: needsRoot }, async t => {
  for (const [cidr, disabled] of [
    ['10.244.0.0/16', '1\n'],
    [BOTH, '0\n'],
  ] as const) {
    const running = start(['run', '-', '--pod-cidr', cidr], JSON.stringify(shell(STAY)));
    await running.waitFor('ready');
    const [link = ''] = podLinks();
    const read = (file: string): string => readFileSync(`/proc/sys/net/${file.replace('psX', link)}`, 'utf8');
    t.equal(read('ipv6/conf/psX/disable_ipv6'), disabled);
    if (disabled === '0\n')
      t.equal(read('ipv6/conf/psX/accept_ra'), '0\n', 'a pod is no router of the node’s');
    t.equal(read('ipv4/conf/psX/rp_filter'), '1\n');
    t.equal(read('ipv4/conf/psX/accept_redirects'), '0\n');
    t.equal(read('ipv4/conf/psX/route_localnet'), '1\n', 'for the cluster’s DNS');
    t.equal(read('ipv4/conf/psX/forwarding'), '1\n');
    t.equal(read('ipv4/ip_forward'), '1\n');
    running.child.kill('SIGKILL');
    await running.ended;
    podspace(['gc']);
    t.same(await noPodLinks(), []);
  }
});

t.test('a router of IPv6 still listens to routers', { skip: needsRoot }, async t => {
  const forwarding = '/proc/sys/net/ipv6/conf/all/forwarding';
  writeFileSync(forwarding, '0');
  writeFileSync('/proc/sys/net/ipv6/conf/default/accept_ra', '1');
  const host = await outside();
  const acceptRa = (): string => readFileSync('/proc/sys/net/ipv6/conf/up0/accept_ra', 'utf8');
  t.equal(acceptRa(), '1\n');
  output('true', {}, '--pod-cidr', BOTH);
  t.equal(readFileSync(forwarding, 'utf8'), '1\n');
  t.equal(acceptRa(), '2\n');
  await host.close();
});

t.test('a pod cannot speak with an address that is not its own', { skip: needsRoot }, t => {
  // The node has a way back, so that only the address is wrong.
  ip('route', 'add', '10.9.9.9/32', 'dev', 'lo');
  const script = `ip addr add 10.9.9.9/32 dev eth0
    ping -c1 -W1 -I 10.244.0.1 169.254.1.1 >/dev/null && echo own
    ping -c1 -W1 -I 10.9.9.9 169.254.1.1 >/dev/null || echo another`;
  const container = { securityContext: { capabilities: { add: ['NET_ADMIN'] } } };
  const result = runPod(shell(script, {}, container)).containers[0];
  t.equal(result?.stdout, 'own\nanother\n', `${result?.stderr}`);
  ip('route', 'del', '10.9.9.9/32', 'dev', 'lo');
  t.end();
});

t.test(
  'links carry what the way out carries, and pods reach beyond the node',
  { skip: needsRoot },
  async t => {
    const host = await outside(1400);
    t.teardown(() => host.close());
    // The host knows the way back, so that no translation of addresses is needed.
    const script = `cat /sys/class/net/eth0/mtu; ip -o link show eth0 | grep -o 'mtu [0-9]*'
    ping -c1 -W2 198.18.0.2 >/dev/null && echo beyond
    ping -c1 -W2 -s 1372 198.18.0.2 >/dev/null && echo full`;
    t.equal(output(script, {}).replace(/^\d+\n/, ''), 'mtu 1400\nbeyond\nfull\n');
  },
);

t.test('what inspect shows is what the kernel says', { skip: needsRoot }, async t => {
  const pod = shell(STAY);
  const running = start(['run', '-', '--pod-cidr', BOTH], JSON.stringify(pod));
  await running.waitFor('ready');
  for (let i = 0; i < 100 && !podspace(['ps']).stdout.includes(pod.metadata.name); i++);
  const { name } = pod.metadata;
  const { interfaces } = JSON.parse(podspace(['inspect', name, '-o', 'json']).stdout) as {
    interfaces: { name: string; mtu: number; addresses: string[] }[];
  };
  t.match(interfaces, [
    { name: 'lo', addresses: ['127.0.0.1/8', '::1/128'] },
    { name: 'eth0', mtu: 1500, addresses: ['10.244.0.1/32', 'fd00:10:244::1/128'] },
  ]);
  t.match(podspace(['inspect', name]).stdout, /^eth0 +06:\S+ +1500 +10\.244\.0\.1\/32 fd00:10:244::1\/128$/m);
  t.match(record(), { name, ips: ['10.244.0.1', 'fd00:10:244::1'], hostNetwork: false, ready: true });
  running.child.kill('SIGTERM');
  await running.ended;
});

t.test('a pod waits for a host port that another one has, and both are named', { skip: needsRoot }, t => {
  const ports = [{ containerPort: 80, hostPort: 8088 }];
  const [one, other] = [1, 2].map(() => shell('sleep 0.3', {}, { ports }));
  if (one === undefined || other === undefined) throw new Error('no pods');
  const { status, stderr } = podspace(['run', '-'], list([one, other]));
  t.equal(status, 0, stderr);
  const [, waiting, holder] =
    /^Warning: pod default\/(\S+) is Pending until host port TCP 8088 is free: pod default\/(\S+) has it\. /m.exec(
      stderr,
    ) ?? [];
  t.same([waiting, holder].sort(), [one, other].map(({ metadata }) => metadata.name).sort(), stderr);
  t.end();
});

t.test('--network=none: just lo', { skip: needsRoot }, t => {
  t.equal(output('ip -o link | wc -l; tail -1 /etc/hosts | cut -f1', {}, '--network=none'), '1\n127.0.0.1\n');
  t.same(podLinks(), []);
  t.same(leftovers(), []);
  t.end();
});

t.test('hostNetwork: the node’s own', { skip: needsRoot }, async t => {
  const running = start(['run', '-'], JSON.stringify(shell(`ip -o link; ${STAY}`, { hostNetwork: true })));
  await running.waitFor('ready');
  t.notMatch(running.output(), 'eth0');
  t.match(record(), { hostNetwork: true, ips: ['127.0.0.1'] });
  running.child.kill('SIGTERM');
  await running.ended;
});

t.test('a hundred pods of five commands at once', { skip: needsRoot }, async t => {
  const count = 20;
  const commands = Array.from({ length: 5 }, () => {
    const pods = Array.from({ length: count }, () =>
      shell('echo "address $(hostname -i)"; trap "exit 0" TERM; sleep 1000 & wait'),
    );
    return start(['run', '-'], list(pods));
  });
  const addresses = (): readonly string[] =>
    commands.flatMap(({ output }) => [...output().matchAll(/address (\S+)/g)].map(match => match[1] ?? ''));
  for (let i = 0; i < 1500 && addresses().length < 5 * count; i++)
    await new Promise(done => setTimeout(done, 20));
  t.equal(addresses().length, 5 * count);
  t.equal(new Set(addresses()).size, 5 * count, 'no address twice');
  t.equal(podLinks().length, 5 * count);
  const ping = addresses().map(address => `ping -c1 -W5 ${address} >/dev/null && echo ${address}`);
  t.same(
    output(`${ping.join('\n')}; true`, {})
      .trim()
      .split('\n')
      .sort(),
    [...addresses()].sort(),
  );
  for (const { child } of commands) child.kill('SIGTERM');
  t.same(await Promise.all(commands.map(({ ended }) => ended)), [0, 0, 0, 0, 0]);
  t.same(await noPodLinks(), []);
  t.equal(podRoutes(), '');
  t.same(leftovers(), []);
});

t.test('kill -9 leaves nothing that gc does not remove', { skip: needsRoot }, async t => {
  const running = start(['run', '-'], JSON.stringify(shell(STAY)));
  await running.waitFor('ready');
  running.child.kill('SIGKILL');
  await running.ended;
  t.same(
    readdirSync('/run/podspace/network/leases').filter(name => !name.startsWith('.')),
    ['10.244.0.1'],
  );
  t.match(output('hostname -i', {}), '10.244.0.2', 'its address rests until then');
  t.equal(podspace(['gc']).status, 0);
  t.same(await noPodLinks(), []);
  t.same(leftovers(), []);
});

t.test('gc removes rules that nobody knows of any more', { skip: needsRoot }, t => {
  const nft = (commands: string) => spawnSync('nft', ['-f', '-'], { input: commands, encoding: 'utf8' });
  t.equal(nft('add table inet podspace; add chain inet podspace made-by-podspace').status, 0);
  t.equal(podspace(['gc']).status, 0);
  t.equal(nft('list table inet podspace').status, 1);
  t.end();
});

t.test('gc removes a link whose namespace somebody else holds', { skip: needsRoot }, async t => {
  const pod = shell(STAY);
  const running = start(['run', '-'], JSON.stringify(pod));
  await running.waitFor('ready');
  const [uid = ''] = readdirSync('/run/podspace/pods');
  const holder = spawnSync('sh', [
    '-c',
    `nsenter --net=/run/podspace/pods/${uid}/ns/network sleep 1000 >/dev/null 2>&1 & echo $!`,
  ]);
  await new Promise(done => setTimeout(done, 200));
  running.child.kill('SIGKILL');
  await running.ended;
  await new Promise(done => setTimeout(done, 300));
  t.equal(podLinks().length, 1, 'it is still there');
  t.match(podspace(['gc']).stdout, uid);
  t.same(podLinks(), []);
  process.kill(Number(String(holder.stdout)), 'SIGKILL');
  t.same(leftovers(), []);
});

t.test('a range that is used up', { skip: needsRoot }, async t => {
  const pods = Array.from({ length: 3 }, () => shell(STAY));
  const running = start(['run', '-', '--pod-cidr', '10.1.0.0/30', '--timeout', '5s'], list(pods));
  await running.ended;
  t.match(
    running.output(),
    /error: pod "test-\d+-\d+": FailedCreatePodSandBox: Failed to create pod sandbox: failed to setup network for sandbox "[0-9a-f-]{36}": no IP addresses available in range set: 10\.1\.0\.1-10\.1\.0\.2\n/,
  );
  t.equal(running.output().match(/ready/g)?.length, 2, 'the others run');
  t.same(leftovers(), []);
});

t.test('a range that is none', { skip: needsRoot }, t => {
  for (const [value, message] of [
    ['10.244.0.0', '"10.244.0.0" is not a range of addresses, as 10.244.0.0/16 is'],
    ['10.244.0.1/16', '"10.244.0.1/16" is not the first address of 10.244.0.0/16'],
    ['127.0.0.0/8', '"127.0.0.0/8" has addresses of 127.0.0.0/8: loopback'],
    ['10.0.0.0/8,10.1.0.0/16', '"10.0.0.0/8,10.1.0.0/16" has two IPv4 ranges'],
  ]) {
    const { status, stderr } = podspace(['run', '-', `--pod-cidr=${value}`], JSON.stringify(shell('true')));
    t.equal(status, 1);
    t.equal(
      stderr,
      `error: option --pod-cidr: ${message}\nhint: 10.244.0.0/16 for example, or with IPv6 10.244.0.0/16,fd00:10:244::/64\n`,
    );
  }
  t.end();
});

t.test('an address that the node has another use for', { skip: needsRoot }, async t => {
  const host = await outside();
  t.teardown(() => host.close());
  const refusal = (): string => {
    const { reason, message } = runPod(shell('true'));
    t.equal(reason, 'FailedCreatePodSandBox');
    t.same(leftovers(), []);
    return message ?? '';
  };
  ip('addr', 'add', '10.244.0.1/32', 'dev', 'up0');
  t.match(refusal(), "10.244.0.1 cannot be a pod's address: it is the node’s own; choose another --pod-cidr");
  ip('addr', 'del', '10.244.0.1/32', 'dev', 'up0');
  ip('route', 'add', '10.244.0.1/32', 'dev', 'up0');
  t.match(refusal(), 'the node has a route to it');
  ip('route', 'del', '10.244.0.1/32', 'dev', 'up0');
  ip('addr', 'add', '10.244.0.9/24', 'dev', 'up0');
  t.match(refusal(), 'the node is in the network 10.244.0.0/24, which is in 10.244.0.0/16');
  ip('addr', 'del', '10.244.0.9/24', 'dev', 'up0');
  ip('route', 'add', '10.0.0.0/8', 'via', '198.18.0.2');
  t.match(output('hostname -i', {}), '10.244.0.1', 'a way to a wider range is none');
});

t.test('--trace shows the messages, and compile what they would be', { skip: needsRoot }, t => {
  const pod = shell('true');
  const { stderr } = podspace(['run', '--trace', '-'], JSON.stringify(pod));
  t.match(
    stderr,
    /^--- test-\S+ \(network, node\): 2 messages, \d+ µs ---\nlink add ps[0-9a-f]{11} .* netns fd \d+ = 0$/m,
  );
  t.match(stderr, /^route add default via 169\.254\.1\.1 dev eth0 onlink proto 112 = 0$/m);
  const compiled = podspace(['compile', '-'], JSON.stringify(pod)).stdout;
  t.match(compiled, `## ${pod.metadata.name} (network): rtnetlink(7)\nnode: link add ps00000000000 `);
  t.notMatch(podspace(['compile', '-', '--network=none'], JSON.stringify(pod)).stdout, 'NETLINK');
  t.end();
});

t.test('a probe of the interfaces', { skip: needsRoot }, t => {
  t.same(Object.keys(probe().interfaces).sort(), ['eth0', 'lo']);
  t.end();
});

t.teardown(async () => {
  if (needsRoot === false) await noPodLinks();
});
