import { readFileSync } from 'node:fs';
import t from 'tap';
import type { ServiceSpec } from '../../../src/kube/types.generated.ts';
import { allocateServices } from '../../../src/network/allocate-services.ts';
import { applyState } from '../../../src/network/apply.ts';
import type { NetworkPod, NetworkPort, NodeState, Protocol } from '../../../src/network/state.ts';
import { nodeOf, podAt, policyOf, serviceOf } from '../../unit/network/nodes.ts';
import { needsRoot } from '../harness.ts';
import { type Agent, ip, isOk, Lab, nft } from './lab.ts';
import { needsNetwork } from './needs-network.ts';

const CIDRS = ['10.96.0.0/12', 'fd00:10:96::/112'];
const DNS = '10.96.0.10';
const GATEWAY = '169.254.1.1';

const web = (containerPort: number, protocol: Protocol = 'TCP'): NetworkPort => ({
  name: 'web',
  containerPort,
  protocol,
});
const pod = (name: string, last: number, app: string, fields: Partial<NetworkPod> = {}): NetworkPod =>
  podAt(`x/${name}`, `10.244.0.${last}`, {
    ips: [`10.244.0.${last}`, `fd00:10:244::${last}`],
    labels: { app },
    ...fields,
  });

/** The target port "web" is another one at each. */
const one = pod('one', 2, 'web', { ports: [web(80), web(80, 'UDP')] });
const two = pod('two', 3, 'web', { ports: [web(81), web(81, 'UDP')] });
const unready = pod('unready', 4, 'web', { ports: [web(80)], ready: false });
const client = pod('client', 5, 'client');
const PODS = [one, two, unready, client];

const spec = (fields: Partial<ServiceSpec>): ServiceSpec => ({
  selector: { app: 'web' },
  ports: [{ port: 8000, targetPort: 'web' }],
  ...fields,
});

t.test('Services', { skip: needsRoot || needsNetwork }, async t => {
  const lab = new Lab();
  t.teardown(() => lab.end());
  const [near, node] = await Promise.all([
    lab.outside('near', ['192.0.2', '2001:db8:1'], []),
    lab.node('node', [31999]),
    lab.node('dns-client', [15301]),
    lab.node('dns-node', [15302]),
    ...PODS.map(each => lab.pod(each, [80, 81])),
  ]);
  // The kernel looks for a way first, for the addresses of Services as for any.
  ip(['route add default via 192.0.2.2', 'route add default via 2001:db8:1::2 dev near']);
  // It says only so often that something is unreachable.
  lab.setting(process.pid, 'ipv4/icmp_ratelimit', '0');
  const inside = (name: string): Agent => lab.agents.get(`x/${name}`) ?? node;

  /** Applies the state with Services that have their addresses. */
  const apply = (
    services: Readonly<Record<string, Partial<ServiceSpec>>>,
    fields: Partial<NodeState> = {},
  ): void => {
    const all = Object.entries(services).map(([name, each]) => serviceOf(`x/${name}`, spec(each)));
    const allocated = allocateServices(all, { serviceCidrs: CIDRS, reserved: [DNS] });
    t.same(allocated.refused, []);
    applyState(
      nodeOf({
        podCidrs: ['10.244.0.0/16', 'fd00:10:244::/64'],
        serviceCidrs: CIDRS,
        pods: PODS,
        services: allocated.services,
        ...fields,
      }),
    );
  };

  interface Asking {
    readonly times?: number;
    readonly protocol?: Protocol;
    readonly source?: number;
  }
  /** Who answered, how often, or what went wrong. */
  async function ask(
    agent: Agent,
    address: string,
    port: number,
    asking: Asking = {},
  ): Promise<Readonly<Record<string, number>>> {
    const { times = 1, protocol = 'TCP', source } = asking;
    const question = { protocol, address, port, source, timeout: 1000 };
    const answers = await agent.ask(Array.from({ length: times }, () => question));
    const counts: Record<string, number> = {};
    for (const answer of answers) {
      const key = isOk(answer) ? `${answer.name} ${answer.client}` : answer.kind;
      counts[key] = (counts[key] ?? 0) + 1;
    }
    return counts;
  }
  const names = (counts: Readonly<Record<string, number>>): readonly string[] => Object.keys(counts).sort();

  await t.test('ClusterIP', async t => {
    const udp = { port: 8000, targetPort: 'web', protocol: 'UDP', name: 'udp' };
    apply({
      web: { clusterIP: '10.96.1.1', ports: [{ port: 8000, targetPort: 'web', name: 'tcp' }, udp] },
      numbered: { clusterIP: '10.96.1.2', ports: [{ port: 81 }] },
      single: { clusterIP: '10.96.1.3', selector: { app: 'client' }, ports: [{ port: 80 }] },
      dual: {
        clusterIP: '10.96.1.4',
        clusterIPs: ['10.96.1.4', 'fd00:10:96::4'],
        ipFamilyPolicy: 'RequireDualStack',
      },
      everybody: { clusterIP: '10.96.1.5', publishNotReadyAddresses: true },
      outer: { clusterIP: '10.96.1.6', externalIPs: ['203.0.113.7'] },
    });
    const both = ['x/one 10.244.0.5', 'x/two 10.244.0.5'];
    const counts = await ask(inside('client'), '10.96.1.1', 8000, { times: 60 });
    t.same(names(counts), both, 'a pod asks: every pod that is ready answers, and no other');
    t.ok(Math.min(...Object.values(counts)) > 10, `about as often: ${JSON.stringify(counts)}`);
    t.same(
      names(await ask(inside('client'), '10.96.1.1', 8000, { times: 30, protocol: 'UDP' })),
      both,
      'UDP',
    );
    t.same(
      names(await ask(node, '10.96.1.1', 8000, { times: 30 })),
      ['x/one 192.0.2.1', 'x/two 192.0.2.1'],
      'the node asks',
    );
    t.same(
      names(await ask(inside('client'), '10.96.1.2', 81, { times: 30 })),
      both,
      'the target port is the port',
    );
    t.same(await ask(inside('client'), '10.96.1.3', 80), { [`x/client ${GATEWAY}`]: 1 }, 'a pod asks itself');
    t.same(
      names(await ask(inside('client'), 'fd00:10:96::4', 8000, { times: 30 })),
      ['x/one fd00:10:244::5', 'x/two fd00:10:244::5'],
      'IPv6',
    );
    t.same(
      names(await ask(inside('client'), '10.96.1.5', 8000, { times: 60 })),
      ['x/one 10.244.0.5', 'x/two 10.244.0.5', 'x/unready 10.244.0.5'],
      'publishNotReadyAddresses',
    );
    t.same(
      names(await ask(inside('client'), '203.0.113.7', 8000, { times: 30 })),
      both,
      'an external address',
    );
    t.same(
      names(await ask(near, '203.0.113.7', 8000, { times: 30 })),
      ['x/one 192.0.2.2', 'x/two 192.0.2.2'],
      'from outside',
    );
    t.end();
  });

  await t.test('nobody is there', async t => {
    apply({
      none: {
        clusterIP: '10.96.1.1',
        selector: { app: 'none' },
        type: 'NodePort',
        ports: [{ port: 80, nodePort: 30081 }],
      },
      manual: { clusterIP: '10.96.1.2', selector: {} },
      nameless: { clusterIP: '10.96.1.3', ports: [{ port: 80, targetPort: 'nothing' }] },
      web: { clusterIP: '10.96.1.4' },
    });
    const refused = { ECONNREFUSED: 1 };
    t.same(await ask(inside('client'), '10.96.1.1', 80), refused, 'no pod matches: a pod asks');
    t.same(await ask(node, '10.96.1.1', 80), refused, 'the node asks');
    t.same(
      await ask(inside('client'), '10.96.1.1', 80, { protocol: 'UDP' }),
      refused,
      'by UDP, which is no port of it',
    );
    t.same(await ask(near, '192.0.2.1', 30081), refused, 'its node port');
    t.same(await ask(node, '127.0.0.1', 30081), refused, 'its node port, from the node');
    t.same(await ask(inside('client'), '10.96.1.2', 8000), refused, 'no selector');
    t.same(await ask(inside('client'), '10.96.1.3', 80), refused, 'no pod has a port of that name');
    t.same(await ask(inside('client'), '10.96.1.4', 8001), refused, 'not a port of the Service');
    t.same(
      await ask(inside('client'), '10.96.77.77', 80),
      { EHOSTUNREACH: 1 },
      'not the address of a Service',
    );
    t.same(await ask(inside('client'), '10.244.77.77', 80), { EHOSTUNREACH: 1 }, 'not the address of a pod');
    t.end();
  });

  await t.test('NodePort', async t => {
    const ports = (nodePort: number) => ({
      type: 'NodePort',
      ports: [{ port: 8000, targetPort: 'web', nodePort }],
    });
    apply({
      web: { clusterIP: '10.96.1.1', ...ports(30080) },
      local: { clusterIP: '10.96.1.2', ...ports(30081), externalTrafficPolicy: 'Local' },
      // Its own port is somebody's node port.
      mixed: { clusterIP: '10.96.1.3', ports: [{ port: 30080, targetPort: 'web' }] },
      shadow: { clusterIP: '10.96.1.4', ...ports(31999) },
      balanced: { clusterIP: '10.96.1.5', ...ports(30082), type: 'LoadBalancer' },
    });
    const both = (seen: string): readonly string[] => [`x/one ${seen}`, `x/two ${seen}`];
    const times = 30;
    t.same(
      names(await ask(near, '192.0.2.1', 30080, { times })),
      both(GATEWAY),
      'from outside: a pod sees the node',
    );
    t.same(
      names(await ask(near, '192.0.2.1', 30081, { times })),
      both('192.0.2.2'),
      'Local: it sees the client',
    );
    t.same(names(await ask(node, '127.0.0.1', 30080, { times })), both(GATEWAY), 'from loopback');
    t.same(
      names(await ask(node, '192.0.2.1', 30080, { times })),
      both(GATEWAY),
      'from the node, at its address',
    );
    t.same(names(await ask(inside('client'), '192.0.2.1', 30080, { times })), both(GATEWAY), 'from a pod');
    t.same(
      names(await ask(inside('client'), '10.96.1.3', 30080, { times })),
      both('10.244.0.5'),
      'a ClusterIP’s port of that number',
    );
    t.same(
      names(await ask(near, '192.0.2.1', 31999, { times })),
      both(GATEWAY),
      'a process of the node is shadowed',
    );
    t.same(
      names(await ask(near, '192.0.2.1', 30082, { times })),
      both(GATEWAY),
      'LoadBalancer: its node port',
    );
    t.same(
      await ask(near, '192.0.2.1', 8000),
      { ECONNREFUSED: 1 },
      'the Service’s own port is not the node’s',
    );
    t.end();
  });

  await t.test('policies are about pods, whatever address was asked', async t => {
    const policies = [
      policyOf('x/p', {
        podSelector: {},
        ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }], ports: [{ port: 'web' }] }],
      }),
    ];
    apply(
      {
        web: {
          clusterIP: '10.96.1.1',
          type: 'NodePort',
          ports: [{ port: 8000, targetPort: 'web', nodePort: 30080 }],
        },
      },
      { policies },
    );
    t.same(names(await ask(inside('client'), '10.96.1.1', 8000, { times: 30 })), [
      'x/one 10.244.0.5',
      'x/two 10.244.0.5',
    ]);
    t.same(await ask(near, '192.0.2.1', 30080, { times: 4 }), { timeout: 4 });
    t.same(names(await ask(node, '10.96.1.1', 8000, { times: 30 })), ['x/one 192.0.2.1', 'x/two 192.0.2.1']);
    t.end();
  });

  await t.test('a client stays with its pod', async t => {
    const affinity = (timeoutSeconds: number) => ({
      clusterIP: '10.96.1.1',
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds } },
      type: 'NodePort',
      ports: [{ port: 8000, targetPort: 'web', nodePort: 30080 }],
    });
    const remembered = (): number =>
      nft('list sets table inet podspace')
        .split(/set affinity/)
        .filter(set => /elements = \{ 10\.244\.0\.5/.test(set)).length;
    apply({ web: affinity(600) });
    const [mine = ''] = names(await ask(inside('client'), '10.96.1.1', 8000));
    t.same(await ask(inside('client'), '10.96.1.1', 8000, { times: 30 }), { [mine]: 30 });
    t.same(names(await ask(near, '192.0.2.1', 30080, { times: 30 })).length, 1, 'at the node port, too');
    apply({ web: affinity(600), unrelated: { clusterIP: '10.96.1.2' } });
    t.equal(remembered(), 1, 'it is remembered when other rules change');
    t.same(await ask(inside('client'), '10.96.1.1', 8000, { times: 30 }), { [mine]: 30 }, 'and so it stays');
    const others = PODS.filter(({ name }) => !mine.startsWith(`x/${name} `));
    apply({ web: affinity(600) }, { pods: others });
    t.same(
      names(await ask(inside('client'), '10.96.1.1', 8000, { times: 30 })).length,
      1,
      'and goes to another one when its own is gone',
    );
    t.not((await ask(inside('client'), '10.96.1.1', 8000))[mine], 1);
    apply({ web: affinity(1) });
    await ask(inside('client'), '10.96.1.1', 8000);
    t.equal(remembered(), 1);
    await new Promise(resolve => setTimeout(resolve, 1300));
    t.equal(remembered(), 0, 'for its time');
    t.end();
  });

  await t.test('a UDP client that goes on from the same port follows every change', async t => {
    const services = {
      web: { clusterIP: '10.96.1.1', ports: [{ port: 8000, targetPort: 'web', protocol: 'UDP' }] },
    };
    const again = async (): Promise<readonly string[]> =>
      names(await ask(inside('client'), '10.96.1.1', 8000, { protocol: 'UDP', source: 6000 }));
    const not = (pod: NetworkPod): readonly NetworkPod[] =>
      PODS.map(each => (each === pod ? { ...each, ready: false } : each));
    apply(services, { pods: not(two) });
    t.same(await again(), ['x/one 10.244.0.5']);
    apply(services, { pods: not(one) });
    t.same(await again(), ['x/two 10.244.0.5'], 'its pod is not ready any more');
    apply(services, { pods: [client] });
    t.same(await again(), ['ECONNREFUSED'], 'no pod is');
    apply(services, { pods: not(two) });
    t.same(await again(), ['x/one 10.244.0.5']);
    t.end();
  });

  await t.test('questions about names go to the command that runs the pod', async t => {
    const dns = {
      clusterIP: DNS,
      listeners: [
        { from: '10.244.0.5', address: '127.0.0.1', port: 15301 },
        { from: '10.244.0.2', address: '127.0.0.1', port: 15302 },
        { from: 'node', address: '127.0.0.1', port: 15302 },
      ],
    };
    const policies = (...egress: readonly object[]) => [
      policyOf('x/p', { podSelector: { matchLabels: { app: 'client' } }, policyTypes: ['Egress'], egress }),
    ];
    const cluster = {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
      podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
    };
    const both = async (agent: Agent): Promise<readonly string[]> => [
      ...names(await ask(agent, DNS, 53, { protocol: 'UDP' })),
      ...names(await ask(agent, DNS, 53)),
    ];
    apply({}, { dns });
    t.same(await both(inside('client')), ['dns-client 10.244.0.5', 'dns-client 10.244.0.5']);
    t.same(await both(inside('one')), ['dns-node 10.244.0.2', 'dns-node 10.244.0.2']);
    t.same(await both(node), ['dns-node 192.0.2.1', 'dns-node 192.0.2.1'], 'pods with hostNetwork');
    // A UDP socket is not told that a host is unreachable.
    t.same(await both(inside('two')), ['timeout', 'EHOSTUNREACH'], 'a pod that nobody answers');
    apply({}, { dns, policies: policies() });
    t.same(await both(inside('client')), ['timeout', 'timeout'], 'a policy about egress takes names, too');
    apply({}, { dns, policies: policies({ to: [cluster], ports: [{ port: 53, protocol: 'UDP' }] }) });
    t.same(await both(inside('client')), ['dns-client 10.244.0.5', 'timeout'], 'unless it allows them');
    apply({}, { dns, policies: policies({ to: [{ ipBlock: { cidr: '10.96.0.0/12' } }] }) });
    t.same(await both(inside('client')), ['dns-client 10.244.0.5', 'dns-client 10.244.0.5']);
    t.end();
  });

  await t.test('nobody has another’s address', async t => {
    apply({});
    // The kernel follows flows as long as some rule asks for it.
    nft(
      'table inet witness { chain forward { type filter hook forward priority 0; ct state new accept; }; }',
    );
    const flows = (): string => readFileSync('/proc/net/nf_conntrack', 'utf8');
    /** A pod, or somebody outside, sends from an address; whether the node takes it. */
    const sends = async (agent: Agent, from: string, gateway: string, at: number): Promise<boolean> => {
      ip(
        [`addr add ${from}/32 dev eth0`, `route replace default via ${gateway} dev eth0 onlink src ${from}`],
        agent.pid,
      );
      await agent.ask([{ protocol: 'UDP', address: '10.244.0.3', port: at, timeout: 100 }]);
      ip([`addr del ${from}/32 dev eth0`], agent.pid);
      return new RegExp(`src=${from} dst=10.244.0.3 .*dport=${at} `).test(flows());
    };
    t.notOk(await sends(inside('client'), '10.244.0.2', GATEWAY, 7001), 'a pod, another pod’s');
    t.notOk(await sends(inside('client'), '203.0.113.1', GATEWAY, 7002), 'a pod, one of the world');
    t.notOk(await sends(inside('client'), '192.0.2.1', GATEWAY, 7003), 'a pod, the node’s');
    t.notOk(await sends(near, '10.244.0.2', '192.0.2.1', 7004), 'somebody outside, a pod’s');
    t.ok(
      await sends(near, '203.0.113.1', '192.0.2.1', 7005),
      'what the node routes is not its business otherwise',
    );
    applyState(nodeOf({}));
    t.ok(await sends(inside('client'), '10.244.0.2', GATEWAY, 7006), 'it is the rules that see to that');
    t.end();
  });
  t.end();
});
