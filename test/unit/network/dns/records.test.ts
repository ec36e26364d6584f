import t from 'tap';
import { endpointsOf } from '../../../../src/network/dns/endpoints.ts';
import { type DnsRecord, records } from '../../../../src/network/dns/records.ts';
import { reverseName } from '../../../../src/network/dns/reverse-name.ts';
import { type ZoneState, zoneOf } from '../../../../src/network/dns/state.ts';
import { networkPod } from '../../../../src/network/state.ts';
import { pod, service, stateOf } from './state.ts';

/** A record as a zone file has it, without its owner. */
const text = ({ ttl, type, data }: DnsRecord): string =>
  `${ttl} ${type} ${typeof data === 'string' ? data : Object.values(data).join(' ')}`;

/** The records of one name; undefined where there is no such name. */
const at = (name: string, state: ZoneState): readonly string[] | undefined =>
  records(state).get(name)?.map(text);

const ZONE = 'shop.svc.cluster.local';

t.test('the names of the specification, one by one', t => {
  const state = stateOf();
  for (const [name, ...lines] of [
    ['dns-version.cluster.local', '28800 TXT 1.1.0'],
    [
      'cluster.local',
      '5 SOA ns.dns.cluster.local hostmaster.cluster.local 1 7200 1800 86400 5',
      '5 NS ns.dns.cluster.local',
    ],
    ['ns.dns.cluster.local', '5 A 10.96.0.10'],
    // 2.3: a service with a cluster address
    [
      `front.${ZONE}`,
      '5 A 10.96.0.20',
      '5 AAAA fd01::20',
      `5 SRV 0 33 80 front.${ZONE}`,
      `5 SRV 0 33 53 front.${ZONE}`,
      `5 SRV 0 33 9999 front.${ZONE}`,
    ],
    [`_http._tcp.front.${ZONE}`, `5 SRV 0 100 80 front.${ZONE}`],
    [`_dns._udp.front.${ZONE}`, `5 SRV 0 100 53 front.${ZONE}`],
    ['20.0.96.10.in-addr.arpa', `5 PTR front.${ZONE}`],
    [reverseName('fd01::20'), `5 PTR front.${ZONE}`],
    [`idle.${ZONE}`, '5 A 10.96.0.21', `5 SRV 0 100 80 idle.${ZONE}`],
    [`manual.${ZONE}`, '5 A 10.96.0.22', `5 SRV 0 100 80 manual.${ZONE}`],
    // 2.4: a headless one
    [
      `web.${ZONE}`,
      '5 A 10.244.0.2',
      '5 A 10.244.0.3',
      '5 AAAA fd00::3',
      '5 A 10.244.0.5',
      `5 SRV 0 33 8080 web-0.web.${ZONE}`,
      `5 SRV 0 33 8080 web-1.web.${ZONE}`,
    ],
    [`web-0.web.${ZONE}`, '5 A 10.244.0.2'],
    [`web-1.web.${ZONE}`, '5 A 10.244.0.3', '5 AAAA fd00::3'],
    [`10-244-0-5.web.${ZONE}`, '5 A 10.244.0.5'],
    [`_http._tcp.web.${ZONE}`, `5 SRV 0 33 8080 web-0.web.${ZONE}`, `5 SRV 0 33 8080 web-1.web.${ZONE}`],
    // publishNotReadyAddresses, and a host name for the one service that the subdomain names
    [`late.early.${ZONE}`, '5 A 10.244.0.4'],
    [`10-244-0-2.early.${ZONE}`, '5 A 10.244.0.2'],
    // 2.5: an external name
    [`out.${ZONE}`, '5 CNAME example.org'],
    [`alias.${ZONE}`, `5 CNAME front.${ZONE}`],
  ] as const)
    t.same(at(name, state), lines, name);
  t.end();
});

t.test('every endpoint of every service has a name, and its address leads back to them all', t => {
  t.same(at(reverseName('10.244.0.2'), stateOf()), [
    `5 PTR 10-244-0-2.front.${ZONE}`,
    `5 PTR web-0.web.${ZONE}`,
    `5 PTR 10-244-0-2.early.${ZONE}`,
    `5 PTR 10-244-0-2.pending.${ZONE}`,
  ]);
  t.same(at(`fd00--3.front.${ZONE}`, stateOf()), ['5 AAAA fd00::3']);
  t.end();
});

t.test('names that are not there, and names that only have others below them', t => {
  const state = stateOf();
  for (const name of [
    `nobody.${ZONE}`, // headless, and nobody is ready
    `address.${ZONE}`, // CoreDNS has no record for an external name that is an address
    `late.web.${ZONE}`,
    `web.other.svc.cluster.local`,
    `_http._udp.front.${ZONE}`,
    `front.default.svc.cluster.local`,
    'kubernetes.default.svc.cluster.local',
    reverseName('10.244.0.7'),
    'nowhere.svc.cluster.local',
  ])
    t.equal(at(name, state), undefined, name);
  for (const name of [
    'svc.cluster.local',
    'pod.cluster.local',
    'dns.cluster.local',
    ...['default', 'empty', 'shop', 'other'].flatMap(each => [
      `${each}.svc.cluster.local`,
      `${each}.pod.cluster.local`,
    ]),
    `_tcp.front.${ZONE}`,
    `pending.${ZONE}`,
  ])
    t.same(at(name, state), [], name);
  t.same(
    at('svc.cluster.local', stateOf({ pods: [], services: [], namespaces: [] })),
    [],
    'without any namespace',
  );
  t.equal(at('ns.dns.cluster.local', stateOf({ serverIPs: [] })), undefined);
  t.end();
});

t.test('no record is there twice: pods of the host network share addresses', t => {
  const host = {
    ips: ['192.0.2.1'],
    ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' as const }],
  };
  const state = stateOf({
    pods: [pod('a', '', host), pod('b', '', host)],
    services: [service('web', ['None'])],
  });
  t.same(at(`web.${ZONE}`, state), ['5 A 192.0.2.1', `5 SRV 0 50 8080 192-0-2-1.web.${ZONE}`]);
  t.same(at(reverseName('192.0.2.1'), state), [`5 PTR 192-0-2-1.web.${ZONE}`]);
  t.end();
});

t.test('another domain, whatever its letters', t => {
  const state = stateOf({ domain: 'K8s.Example' });
  t.same(at('web-0.web.shop.svc.k8s.example', state), ['5 A 10.244.0.2']);
  t.same(at('ns.dns.k8s.example', state), ['5 A 10.96.0.10']);
  t.equal(at(`web.${ZONE}`, state), undefined);
  t.end();
});

t.test('external names that no packet can carry are left out', t => {
  const out = (externalName: string): readonly string[] | undefined =>
    at(`out.${ZONE}`, stateOf({ services: [service('out', [], { type: 'ExternalName', externalName })] }));
  t.same(out('a.example'), ['5 CNAME a.example']);
  t.same(out(`${'a'.repeat(63)}.example`), [`5 CNAME ${'a'.repeat(63)}.example`]);
  for (const bad of ['', `${'a'.repeat(64)}.example`, 'a..example', `${'a.'.repeat(127)}a`])
    t.equal(out(bad), undefined, bad.slice(0, 20));
  t.end();
});

t.test('endpoints: labels, readiness, target ports', t => {
  const pods = [
    pod('a', '10.244.0.2', { labels: { app: 'web', tier: 'front' } }),
    pod('b', '10.244.0.3', { ready: false }),
    pod('c', '10.244.0.4', { namespace: 'other' }),
    pod('d', '10.244.0.5', { ips: [] }),
    pod('e', '10.244.0.6', { ports: [{ name: 'http', containerPort: 99, protocol: 'UDP' }] }),
  ];
  const ips = (...[name, clusterIPs, more]: Parameters<typeof service>): string[] =>
    endpointsOf(service(name, clusterIPs, more), pods).map(({ ip }) => ip);
  t.same(ips('s', ['None']), ['10.244.0.2', '10.244.0.6']);
  t.same(ips('s', ['None'], { publishNotReadyAddresses: true }), ['10.244.0.2', '10.244.0.3', '10.244.0.6']);
  t.same(ips('s', ['None'], { selector: { app: 'web', tier: 'front' } }), ['10.244.0.2']);
  t.same(ips('s', ['None'], { selector: {} }), [], 'no selector, no endpoints');
  const { metadata, spec } = service('s', ['None']);
  const { selector: _, ...bare } = spec ?? {};
  t.same(endpointsOf({ ...(metadata === undefined ? {} : { metadata }), spec: bare }, pods), []);
  const ports = endpointsOf(
    service('s', ['None'], {
      ports: [
        { name: 'same', port: 80 },
        { name: 'number', port: 80, targetPort: 8000 },
        { name: 'named', port: 80, targetPort: 'http' },
        { name: 'zero', port: 81, targetPort: 0 },
        { name: 'udp', port: 53, targetPort: 'http', protocol: 'UDP' },
      ],
    }),
    pods,
  ).map(endpoint => endpoint.ports.map(({ name, protocol, port }) => `${name}/${protocol}/${port}`));
  t.same(ports, [
    ['same/TCP/80', 'number/TCP/8000', 'named/TCP/8080', 'zero/TCP/81'],
    ['same/TCP/80', 'number/TCP/8000', 'zero/TCP/81', 'udp/UDP/99'],
  ]);
  t.end();
});

t.test('the zone of a node', t => {
  const spec = { containers: [], hostname: 'web-0', subdomain: 'web' };
  const metadata = { namespace: 'shop', name: 'web', labels: { app: 'web' } };
  const pod = networkPod({ metadata, spec }, { uid: 'u', ips: ['10.244.0.2'], ready: true });
  const node = {
    podCidrs: [],
    serviceCidrs: [],
    pods: [pod],
    namespaces: [{ name: 'empty', labels: {} }],
    policies: [],
    services: [service('web', ['None'])],
  };
  const zone = zoneOf({ ...node, dns: { clusterIP: '10.96.0.10', listeners: [] } }, 'cluster.local');
  t.same(at(`web-0.web.${ZONE}`, zone), ['5 A 10.244.0.2']);
  t.same(at('empty.svc.cluster.local', zone), []);
  t.same(at('ns.dns.cluster.local', zone), ['5 A 10.96.0.10']);
  t.same(zoneOf(node, 'cluster.local').serverIPs, [], 'nobody answers');
  t.end();
});

t.test('reverse names', t => {
  for (const [ip, name] of [
    ['10.244.0.2', '2.0.244.10.in-addr.arpa'],
    ['1234:abcd::1', '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.c.b.a.4.3.2.1.ip6.arpa'],
    ['fd00:77:30::2:9ba6', '6.a.b.9.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.0.0.7.7.0.0.0.0.d.f.ip6.arpa'],
    ['::', `${Array(32).fill('0').join('.')}.ip6.arpa`],
    ['::1', `1.${Array(31).fill('0').join('.')}.ip6.arpa`],
    ['1::', `${Array(28).fill('0').join('.')}.1.0.0.0.ip6.arpa`],
    ['1:2:3:4:5:6:7:8', '8.0.0.0.7.0.0.0.6.0.0.0.5.0.0.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.ip6.arpa'],
    ['::ffff:10.0.0.1', `1.0.0.0.0.0.a.0.f.f.f.f.${Array(20).fill('0').join('.')}.ip6.arpa`],
  ] as const)
    t.equal(reverseName(ip), name, ip);
  t.end();
});
