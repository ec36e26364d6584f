import t from 'tap';
import { applyState } from '../../../src/network/apply.ts';
import type { NetworkPod, NetworkPort, NodeState, Protocol } from '../../../src/network/state.ts';
import { nodeOf, podAt, policyOf } from '../../unit/network/nodes.ts';
import { needsRoot } from '../harness.ts';
import { type Agent, ip, isOk, Lab, nft } from './lab.ts';
import { needsNetwork } from './needs-network.ts';

const port = (hostPort: number, containerPort: number, fields: Partial<NetworkPort> = {}): NetworkPort => ({
  hostPort,
  containerPort,
  protocol: 'TCP',
  ...fields,
});

const pod = (name: string, last: number, fields: Partial<NetworkPod> = {}): NetworkPod =>
  podAt(`x/${name}`, `10.244.0.${last}`, {
    ips: [`10.244.0.${last}`, `fd00:10:244::${last}`],
    ...fields,
  });

const web = pod('web', 2, {
  ports: [
    port(9000, 80),
    port(9000, 81, { protocol: 'UDP' }),
    port(9000, 81, { protocol: 'SCTP' }),
    port(9001, 80, { hostIP: '192.0.2.1' }),
    port(9002, 80, { hostIP: '127.0.0.1' }),
    port(9003, 80, { hostIP: '0.0.0.0' }),
    port(9004, 80, { hostIP: '::' }),
    port(9005, 80, { hostIP: '2001:db8:1::1' }),
    port(9006, 80, { sidecar: true }),
  ],
});
const other = pod('other', 3);
/** Takes over what web had. */
const heir = pod('heir', 4, { ports: web.ports });

const GATEWAY = '169.254.1.1';

t.test('host ports', { skip: needsRoot || needsNetwork }, async t => {
  const lab = new Lab();
  t.teardown(() => lab.end());
  const [near, far, node] = await Promise.all([
    lab.outside('near', ['192.0.2', '2001:db8:1'], []),
    lab.outside('far', ['198.51.100'], []),
    // A process of the node's has one of the ports, too.
    lab.node('node', [9000]),
    ...[web, other, heir].map(each => lab.pod(each, [80, 81])),
  ]);
  const inside = (name: string): Agent => lab.agents.get(`x/${name}`) ?? node;
  const state = (fields: Partial<NodeState>): NodeState =>
    nodeOf({ podCidrs: ['10.244.0.0/16', 'fd00:10:244::/64'], ...fields });

  /** `NAME CLIENT`, or what went wrong. */
  async function ask(
    agent: Agent,
    address: string,
    at: number,
    protocol: Protocol = 'TCP',
    source?: number,
  ): Promise<string> {
    const [answer = { kind: 'none' }] = await agent.ask([
      { protocol, address, port: at, source, timeout: 500 },
    ]);
    return isOk(answer) ? `${answer.name} ${answer.client}` : answer.kind;
  }

  t.equal(await ask(near, '192.0.2.1', 9000), 'node 192.0.2.2', 'without rules the port is the node’s');
  applyState(state({ pods: [web, other] }));

  t.test('from everywhere', async t => {
    for (const [from, agent, address, at, expected] of [
      ['outside', near, '192.0.2.1', 9000, 'x/web 192.0.2.2'],
      ['outside, at another address of the node', near, '198.51.100.1', 9000, 'x/web 192.0.2.2'],
      ['further outside', far, '198.51.100.1', 9000, 'x/web 198.51.100.2'],
      ['the node, by loopback', node, '127.0.0.1', 9000, `x/web ${GATEWAY}`],
      ['the node, by another address of loopback', node, '127.1.2.3', 9000, `x/web ${GATEWAY}`],
      ['the node, by its address', node, '192.0.2.1', 9000, 'x/web 192.0.2.1'],
      ['the pod itself', inside('web'), '192.0.2.1', 9000, `x/web ${GATEWAY}`],
      ['another pod', inside('other'), '198.51.100.1', 9000, 'x/web 10.244.0.3'],
      ['outside, IPv6', near, '2001:db8:1::1', 9000, 'x/web 2001:db8:1::2'],
      ['another pod, IPv6', inside('other'), '2001:db8:1::1', 9000, 'x/web fd00:10:244::3'],
      ['the pod itself, IPv6', inside('web'), '2001:db8:1::1', 9000, 'x/web 2001:db8:1::1'],
      ['the node, by its IPv6 address', node, '2001:db8:1::1', 9000, 'x/web 2001:db8:1::1'],
      ['the node, by loopback, IPv6: what listens there', node, '::1', 9000, 'node ::1'],
    ] as const)
      t.equal(await ask(agent, address, at), expected, from);
    t.equal(await ask(near, '192.0.2.1', 9000, 'UDP'), 'x/web 192.0.2.2', 'UDP is a port of its own');
    t.equal(await ask(inside('web'), '192.0.2.1', 9000, 'UDP'), `x/web ${GATEWAY}`, 'UDP from itself');
    t.equal(await ask(node, '127.0.0.1', 9000, 'UDP'), `x/web ${GATEWAY}`, 'UDP from loopback');
    t.equal(await ask(near, '192.0.2.1', 9000, 'SCTP'), '- -', 'SCTP');
    t.equal(await ask(near, '10.244.0.2', 80), 'x/web 192.0.2.2', 'the pod’s own port is there all the same');
    t.end();
  });

  t.test('hostIP', async t => {
    for (const [what, agent, address, at, expected] of [
      ['one address', near, '192.0.2.1', 9001, 'x/web 192.0.2.2'],
      ['not another one', near, '198.51.100.1', 9001, 'ECONNREFUSED'],
      ['nor loopback', node, '127.0.0.1', 9001, 'ECONNREFUSED'],
      ['nor IPv6', near, '2001:db8:1::1', 9001, 'ECONNREFUSED'],
      ['loopback', node, '127.0.0.1', 9002, `x/web ${GATEWAY}`],
      ['loopback is not for others', near, '192.0.2.1', 9002, 'ECONNREFUSED'],
      ['0.0.0.0 is every IPv4 address', far, '198.51.100.1', 9003, 'x/web 198.51.100.2'],
      ['0.0.0.0 is no IPv6 address', near, '2001:db8:1::1', 9003, 'ECONNREFUSED'],
      [':: is every IPv6 address', near, '2001:db8:1::1', 9004, 'x/web 2001:db8:1::2'],
      [':: is no IPv4 address', near, '192.0.2.1', 9004, 'ECONNREFUSED'],
      ['one IPv6 address', near, '2001:db8:1::1', 9005, 'x/web 2001:db8:1::2'],
      ['a sidecar’s is reserved, not mapped', near, '192.0.2.1', 9006, 'ECONNREFUSED'],
    ] as const)
      t.equal(await ask(agent, address, at), expected, what);
    t.end();
  });

  t.test('policies see the pod’s port, and who really asks', async t => {
    const from = (cidr: string) => [
      policyOf('x/p', {
        podSelector: { matchLabels: { pod: 'web' } },
        ingress: [{ from: [{ ipBlock: { cidr } }], ports: [{ port: 80 }] }],
      }),
    ];
    applyState(state({ pods: [web, other], policies: from('192.0.2.2/32') }));
    t.equal(await ask(near, '192.0.2.1', 9000), 'x/web 192.0.2.2', 'allowed');
    t.equal(await ask(far, '198.51.100.1', 9000), 'timeout', 'not allowed');
    t.equal(await ask(near, '192.0.2.1', 9000, 'UDP'), 'timeout', 'nor another port of the pod');
    t.equal(await ask(inside('other'), '192.0.2.1', 9000), 'timeout', 'nor another pod');
    t.equal(await ask(inside('web'), '192.0.2.1', 9000), `x/web ${GATEWAY}`, 'itself always is');
    t.equal(await ask(node, '127.0.0.1', 9000), `x/web ${GATEWAY}`, 'and so is the node');
    applyState(state({ pods: [web, other] }));
    t.end();
  });

  t.test('loopback is for the node alone', async t => {
    // What a privileged pod, or a neighbour in the network, could send: packets for 127.0.0.1 on the wire.
    for (const [agent, gateway] of [
      [near, '192.0.2.1'],
      [inside('other'), GATEWAY],
    ] as const)
      ip(
        [
          'route del local 127.0.0.0/8 dev lo table local',
          'route del local 127.0.0.1 dev lo table local',
          `route add 127.0.0.1/32 via ${gateway} dev eth0 onlink`,
        ],
        agent.pid,
      );
    lab.setting(near.pid, 'ipv4/conf/eth0/route_localnet', '1');
    lab.setting(inside('other').pid, 'ipv4/conf/eth0/route_localnet', '1');
    // No answer could come back: somebody else's table counts what gets through.
    nft(`table inet witness {
      chain input { type filter hook input priority 10; iifname != "lo" ip daddr 127.0.0.0/8 counter; }
      chain forward { type filter hook forward priority 10; ct original ip daddr 127.0.0.0/8 counter; }
    }`);
    /** How many packets got to the node's own processes, and to pods. */
    const passed = async (agent: Agent, at: number): Promise<readonly number[]> => {
      const before = counters();
      await ask(agent, '127.0.0.1', at);
      return counters().map((count, i) => count - (before[i] ?? 0));
    };
    const counters = (): readonly number[] =>
      [...nft('list table inet witness').matchAll(/counter packets (\d+)/g)].map(([, count]) =>
        Number(count),
      );
    t.same(await passed(near, 9002), [0, 0], 'a mapped port, from outside');
    t.same(await passed(inside('other'), 9002), [0, 0], 'a mapped port, from a pod');
    t.same(await passed(inside('other'), 9009), [0, 0], 'a port of the node’s own, from a pod');
    applyState(state({ pods: [] }));
    t.same(await passed(inside('other'), 9009), [1, 0], 'it is the rules that see to that');
    t.match(nft('list table inet witness'), 'witness', 'and they leave other tables alone');
    nft('delete table inet witness');
    applyState(state({ pods: [web, other] }));
    t.end();
  });

  t.test('a UDP client that goes on from the same port follows every change', async t => {
    const again = (address = '192.0.2.1'): Promise<string> => ask(near, address, 9000, 'UDP', 5353);
    const local = (): Promise<string> => ask(node, '127.0.0.1', 9000, 'UDP', 5354);
    applyState(state({ pods: [other] }));
    t.equal(await again(), 'node 192.0.2.2');
    t.equal(await local(), 'node 127.0.0.1');
    applyState(state({ pods: [web, other] }));
    t.equal(await again(), 'x/web 192.0.2.2', 'there is a pod now');
    t.equal(await local(), `x/web ${GATEWAY}`);
    applyState(state({ pods: [heir, other] }));
    t.equal(await again(), 'x/heir 192.0.2.2', 'another pod has the port');
    applyState(state({ pods: [heir, other], policies: [policyOf('x/p', { ingress: [{}] })] }));
    t.equal(await again(), 'x/heir 192.0.2.2', 'nothing that matters changed');
    applyState(state({ pods: [other] }));
    t.equal(await again(), 'node 192.0.2.2', 'no pod has it');
    applyState(state({ pods: [heir, other] }));
    t.equal(await again(), 'x/heir 192.0.2.2');
    applyState(state({ pods: [] }));
    t.equal(await again(), 'node 192.0.2.2', 'there is no table');
    t.end();
  });
  t.end();
});
