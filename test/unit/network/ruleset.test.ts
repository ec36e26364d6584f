import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { ruleset } from '../../../src/network/ruleset.ts';
import type { NetworkPod, NodeState } from '../../../src/network/state.ts';
import { states } from './arbitrary.ts';
import { needsNft, nftProblems } from './nft-check.ts';
import { nodeOf, podAt, policyOf, serviceOf } from './nodes.ts';

/** NAME.nft is what each state comes to; UPDATE_GOLDEN=1 writes them anew. */
const DIRECTORY = 'test/unit/network/rulesets';

const web = podAt('shop/web', '10.244.0.2', {
  labels: { app: 'web' },
  ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
});
const db = podAt('shop/db', '10.244.0.3', { labels: { app: 'db' } });
const db2 = podAt('shop/db-2', '10.244.0.4', { labels: { app: 'db' } });
const guest = podAt('guest/guest', '10.244.0.5', { labels: { app: 'web' } });
const onNode = podAt('shop/on-node', '192.0.2.1', {
  hostNetwork: true,
  ports: [{ containerPort: 80, hostPort: 80, protocol: 'TCP' }],
});
const both = (pod: NetworkPod, last: number): NetworkPod => ({
  ...pod,
  ips: [...pod.ips, `fd00:10:244::${last}`],
});
const app = (name: string) => ({ matchLabels: { app: name } });

const STATES: Readonly<Record<string, Partial<NodeState>>> = {
  pods: { pods: [web, db, onNode] },
  policies: {
    pods: [web, db, db2, guest, onNode],
    namespaces: [{ name: 'guest', labels: { kind: 'guest' } }],
    policies: [
      policyOf('shop/db', {
        podSelector: app('db'),
        policyTypes: ['Ingress', 'Egress'],
        ingress: [{ from: [{ podSelector: app('web') }], ports: [{ port: 5432 }] }],
      }),
      policyOf('shop/web', {
        podSelector: app('web'),
        ingress: [
          { ports: [{ port: 'http' }] },
          {
            from: [{ namespaceSelector: { matchLabels: { kind: 'guest' } } }],
            ports: [{ port: 9000, endPort: 9010 }, { protocol: 'UDP' }],
          },
          {
            from: [
              { ipBlock: { cidr: '192.0.2.0/24', except: ['192.0.2.7/32', '192.0.2.128/25'] } },
              { podSelector: {} },
            ],
          },
        ],
      }),
      policyOf('shop/names', {
        podSelector: app('db'),
        policyTypes: ['Egress'],
        egress: [{ ports: [{ port: 'http' }] }],
      }),
    ],
  },
  'host-ports': {
    podCidrs: ['10.244.0.0/16', 'fd00:10:244::/64'],
    pods: [
      {
        ...both(web, 2),
        ports: [
          { containerPort: 8080, hostPort: 80, protocol: 'TCP' },
          { containerPort: 53, hostPort: 53, protocol: 'UDP', hostIP: '192.0.2.1' },
          { containerPort: 9, hostPort: 9, protocol: 'SCTP', hostIP: '::' },
        ],
      },
      // A second one cannot be: the first has it.
      { ...db, ports: [{ containerPort: 1, hostPort: 80, protocol: 'TCP' }] },
    ],
  },
  services: {
    podCidrs: ['10.244.0.0/16', 'fd00:10:244::/64'],
    serviceCidrs: ['10.96.0.0/12', 'fd00:10:96::/112'],
    pods: [both(web, 2), both({ ...guest, namespace: 'shop' }, 5), db, { ...db2, ready: false }],
    services: [
      serviceOf('shop/web', {
        type: 'NodePort',
        clusterIP: '10.96.1.1',
        clusterIPs: ['10.96.1.1', 'fd00:10:96::1'],
        selector: { app: 'web' },
        ports: [{ port: 80, targetPort: 8080, nodePort: 30080 }],
      }),
      serviceOf('shop/db', {
        clusterIP: '10.96.1.2',
        selector: { app: 'db' },
        sessionAffinity: 'ClientIP',
        ports: [{ port: 5432 }],
      }),
      serviceOf('shop/none', {
        type: 'NodePort',
        clusterIP: '10.96.1.3',
        selector: { app: 'none' },
        ports: [{ port: 80, nodePort: 30081, protocol: 'UDP' }],
      }),
      serviceOf('shop/headless', { clusterIP: 'None', selector: { app: 'web' }, ports: [{ port: 80 }] }),
      serviceOf('shop/elsewhere', { type: 'ExternalName', externalName: 'example.com' }),
    ],
  },
  dns: {
    pods: [web, db],
    policies: [policyOf('shop/db', { podSelector: app('db'), policyTypes: ['Egress'] })],
    dns: {
      clusterIP: '10.96.0.10',
      listeners: [
        { from: '10.244.0.2', address: '127.0.0.1', port: 40001 },
        { from: '10.244.0.3', address: '127.0.0.1', port: 40002 },
        { from: 'node', address: '127.0.0.1', port: 40003 },
      ],
    },
  },
};

t.test('goldens', t => {
  for (const [name, state] of Object.entries(STATES)) {
    const text = ruleset(nodeOf(state));
    const golden = `${DIRECTORY}/${name}.nft`;
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(golden, text);
    t.equal(text, existsSync(golden) ? readFileSync(golden, 'utf8') : '', name);
  }
  t.same(
    readdirSync(DIRECTORY).sort(),
    Object.keys(STATES)
      .map(name => `${name}.nft`)
      .sort(),
    'none is left over',
  );
  t.end();
});

t.test('nothing needs no rules', t => {
  t.equal(ruleset(nodeOf({})), '');
  t.equal(ruleset(nodeOf({ policies: [policyOf('x/p', {})] })), '', 'policies without pods');
  t.equal(ruleset(nodeOf({ services: STATES.services?.services ?? [] })), '', 'Services without pods');
  t.equal(ruleset(nodeOf({ pods: [onNode] })), '', 'a pod in the node’s network');
  t.equal(
    ruleset(nodeOf({ pods: [onNode], policies: [policyOf('shop/p', {})] })),
    '',
    'a policy cannot isolate it',
  );
  t.end();
});

t.test('nft takes every text', { skip: needsNft }, t => {
  for (const [name, state] of Object.entries(STATES)) t.equal(nftProblems(ruleset(nodeOf(state))), '', name);
  fc.assert(
    fc.property(states, state => {
      const problems = nftProblems(ruleset(state));
      if (problems !== '') throw new Error(problems);
    }),
    { numRuns: 25 },
  );
  t.end();
});

t.test('what objects say cannot become a rule', t => {
  const evil = 'x" } chain y { drop } #\n';
  const text = ruleset(
    nodeOf({
      pods: [
        {
          ...web,
          name: evil,
          namespace: evil,
          ports: [{ name: evil, containerPort: 80, hostPort: 80, hostIP: evil, protocol: 'TCP' }],
        },
      ],
      policies: [
        {
          metadata: { namespace: evil, name: evil },
          spec: {
            podSelector: {},
            policyTypes: ['Ingress'],
            ingress: [{ from: [{ ipBlock: { cidr: evil, except: [evil] } }], ports: [{ port: evil }] }],
          },
        },
      ],
      services: [
        serviceOf(`a/${evil}`, { clusterIP: evil, selector: { app: 'web' }, ports: [{ port: 80 }] }),
      ],
    }),
  );
  t.notMatch(text, /chain y|#/);
  if (needsNft === false) t.equal(nftProblems(text), '');
  t.end();
});

t.test('pods with the same policies share their chain, whatever their number', t => {
  const many = (count: number): string =>
    ruleset(
      nodeOf({
        pods: Array.from({ length: count }, (_, i) =>
          podAt(`shop/p${i}`, `10.244.${Math.floor(i / 200)}.${(i % 200) + 1}`, {
            labels: { app: i % 2 === 0 ? 'web' : 'db' },
          }),
        ),
        policies: STATES.policies?.policies ?? [],
      }),
    );
  const rules = (text: string): number =>
    text.split('\n').filter(line => /^ {4}(?!elements)/.test(line)).length;
  t.equal(rules(many(500)), rules(many(10)));
  t.end();
});
