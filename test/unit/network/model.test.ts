import t from 'tap';
import {
  describeParty,
  describeReach,
  describeServices,
  describeVerdict,
} from '../../../src/network/describe.ts';
import { dnsPod } from '../../../src/network/dns-rules.ts';
import { type Party, verdict } from '../../../src/network/model.ts';
import { reachability } from '../../../src/network/reachability.ts';
import type { NetworkPod } from '../../../src/network/state.ts';
import { nodeOf, podAt, policyOf, serviceOf } from './nodes.ts';

const web = podAt('shop/web', '10.244.0.2', {
  ports: [
    { name: 'http', containerPort: 8080, protocol: 'TCP', hostPort: 80 },
    { containerPort: 53, protocol: 'UDP', hostPort: 53, hostIP: '2001:db8::1' },
    { containerPort: 9, protocol: 'TCP', hostPort: 9, sidecar: true },
  ],
});
const db = podAt('shop/db', '10.244.0.3');
const old = podAt('shop/old', 'fd00::4');
const onNode = podAt('shop/on-node', '192.0.2.1', {
  hostNetwork: true,
  ports: [{ containerPort: 22, hostPort: 22, protocol: 'TCP' }],
});
const party = (pod: NetworkPod): Party => ({ kind: 'pod', pod });
const NODE: Party = { kind: 'node' };
const WORLD: Party = { kind: 'address', address: '203.0.113.1' };

const policies = [
  policyOf('shop/db', {
    podSelector: { matchLabels: { pod: 'db' } },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [
      { from: [{ ipBlock: { cidr: '203.0.113.0/24' } }] },
      {
        from: [{ podSelector: { matchLabels: { pod: 'web' } } }],
        ports: [{ port: 5432 }, { port: 6000, endPort: 6010, protocol: 'UDP' }],
      },
    ],
  }),
  policyOf('shop/all', { ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 'http' }] }] }),
];
const state = nodeOf({ pods: [web, db, old, onNode], policies });
const at = (port: number) => ({ protocol: 'TCP', port }) as const;

t.test('verdicts say who decided', t => {
  const allowed = verdict(state, party(web), party(db), at(5432));
  t.match(allowed, { allowed: true, reason: 'policies', egress: { isolatedBy: [] } });
  t.same(
    allowed.ingress?.isolatedBy.map(({ metadata }) => metadata?.name),
    ['all', 'db'],
  );
  t.same(
    allowed.ingress?.allowedBy.map(({ policy, index }) => [policy.metadata?.name, index]),
    [['db', 1]],
  );
  t.same(describeVerdict(allowed), [
    'egress: allowed, no policy isolates the pod',
    'ingress: allowed by shop/db (ingress[1])',
  ]);
  t.same(describeVerdict(verdict(state, party(web), party(db), at(5433))), [
    'egress: allowed, no policy isolates the pod',
    'ingress: denied, isolated by shop/all, shop/db, and no rule allows it',
  ]);
  t.same(describeVerdict(verdict(state, party(db), party(web), at(8080))), [
    'egress: denied, isolated by shop/db, and no rule allows it',
    'ingress: allowed by shop/all (ingress[0])',
  ]);
  t.same(describeVerdict(verdict(state, WORLD, party(db), at(1))), [
    'ingress: allowed by shop/db (ingress[0])',
  ]);
  t.end();
});

t.test('where policies do not decide', t => {
  for (const [from, to, allowed, reason] of [
    [party(db), party(db), true, 'itself'],
    [NODE, party(db), true, 'node'],
    [party(db), NODE, true, 'node'],
    [party(onNode), party(db), true, 'node'],
    [party(db), party(onNode), true, 'node'],
    [NODE, WORLD, true, 'node'],
    [WORLD, { kind: 'address', address: '192.0.2.9' }, true, 'outside'],
    [party(web), party(old), false, 'family'],
    [WORLD, party(old), false, 'family'],
  ] as const) {
    const found = verdict(state, from, to, at(80));
    t.match(found, { allowed, reason }, `${describeParty(from)} > ${describeParty(to)}`);
    t.equal(describeVerdict(found).length, 1);
  }
  t.end();
});

t.test('the DNS server is a pod of kube-system to policies', t => {
  const dns = party(dnsPod({ clusterIP: '10.96.0.10', listeners: [] }));
  t.notOk(verdict(state, party(db), dns, { protocol: 'UDP', port: 53 }).allowed);
  t.ok(verdict(state, party(web), dns, { protocol: 'UDP', port: 53 }).allowed);
  t.end();
});

t.test('the matrix', t => {
  const rows = reachability(state, [NODE, WORLD]).map(
    reach => `${describeParty(reach.from)} > ${describeParty(reach.to)}: ${describeReach(reach)}`,
  );
  t.same(
    rows.filter(row => !/old|on-node/.test(row)),
    [
      'shop/web > shop/web: all',
      'shop/web > shop/db: TCP 5432, UDP 6000-6010',
      'shop/web > (node): all',
      'shop/web > 203.0.113.1: all',
      'shop/db > shop/web: -',
      'shop/db > shop/db: all',
      'shop/db > (node): all',
      'shop/db > 203.0.113.1: -',
      '(node) > shop/web: all',
      '(node) > shop/db: all',
      '203.0.113.1 > shop/web: -',
      '203.0.113.1 > shop/db: all',
    ],
  );
  t.ok(rows.includes('shop/web > shop/old: -'));
  t.ok(rows.includes('shop/on-node > shop/db: all'));
  t.end();
});

t.test('Services, for people', t => {
  const services = [
    serviceOf('shop/web', {
      type: 'NodePort',
      clusterIP: '10.96.1.1',
      selector: { pod: 'web' },
      ports: [{ port: 80, targetPort: 'http', nodePort: 30080, name: 'http' }],
    }),
    serviceOf('shop/none', { clusterIP: 'fd00::9', selector: { pod: 'none' }, ports: [{ port: 80 }] }),
  ];
  t.same(describeServices({ ...state, services }), [
    { service: 'shop/none:80/TCP', address: '[fd00::9]:80', nodePort: undefined, endpoints: [] },
    {
      service: 'shop/web:http/TCP',
      address: '10.96.1.1:80',
      nodePort: 30080,
      endpoints: ['10.244.0.2:8080'],
    },
  ]);
  t.end();
});
