import t from 'tap';
import type { Flow } from '../../../src/network/netfilter.ts';
import { describeTargets, isStale, udpTargets } from '../../../src/network/stale-flows.ts';
import { nodeOf, podAt, serviceOf } from './nodes.ts';

const web = podAt('x/web', '10.244.0.2', {
  ports: [
    { containerPort: 81, hostPort: 9000, protocol: 'UDP' },
    { containerPort: 82, hostPort: 9001, hostIP: '192.0.2.1', protocol: 'UDP' },
    { containerPort: 80, hostPort: 9000, protocol: 'TCP' },
  ],
});
const state = nodeOf({
  pods: [web],
  services: [
    serviceOf('x/web', {
      type: 'NodePort',
      clusterIP: '10.96.1.1',
      selector: { pod: 'web' },
      ports: [{ port: 53, nodePort: 30053, protocol: 'UDP' }],
    }),
    serviceOf('x/none', {
      clusterIP: '10.96.1.2',
      selector: { pod: 'none' },
      ports: [{ port: 53, protocol: 'UDP' }],
    }),
  ],
  dns: {
    clusterIP: '10.96.0.10',
    listeners: [
      { from: '10.244.0.2', address: '127.0.0.1', port: 40001 },
      { from: 'node', address: '127.0.0.1', port: 40002 },
    ],
  },
});
const targets = udpTargets(state);
const isLocal = (address: string): boolean => ['192.0.2.1', '127.0.0.1'].includes(address);

/** `SOURCE > DESTINATION:PORT > SERVER:PORT` */
function flow(text: string, protocol = 17): Flow {
  const [source = '', asked = '', answers = ''] = text.split(' > ');
  const [destination = '', port = ''] = asked.split(':');
  const [server = '', serverPort = ''] = answers.split(':');
  const handle = { nfgenFamily: 2, attributes: new Uint8Array(0) };
  return {
    family: 'IPv4',
    protocol,
    source,
    destination,
    port: Number(port),
    server,
    serverPort: Number(serverPort),
    handle,
  };
}

t.test('flows that go where new ones would not', t => {
  for (const [text, stale] of [
    ['192.0.2.2 > 192.0.2.1:9000 > 10.244.0.2:81', false],
    ['192.0.2.2 > 192.0.2.1:9000 > 192.0.2.1:9000', true],
    ['192.0.2.2 > 192.0.2.1:9000 > 10.244.0.9:81', true],
    ['127.0.0.1 > 127.0.0.1:9000 > 127.0.0.1:9000', true],
    // The same port of somebody else.
    ['10.244.0.2 > 203.0.113.1:9000 > 203.0.113.1:9000', false],
    ['192.0.2.2 > 192.0.2.1:9001 > 10.244.0.2:82', false],
    ['192.0.2.2 > 192.0.2.1:9001 > 192.0.2.1:9001', true],
    ['192.0.2.2 > 127.0.0.1:9001 > 127.0.0.1:9001', false],
    // Nothing is mapped any more.
    ['192.0.2.2 > 192.0.2.1:9002 > 10.244.0.2:81', true],
    ['192.0.2.2 > 192.0.2.1:9002 > 192.0.2.1:9002', false],
    // Somebody else's translation.
    ['192.0.2.2 > 192.0.2.1:9002 > 172.17.0.2:53', false],
    ['10.244.0.2 > 10.96.1.1:53 > 10.244.0.2:53', false],
    ['10.244.0.2 > 10.96.1.1:53 > 10.244.0.3:53', true],
    ['10.244.0.2 > 10.96.1.2:53 > 10.244.0.2:53', true],
    ['10.244.0.2 > 10.96.1.9:53 > 10.0.0.1:53', true],
    ['192.0.2.2 > 192.0.2.1:30053 > 10.244.0.2:53', false],
    ['192.0.2.2 > 192.0.2.1:30053 > 192.0.2.1:30053', true],
    ['10.244.0.2 > 10.96.0.10:53 > 127.0.0.1:40001', false],
    ['10.244.0.2 > 10.96.0.10:53 > 127.0.0.1:40009', true],
    ['192.0.2.1 > 10.96.0.10:53 > 127.0.0.1:40002', false],
  ] as const)
    t.equal(isStale(flow(text), targets, state, isLocal), stale, text);
  t.equal(
    isStale(flow('192.0.2.2 > 192.0.2.1:9000 > 192.0.2.1:9000', 6), targets, state, isLocal),
    false,
    'TCP ends by itself',
  );
  t.end();
});

t.test('the same targets are the same text', t => {
  const other = { ...state, services: [...state.services].reverse() };
  t.equal(describeTargets(udpTargets(other)), describeTargets(targets));
  const tcpOnly = {
    ...state,
    pods: [{ ...web, ports: web.ports.filter(({ protocol }) => protocol === 'UDP') }],
  };
  t.equal(describeTargets(udpTargets(tcpOnly)), describeTargets(targets), 'TCP has no part in it');
  t.not(
    describeTargets(udpTargets({ ...state, pods: [{ ...web, ready: false }] })),
    describeTargets(targets),
  );
  t.end();
});
