import t from 'tap';
import { setDefaults } from '../../../src/kube/defaults.ts';
import { hostPortConflict, hostPortMappings } from '../../../src/network/host-ports.ts';
import { type NetworkPort, networkPod } from '../../../src/network/state.ts';
import { podAt } from './nodes.ts';

const port = (hostPort: number, fields: Partial<NetworkPort> = {}): NetworkPort => ({
  containerPort: 80,
  protocol: 'TCP',
  hostPort,
  ...fields,
});
const holder = (...ports: readonly NetworkPort[]) => podAt('x/holder', '10.244.0.2', { ports });
const candidate = (...ports: readonly NetworkPort[]) => podAt('x/candidate', '10.244.0.3', { ports });

t.test('conflicts', t => {
  for (const [theirs, ours, conflict] of [
    [port(80), port(80), true],
    [port(80), port(81), false],
    [port(80), port(80, { protocol: 'UDP' }), false],
    [port(80, { hostIP: '192.0.2.1' }), port(80), true],
    [port(80), port(80, { hostIP: '192.0.2.1' }), true],
    [port(80, { hostIP: '0.0.0.0' }), port(80, { hostIP: '::1' }), true],
    [port(80, { hostIP: '192.0.2.1' }), port(80, { hostIP: '192.0.2.1' }), true],
    [port(80, { hostIP: '192.0.2.1' }), port(80, { hostIP: '192.0.2.2' }), false],
    // Only one text stands for every address (DefaultBindAllHostIP).
    [port(80, { hostIP: '::' }), port(80, { hostIP: '2001:db8::1' }), false],
    [port(80, { sidecar: true }), port(80), true],
    [{ containerPort: 80, protocol: 'TCP' }, port(80), false],
  ] as const) {
    const found = hostPortConflict([holder(theirs)], candidate(ours));
    t.equal(found !== undefined, conflict, JSON.stringify([theirs, ours]));
  }
  const [first, second] = [port(8080), port(80)];
  const found = hostPortConflict([holder(port(80))], candidate(first, second));
  t.equal(
    found?.message,
    "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
  );
  t.equal(found?.port, second);
  t.equal(found?.holder.name, 'holder');
  const same = candidate(port(80));
  t.equal(hostPortConflict([same], same), undefined, 'it is not in its own way');
  t.end();
});

t.test('a pod as the network sees it', t => {
  const pod = setDefaults({
    metadata: { name: 'p', namespace: 'x', labels: { a: 'b' } },
    spec: {
      containers: [
        {
          name: 'c',
          image: 'i',
          ports: [
            { containerPort: 80, name: 'http' },
            { containerPort: 53, protocol: 'UDP', hostPort: 53, hostIP: '192.0.2.1' },
          ],
        },
      ],
      initContainers: [
        { name: 'once', image: 'i', ports: [{ containerPort: 1, hostPort: 1 }] },
        { name: 'stays', image: 'i', restartPolicy: 'Always', ports: [{ containerPort: 2, hostPort: 2 }] },
      ],
    },
  });
  const facts = { uid: 'u', ips: ['10.244.0.2'], ready: false };
  t.same(networkPod(pod, facts), {
    ...facts,
    namespace: 'x',
    name: 'p',
    labels: { a: 'b' },
    hostNetwork: false,
    ports: [
      { name: 'http', containerPort: 80, protocol: 'TCP' },
      { containerPort: 53, protocol: 'UDP', hostPort: 53, hostIP: '192.0.2.1' },
      { containerPort: 2, protocol: 'TCP', hostPort: 2, sidecar: true },
    ],
  });
  const onNode = networkPod(
    setDefaults({
      spec: { hostNetwork: true, containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80 }] }] },
    }),
    facts,
  );
  t.match(onNode, { hostNetwork: true, ports: [{ containerPort: 80, hostPort: 80 }] });
  t.ok(hostPortConflict([onNode], candidate(port(80))), 'with hostNetwork every port is a host port');
  t.same(hostPortMappings([onNode], 'IPv4'), [], 'which is nobody’s to map');
  t.end();
});
