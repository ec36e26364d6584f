import t from 'tap';
import { endpointsOf } from '../../../src/agent/endpoints.ts';
import { nodeObject } from '../../../src/agent/node-object.ts';
import type { ApiObject } from '../../../src/agent/objects.ts';

const service = (spec: object): ApiObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default', uid: 'u' },
  spec: { selector: { app: 'web' }, ...spec },
});
const pod = (
  name: string,
  ip: string | undefined,
  more: { metadata?: object; status?: object } = {},
): ApiObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', uid: name, labels: { app: 'web' }, ...more.metadata },
  spec: { nodeName: 'vm', containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 8080 }] }] },
  status: {
    phase: 'Running',
    ...(ip === undefined ? {} : { podIPs: [{ ip }] }),
    conditions: [{ type: 'Ready', status: 'True' }],
    ...more.status,
  },
});

t.test('what stands behind a Service', t => {
  const pods = [
    pod('a', '10.0.0.1'),
    pod('b', '10.0.0.2', { status: { conditions: [] } }),
    pod('pending', undefined),
    pod('done', '10.0.0.4', { status: { phase: 'Succeeded' } }),
    pod('other', '10.0.0.5', { metadata: { labels: { app: 'db' } } }),
    pod('elsewhere', '10.0.0.6', { metadata: { namespace: 'team' } }),
    pod('ending', '10.0.0.7', { metadata: { deletionTimestamp: 'now' } }),
  ];
  const [endpoints, slice, ...more] = endpointsOf(
    service({ ports: [{ name: 'web', port: 80, targetPort: 'http' }] }),
    pods,
  );
  t.same(more, []);
  t.match(endpoints, {
    kind: 'Endpoints',
    metadata: { name: 'web', namespace: 'default' },
    subsets: [
      {
        addresses: [{ ip: '10.0.0.1', nodeName: 'vm', targetRef: { kind: 'Pod', name: 'a' } }],
        notReadyAddresses: [{ ip: '10.0.0.2' }],
        ports: [{ name: 'web', port: 8080, protocol: 'TCP' }],
      },
    ],
  });
  t.match(slice, {
    kind: 'EndpointSlice',
    metadata: { labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints: [
      { addresses: ['10.0.0.1'], conditions: { ready: true, serving: true, terminating: false } },
      { addresses: ['10.0.0.2'], conditions: { ready: false, serving: false } },
      { addresses: ['10.0.0.7'], conditions: { ready: false, serving: true, terminating: true } },
    ],
    ports: [{ name: 'web', port: 8080 }],
  });
  t.end();
});

t.test('Services with nobody behind them, or with those that are not ready', t => {
  const unready = pod('b', '10.0.0.2', { status: { conditions: [] } });
  const ports = [{ port: 80 }];
  t.notOk(endpointsOf(service({ ports }), [])[0]?.subsets);
  t.same(endpointsOf(service({ ports, selector: {} }), [unready]), []);
  t.same(endpointsOf(service({ type: 'ExternalName' }), [unready]), []);
  const [published] = endpointsOf(service({ ports, publishNotReadyAddresses: true }), [unready]);
  t.match(published?.subsets, [{ addresses: [{ ip: '10.0.0.2' }], ports: [{ port: 80 }] }]);
  const both = pod('c', '10.0.0.3', { status: { podIPs: [{ ip: '10.0.0.3' }, { ip: 'fd00::3' }] } });
  t.same(
    endpointsOf(service({ ports }), [both]).map(({ kind, addressType }) => addressType ?? kind),
    ['Endpoints', 'IPv4', 'IPv6'],
  );
  t.end();
});

t.test('the node', t => {
  const facts = {
    hostname: 'VM.Example',
    kernelRelease: '6.1.0',
    hostIP: '192.0.2.1',
    cpus: 2,
    memory: 4096 * 1024,
  };
  t.match(nodeObject(facts, '1.2.3', '2026-01-01T00:00:00Z'), {
    kind: 'Node',
    metadata: { name: 'vm.example', labels: { 'kubernetes.io/os': 'linux' } },
    status: {
      capacity: { cpu: '2', memory: '4096Ki' },
      conditions: [{}, {}, {}, { type: 'Ready', status: 'True' }],
      addresses: [{ type: 'InternalIP', address: '192.0.2.1' }, { type: 'Hostname' }],
      nodeInfo: { kernelVersion: '6.1.0', containerRuntimeVersion: 'podspace://1.2.3' },
    },
  });
  t.end();
});
