import t from 'tap';
import {
  describeParty,
  describePods,
  describePolicy,
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
      'shop/web > shop/db: 5432/TCP 6000-6010/UDP',
      'shop/web > node: all',
      'shop/web > 203.0.113.1: all',
      'shop/db > shop/web: none',
      'shop/db > shop/db: all',
      'shop/db > node: all',
      'shop/db > 203.0.113.1: none',
      'node > shop/web: all',
      'node > shop/db: all',
      '203.0.113.1 > shop/web: none',
      '203.0.113.1 > shop/db: all',
    ],
  );
  t.ok(rows.includes('shop/web > shop/old: none'));
  t.ok(rows.includes('shop/on-node > shop/db: all'));
  t.end();
});

t.test('rows for people', t => {
  const pods = describePods(state);
  t.same(
    pods.find(({ pod }) => pod === 'shop/web'),
    {
      pod: 'shop/web',
      ips: ['10.244.0.2'],
      ready: true,
      ports: ['http=8080/TCP', '53/UDP', '9/TCP'],
      hostPorts: [':80->8080/TCP', '[2001:db8::1]:53->53/UDP'],
      ingress: ['shop/all'],
      egress: [],
    },
  );
  t.match(
    pods.find(({ pod }) => pod === 'shop/db'),
    { ingress: ['shop/all', 'shop/db'], egress: ['shop/db'] },
  );
  t.match(
    pods.find(({ pod }) => pod === 'shop/on-node'),
    { ingress: [], egress: [], hostPorts: [] },
  );
  const policy = policyOf('shop/p', {
    podSelector: {
      matchLabels: { pod: 'db' },
      matchExpressions: [
        { key: 'tier', operator: 'DoesNotExist' },
        { key: 'pod', operator: 'In', values: ['db', 'web'] },
      ],
    },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [
      {
        from: [
          { podSelector: { matchLabels: { pod: 'web' } } },
          { namespaceSelector: { matchLabels: { a: 'b' } } },
          { namespaceSelector: {}, podSelector: {} },
        ],
      },
      {
        from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }],
        ports: [{ port: 'http' }, { port: 1, endPort: 9, protocol: 'UDP' }, { protocol: 'SCTP' }],
      },
      {},
    ],
  });
  t.same(describePolicy(policy, state), {
    policy: 'shop/p',
    selector: 'pod=db,!tier,pod in (db,web)',
    pods: ['shop/db'],
    directions: [
      { direction: 'Egress', rules: [] },
      {
        direction: 'Ingress',
        rules: [
          {
            peers: [
              'pod=web of namespace shop',
              'all pods of namespaces with a=b',
              'all pods of all namespaces',
            ],
            pods: ['shop/db', 'shop/old', 'shop/web'],
            ports: ['any port'],
          },
          { peers: ['10.0.0.0/8 except 10.1.0.0/16'], pods: [], ports: ['http/TCP', '1-9/UDP', 'SCTP'] },
          { peers: ['anybody'], pods: [], ports: ['any port'] },
        ],
      },
    ],
  });
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
