import fc from 'fast-check';
import t from 'tap';
import type { PodSpec } from '../../../src/kube/types.generated.ts';
import { type ResolvConf, resolvConf } from '../../../src/oci/resolv-conf.ts';

const NODE = `# of the node
domain ignored.example
nameserver 192.0.2.53
nameserver 192.0.2.54 # the second
search example.org. corp.example.org
options timeout:1 rotate
options attempts:3
`;
const CLUSTER = { addresses: ['10.96.0.10'], domain: 'cluster.local' };
const MISSING =
  'pod: "web_shop(7d0c)". kubelet does not have ClusterDNS IP configured and cannot create Pod using "ClusterFirst" policy. Falling back to "Default" policy.';

const of = (spec: Partial<PodSpec>, cluster?: typeof CLUSTER, node = NODE): ResolvConf =>
  resolvConf(
    { metadata: { name: 'web', namespace: 'shop', uid: '7d0c' }, spec: { containers: [], ...spec } },
    node,
    cluster,
  );

const NODE_TEXT =
  'search example.org corp.example.org\nnameserver 192.0.2.53\nnameserver 192.0.2.54\noptions timeout:1 rotate attempts:3\n';
const CLUSTER_TEXT =
  'search shop.svc.cluster.local svc.cluster.local cluster.local example.org corp.example.org\nnameserver 10.96.0.10\noptions ndots:5\n';
const ONE = { nameservers: ['192.0.2.99'] };

t.test('each dnsPolicy, with and without a cluster DNS and the host network', t => {
  for (const [spec, withCluster, without, warns] of [
    [{}, CLUSTER_TEXT, NODE_TEXT, true],
    [{ dnsPolicy: 'ClusterFirst' }, CLUSTER_TEXT, NODE_TEXT, true],
    [{ dnsPolicy: 'ClusterFirst', hostNetwork: true }, NODE_TEXT, NODE_TEXT, false],
    [{ dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true }, CLUSTER_TEXT, NODE_TEXT, true],
    [{ dnsPolicy: 'ClusterFirstWithHostNet' }, CLUSTER_TEXT, NODE_TEXT, true],
    [{ dnsPolicy: 'Default' }, NODE_TEXT, NODE_TEXT, false],
    [{ dnsPolicy: 'Default', hostNetwork: true }, NODE_TEXT, NODE_TEXT, false],
    [{ dnsPolicy: 'None', dnsConfig: ONE }, 'nameserver 192.0.2.99\n', 'nameserver 192.0.2.99\n', false],
    [
      { dnsPolicy: 'None', hostNetwork: true, dnsConfig: ONE },
      'nameserver 192.0.2.99\n',
      'nameserver 192.0.2.99\n',
      false,
    ],
  ] as const) {
    const what = JSON.stringify(spec);
    t.same(of(spec, CLUSTER), { text: withCluster, warnings: [] }, what);
    const warnings = warns ? [{ reason: 'MissingClusterDNS', message: MISSING }] : [];
    t.same(of(spec), { text: without, warnings }, `${what}, no cluster DNS`);
  }
  t.same(of({}, { ...CLUSTER, addresses: [] }), of({}), 'no address is no cluster DNS');
  t.end();
});

t.test('dnsConfig is laid over it', t => {
  const dnsConfig = {
    nameservers: ['10.96.0.10', '192.0.2.99'],
    searches: ['svc.cluster.local', 'more.example'],
    options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }, { name: 'trust-ad', value: '' }],
  };
  t.equal(
    of({ dnsConfig }, CLUSTER).text,
    'search shop.svc.cluster.local svc.cluster.local cluster.local example.org corp.example.org more.example\nnameserver 10.96.0.10\nnameserver 192.0.2.99\noptions ndots:2 edns0 trust-ad\n',
  );
  t.equal(
    of({
      dnsPolicy: 'Default',
      dnsConfig: { options: [{ name: 'timeout', value: '9' }, { name: 'rotate' }] },
    }).text,
    NODE_TEXT.replace('timeout:1', 'timeout:9'),
    'options of the same name are replaced where they stand',
  );
  t.equal(
    of({ dnsPolicy: 'None', dnsConfig: { ...ONE, searches: ['a.example'], options: [{ name: 'debug' }] } })
      .text,
    'search a.example\nnameserver 192.0.2.99\noptions debug\n',
  );
  t.end();
});

t.test('what resolv.conf(5) leaves open', t => {
  for (const [node, text] of [
    ['', ''],
    ['nameserver\noptions\nsearch\n', ''],
    ['search a b\nsearch c\n', 'search c\n'],
    ['search a\ndomain b\n', 'search b\n'],
    ['search .\n', 'search .\n'],
    ['  nameserver\t::1 \n;nameserver 1.1.1.1\n#search x\n', 'nameserver ::1\n'],
    ['nameserver fe80::1%eth0\nnameserver fe80::1%eth0', 'nameserver fe80::1%eth0\n'],
    ['sortlist 1.2.3.4\nnameserver 1.1.1.1 ; mine\n', 'nameserver 1.1.1.1\n'],
  ] as const)
    t.equal(of({ dnsPolicy: 'Default' }, undefined, node).text, text, JSON.stringify(node));
  t.end();
});

t.test('limits: what is left out is told in the words of the event DNSConfigForming', t => {
  const many = ['192.0.2.99', '192.0.2.98'];
  t.same(of({ dnsPolicy: 'Default', dnsConfig: { nameservers: many } }), {
    text: NODE_TEXT.replace('.54\n', '.54\nnameserver 192.0.2.99\n'),
    warnings: [
      {
        reason: 'DNSConfigForming',
        message:
          'Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: 192.0.2.53 192.0.2.54 192.0.2.99',
      },
    ],
  });
  const applied = (list: readonly string[]): string =>
    `Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${list.join(' ')}`;
  const domains = (count: number, of: (i: number) => string): string[] =>
    Array.from({ length: count }, (_, i) => of(i));
  const cluster = [
    'shop.svc.cluster.local',
    'svc.cluster.local',
    'cluster.local',
    'example.org',
    'corp.example.org',
  ];

  const names = domains(28, i => `d${i}.example`);
  const kept = [...cluster, ...names.slice(0, 27)];
  const tooMany = of({ dnsConfig: { searches: names } }, CLUSTER);
  t.equal(tooMany.text.split('\n')[0], `search ${kept.join(' ')}`, '32 of 33');
  t.same(tooMany.warnings, [{ reason: 'DNSConfigForming', message: applied(kept) }]);
  t.same(of({ dnsConfig: { searches: names.slice(0, 27) } }, CLUSTER).warnings, []);

  const long = domains(9, i => `${'x'.repeat(240)}.d${i}.example`);
  const fit = [...cluster, ...long.slice(0, 7)];
  t.same(of({ dnsConfig: { searches: long } }, CLUSTER).warnings, [
    { reason: 'DNSConfigForming', message: applied(fit) },
  ]);

  const node = `search ${'y'.repeat(254)} short.example\n`;
  t.same(of({ dnsPolicy: 'Default' }, undefined, node), {
    text: 'search short.example\n',
    warnings: [{ reason: 'DNSConfigForming', message: applied(['short.example']) }],
  });
  const exact = `search ${'y'.repeat(253)} short.example\n`;
  t.same(of({ dnsPolicy: 'Default' }, undefined, exact), { text: exact, warnings: [] });

  const full = `search ${[...domains(8, i => `${i}${'z'.repeat(226)}`), 'w'.repeat(224)].join(' ')}\n`;
  t.equal(full.length, 2048 + 'search \n'.length);
  t.same(of({ dnsPolicy: 'Default' }, undefined, full), { text: full, warnings: [] }, '2048 characters');
  t.equal(of({ dnsPolicy: 'Default' }, undefined, full.replace('w', 'ww')).warnings.length, 1, '2049');
  t.end();
});

t.test('whatever is given, the file keeps within the limits and is told of what it does not hold', t => {
  const name = fc.stringMatching(/^[a-z]{1,90}(\.[a-z]{1,90}){0,3}$/);
  fc.assert(
    fc.property(
      fc.array(name, { maxLength: 40 }),
      fc.array(fc.ipV4(), { maxLength: 5 }),
      fc.constantFrom('ClusterFirst', 'Default', 'None', 'ClusterFirstWithHostNet'),
      fc.boolean(),
      (searches, nameservers, dnsPolicy, hostNetwork) => {
        const { text, warnings } = of(
          { dnsPolicy, hostNetwork, dnsConfig: { searches, nameservers } },
          CLUSTER,
        );
        const lines = text.split('\n');
        const search = lines.find(line => line.startsWith('search '))?.slice('search '.length) ?? '';
        const words = search.split(' ').filter(word => word !== '');
        const servers = lines.filter(line => line.startsWith('nameserver '));
        const said = warnings.filter(({ reason }) => reason === 'DNSConfigForming').length;
        const isCut =
          searches.some(each => !words.includes(each)) || nameservers.some(each => !text.includes(each));
        return (
          words.length <= 32 &&
          search.length <= 2048 &&
          servers.length <= 3 &&
          new Set(words).size === words.length &&
          said > 0 === isCut
        );
      },
    ),
  );
  t.pass('100 pods');
  t.end();
});
