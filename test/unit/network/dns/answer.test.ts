import fc from 'fast-check';
import t from 'tap';
import { type Answer, answer } from '../../../../src/network/dns/answer.ts';
import { type DnsRecord, records } from '../../../../src/network/dns/records.ts';
import { reverseName } from '../../../../src/network/dns/reverse-name.ts';
import { stateOf } from './state.ts';

const ZONE = 'shop.svc.cluster.local';
const SOA = 'cluster.local SOA ns.dns.cluster.local hostmaster.cluster.local 1 7200 1800 86400 5';

const text = ({ name, type, data }: DnsRecord): string =>
  `${name} ${type} ${typeof data === 'string' ? data : Object.values(data).join(' ')}`;

/** An answer in lines: the code, answers, `!` authorities, `+` additional records, `>` where it goes on. */
const said = ({ rcode, answers, authorities, additionals, elsewhere }: Answer): readonly string[] => [
  rcode,
  ...answers.map(text),
  ...authorities.map(record => `! ${text(record)}`),
  ...additionals.map(record => `+ ${text(record)}`),
  ...(elsewhere === undefined ? [] : [`> ${elsewhere}`]),
];

const state = stateOf();
const ask = (name: string, type: string): readonly string[] => said(answer({ name, type }, state));
const NODATA = ['NOERROR', `! ${SOA}`];
const NXDOMAIN = ['NXDOMAIN', `! ${SOA}`];

t.test('answers', t => {
  for (const [name, type, ...lines] of [
    [`front.${ZONE}`, 'A', `front.${ZONE} A 10.96.0.20`],
    [`FRONT.shop.SVC.Cluster.LOCAL`, 'A', `front.${ZONE} A 10.96.0.20`],
    [`front.${ZONE}`, 'AAAA', `front.${ZONE} AAAA fd01::20`],
    [
      `front.${ZONE}`,
      'ANY',
      ...[
        'A 10.96.0.20',
        'AAAA fd01::20',
        `SRV 0 33 80 front.${ZONE}`,
        `SRV 0 33 53 front.${ZONE}`,
        `SRV 0 33 9999 front.${ZONE}`,
      ].map(each => `front.${ZONE} ${each}`),
      `+ front.${ZONE} A 10.96.0.20`,
      `+ front.${ZONE} AAAA fd01::20`,
    ],
    [
      `_http._tcp.front.${ZONE}`,
      'SRV',
      `_http._tcp.front.${ZONE} SRV 0 100 80 front.${ZONE}`,
      `+ front.${ZONE} A 10.96.0.20`,
      `+ front.${ZONE} AAAA fd01::20`,
    ],
    [
      `_http._tcp.web.${ZONE}`,
      'SRV',
      `_http._tcp.web.${ZONE} SRV 0 33 8080 web-0.web.${ZONE}`,
      `_http._tcp.web.${ZONE} SRV 0 33 8080 web-1.web.${ZONE}`,
      `+ web-0.web.${ZONE} A 10.244.0.2`,
      `+ web-1.web.${ZONE} A 10.244.0.3`,
      `+ web-1.web.${ZONE} AAAA fd00::3`,
    ],
    ['20.0.96.10.in-addr.arpa', 'PTR', `20.0.96.10.in-addr.arpa PTR front.${ZONE}`],
    ['cluster.local', 'NS', 'cluster.local NS ns.dns.cluster.local', '+ ns.dns.cluster.local A 10.96.0.10'],
    ['cluster.local', 'SOA', SOA],
    ['dns-version.cluster.local', 'TXT', 'dns-version.cluster.local TXT 1.1.0'],
    [`out.${ZONE}`, 'CNAME', `out.${ZONE} CNAME example.org`],
    [`alias.${ZONE}`, 'CNAME', `alias.${ZONE} CNAME front.${ZONE}`],
    [`alias.${ZONE}`, 'A', `alias.${ZONE} CNAME front.${ZONE}`, `front.${ZONE} A 10.96.0.20`],
    [`out.${ZONE}`, 'A', `out.${ZONE} CNAME example.org`, '> example.org'],
    [`out.${ZONE}`, 'MX', `out.${ZONE} CNAME example.org`, '> example.org'],
    [`alias.${ZONE}`, 'TXT', `alias.${ZONE} CNAME front.${ZONE}`, `! ${SOA}`],
  ] as const)
    t.same(ask(name, type), ['NOERROR', ...lines], `${name} ${type}`);
  t.end();
});

t.test('names of pods by their addresses, where the namespace exists', t => {
  for (const [name, type, ...lines] of [
    ['10-244-0-2.shop.pod.cluster.local', 'A', '10-244-0-2.shop.pod.cluster.local A 10.244.0.2'],
    ['1-2-3-4.empty.pod.cluster.local', 'A', '1-2-3-4.empty.pod.cluster.local A 1.2.3.4'],
    ['fd00--3.shop.pod.cluster.local', 'AAAA', 'fd00--3.shop.pod.cluster.local AAAA fd00::3'],
    ['--1.shop.pod.cluster.local', 'AAAA', '--1.shop.pod.cluster.local AAAA ::1'],
    ['1-2--3.shop.pod.cluster.local', 'AAAA', '1-2--3.shop.pod.cluster.local AAAA 1:2::3'],
    ['10-244-0-2.shop.pod.cluster.local', 'AAAA', `! ${SOA}`],
    ['fd00--3.shop.pod.cluster.local', 'A', `! ${SOA}`],
  ] as const)
    t.same(ask(name, type), ['NOERROR', ...lines], `${name} ${type}`);
  for (const name of [
    '10-244-0-2.nowhere.pod.cluster.local',
    '10-244-0.shop.pod.cluster.local',
    '10-244-0-256.shop.pod.cluster.local',
    '10-244-0-02.shop.pod.cluster.local',
    'web-0.shop.pod.cluster.local',
    'x.10-244-0-2.shop.pod.cluster.local',
    'fd00---3.shop.pod.cluster.local',
  ])
    t.same(ask(name, 'A'), NXDOMAIN, name);
  t.end();
});

t.test('no such name, and nothing of that type', t => {
  for (const name of [
    `gone.${ZONE}`,
    `nobody.${ZONE}`,
    `_nothing._tcp.front.${ZONE}`,
    `a.b.c.front.${ZONE}`,
    'web.nowhere.svc.cluster.local',
    'nowhere.svc.cluster.local',
    'x.cluster.local',
    'example.org.cluster.local',
    `x.out.${ZONE}`,
  ])
    for (const type of ['A', 'AAAA', 'SRV', 'TXT', 'HTTPS', 'ANY'])
      t.same(ask(name, type), NXDOMAIN, `${name} ${type}`);
  for (const [name, type] of [
    [`idle.${ZONE}`, 'AAAA'],
    [`front.${ZONE}`, 'TXT'],
    [`front.${ZONE}`, 'UNKNOWN_65280'],
    [`_tcp.front.${ZONE}`, 'A'],
    [ZONE, 'A'],
    ['empty.svc.cluster.local', 'NS'],
    ['shop.pod.cluster.local', 'A'],
    ['svc.cluster.local', 'ANY'],
    ['pod.cluster.local', 'SRV'],
    ['cluster.local', 'A'],
  ] as const)
    t.same(ask(name, type), NODATA, `${name} ${type}`);
  t.same(ask('20.0.96.10.in-addr.arpa', 'A'), ['NOERROR'], 'a reverse name of ours, whose zone is not');
  t.same(ask(`dangling.${ZONE}`, 'A'), ['NXDOMAIN', `dangling.${ZONE} CNAME gone.${ZONE}`, `! ${SOA}`]);
  t.end();
});

t.test('names that are not the cluster’s are somebody else’s', t => {
  for (const name of [
    'example.org',
    'Example.ORG',
    'local',
    'xcluster.local',
    'web',
    '',
    reverseName('192.0.2.1'),
    reverseName('10.244.9.9'),
    'cluster.local.example.org',
  ])
    t.same(ask(name, 'A'), ['NOERROR', `> ${name}`], name);
  t.end();
});

t.test('aliases in a circle end', t => {
  t.same(ask(`loop.${ZONE}`, 'A'), ['SERVFAIL']);
  t.same(ask(`loop.${ZONE}`, 'CNAME'), ['NOERROR', `loop.${ZONE} CNAME pool.${ZONE}`]);
  t.end();
});

t.test('a changed state is a new one', t => {
  const before = stateOf();
  const after = { ...before, services: [] };
  const ask = (of: typeof before): string => answer({ name: `front.${ZONE}`, type: 'A' }, of).rcode;
  t.same([ask(before), ask(after), ask(before)], ['NOERROR', 'NXDOMAIN', 'NOERROR']);
  t.end();
});

t.test('whatever is asked: an answer is of the name and type, and every name of the table is answered', t => {
  const all = records(state);
  const names = [...all.keys()];
  const types = ['A', 'AAAA', 'CNAME', 'NS', 'PTR', 'SOA', 'SRV', 'TXT', 'ANY', 'MX'];
  const name = fc.oneof(
    fc.constantFrom(...names),
    fc.constantFrom(...names).map(each => each.toUpperCase()),
    fc.constantFrom(...names).map(each => `x.${each}`),
    fc.domain(),
    fc.string(),
  );
  fc.assert(
    fc.property(name, fc.constantFrom(...types), (name, type) => {
      const found = answer({ name, type }, state);
      const own = all.get(name.toLowerCase());
      if (own?.some(record => record.type === type) === true && found.answers.length === 0) return false;
      if (own !== undefined && found.rcode === 'NXDOMAIN' && found.answers.length === 0) return false;
      const [first] = found.answers;
      return (
        (first === undefined || first.name === name.toLowerCase()) &&
        found.answers.every(record => type === 'ANY' || record.type === type || record.type === 'CNAME')
      );
    }),
    { numRuns: 2000 },
  );
  t.pass('2000 questions');
  t.end();
});
