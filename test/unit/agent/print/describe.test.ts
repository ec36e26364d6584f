import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { alignTabs } from '../../../../src/agent/print/align-tabs.ts';
import { formatProbe } from '../../../../src/agent/print/describe/containers.ts';
import { describeObject } from '../../../../src/agent/print/describe/describe.ts';
import type { Related } from '../../../../src/agent/print/describe/lines.ts';
import type { Named } from '../../../../src/agent/print/row.ts';
import { loadYaml } from './load-yaml.ts';

// Times are printed in the local time zone.
process.env.TZ = 'UTC';
const NOW = Date.parse('2026-01-01T01:00:00Z');
const DIRECTORY = 'test/unit/agent/print/described';

interface Case extends Related {
  readonly object: Named & { readonly kind: string };
}

/** Objects of a file, with what they are described with; what kubectl prints of them stands in a `.txt` beside it. */
const described = (name: string): string =>
  loadYaml<readonly Case[]>(`${DIRECTORY}/${name}.yaml`)
    .map(({ object, ...related }) => describeObject(object.kind, object, related, NOW))
    .join('\n\n');

for (const name of ['pod', 'config', 'network', 'policy', 'node'])
  t.test(`describe: ${name}`, t => {
    const actual = described(name);
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(`${DIRECTORY}/${name}.txt`, actual);
    t.equal(actual, readFileSync(`${DIRECTORY}/${name}.txt`, 'utf8'));
    t.end();
  });

t.test('columns end where a line has none of them', t => {
  t.equal(alignTabs(['a:\t1', 'long:\t2', 'x', 'b:\t3']), 'a:     1\nlong:  2\nx\nb:  3\n');
  t.equal(alignTabs(['a\tb\tc', 'aa\t', 'a\tbbb\tc']), 'a   b  c\naa  \na   bbb  c\n');
  t.equal(alignTabs(['', '\tx']), '\n  x\n');
  t.equal(alignTabs(['é\t1', '日本\t2']), 'é     1\n日本  2\n', 'by what a terminal shows');
  t.end();
});

t.test('probes, as DescribeProbe says them', t => {
  const rest = 'delay=0s timeout=1s period=10s #success=1 #failure=3';
  const cases: readonly (readonly [Parameters<typeof formatProbe>[0], string])[] = [
    [{ httpGet: { port: 'web', scheme: 'HTTPS', host: 'h', path: '/a?b' } }, 'http-get https://h:web/a%3Fb'],
    [{ httpGet: { port: 80, host: '::1', path: 'x' } }, 'http-get http://[::1]:80/x'],
    [{ tcpSocket: { port: 80 } }, 'tcp-socket :80'],
    [{ grpc: { port: 80, service: 's' } }, 'grpc <pod>:80 s'],
    [{}, 'unknown'],
  ];
  for (const [probe, want] of cases) t.equal(formatProbe(probe), `${want} ${rest}`);
  t.end();
});

t.test('what a terminal obeys is not printed, and nothing that is missing is a mistake', t => {
  const object = { metadata: { name: 'x\u001b[31m', labels: { a: '\u009b2J' } } };
  const text = describeObject('Pod', { ...object, spec: { containers: [] } } as Named, {}, NOW);
  t.notOk(text.includes('\u001b') || text.includes('\u009b'));
  t.match(text, 'Name:         x?[31m\n');
  for (const kind of [
    'Pod',
    'Node',
    'ConfigMap',
    'Secret',
    'Namespace',
    'Service',
    'Endpoints',
    'EndpointSlice',
  ])
    t.match(describeObject(kind, {}, { events: [] }, NOW), /^Name: /, kind);
  for (const kind of [
    'NetworkPolicy',
    'Role',
    'RoleBinding',
    'ServiceAccount',
    'PersistentVolumeClaim',
    'constructor',
  ])
    t.match(describeObject(kind, {}, {}, NOW), /^Name: /, kind);
  t.end();
});
