import t from 'tap';
import { PRINTED_KINDS, tableOf } from '../../../../src/agent/print/table.ts';

const NOW = Date.parse('2026-01-01T01:00:00Z');
const metadata = { name: 'x', namespace: 'dev', creationTimestamp: '2026-01-01T00:59:50Z' };

/** An object of each kind, and its row: name and age, which all have, are left out. */
const ROWS: Readonly<Record<string, readonly (readonly [object: object, cells: readonly unknown[]])[]>> = {
  Namespace: [
    [{}, ['Active']],
    [{ status: { phase: 'Terminating' } }, ['Terminating']],
  ],
  ConfigMap: [
    [{}, [0]],
    [{ data: { a: '', b: '' }, binaryData: { c: '' } }, [3]],
  ],
  Secret: [[{ type: 'Opaque', data: { a: '' } }, ['Opaque', 1]]],
  ServiceAccount: [[{ secrets: [{ name: 'a' }] }, [1]]],
  PersistentVolumeClaim: [
    [{}, ['Pending', '', '', '', '', '<unset>', '<unset>']],
    [
      {
        spec: { volumeName: 'v', storageClassName: 's', volumeMode: 'Filesystem' },
        status: {
          phase: 'Bound',
          capacity: { storage: '1Gi' },
          accessModes: ['ReadWriteOnce', 'ReadOnlyMany'],
        },
      },
      ['Bound', 'v', '1Gi', 'RWO,ROX', 's', '<unset>', 'Filesystem'],
    ],
  ],
  Service: [
    [{ spec: {} }, ['ClusterIP', '<none>', '<none>', '<none>', '<none>']],
    [
      {
        spec: {
          type: 'NodePort',
          clusterIP: '10.96.0.1',
          selector: { b: '2', a: '1' },
          ports: [
            { port: 80, nodePort: 30080 },
            { port: 53, protocol: 'UDP' },
          ],
        },
      },
      ['NodePort', '10.96.0.1', '<none>', '80:30080/TCP,53/UDP', 'a=1,b=2'],
    ],
    [
      { spec: { type: 'ExternalName', externalName: 'example.org' } },
      ['ExternalName', '<none>', 'example.org', '<none>', '<none>'],
    ],
    [{ spec: { type: 'LoadBalancer' } }, ['LoadBalancer', '<none>', '<pending>', '<none>', '<none>']],
  ],
  Endpoints: [
    [{}, ['<none>']],
    [
      {
        subsets: [
          {
            addresses: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }],
            ports: [{ port: 80 }, { port: 443 }],
          },
        ],
      },
      ['10.0.0.1:80,[fd00::1]:80,10.0.0.1:443 + 1 more...'],
    ],
    [{ subsets: [{ addresses: [{ ip: '10.0.0.1' }] }] }, ['10.0.0.1']],
  ],
  EndpointSlice: [
    [{ addressType: 'IPv4' }, ['IPv4', '<unset>', '<unset>']],
    [
      {
        addressType: 'IPv4',
        ports: [{ port: 80 }, { name: 'web' }, {}],
        endpoints: [{ addresses: ['10.0.0.1'] }, { addresses: ['10.0.0.2'] }],
      },
      ['IPv4', '80,web,*', '10.0.0.1,10.0.0.2'],
    ],
  ],
  NetworkPolicy: [
    [{}, ['<none>']],
    [{ spec: { podSelector: { matchLabels: { app: 'web' } } } }, ['app=web']],
  ],
  RoleBinding: [
    [
      {
        roleRef: { kind: 'ClusterRole', name: 'view' },
        subjects: [
          { kind: 'User', name: 'ann' },
          { kind: 'User', name: 'bob' },
          { kind: 'Group', name: 'team' },
          { kind: 'ServiceAccount', name: 'ci', namespace: 'dev' },
        ],
      },
      ['ClusterRole/view', 'ann, bob', 'team', 'dev/ci'],
    ],
  ],
  ClusterRoleBinding: [[{}, ['/', '', '', '']]],
  Node: [
    [{}, ['Unknown', '<none>', '', '<none>', '<none>', '<unknown>', '<unknown>', '<unknown>']],
    [
      {
        metadata: {
          ...metadata,
          labels: { 'node-role.kubernetes.io/worker': '', 'kubernetes.io/role': 'edge', other: '' },
        },
        spec: { unschedulable: true },
        status: {
          conditions: [{ type: 'Ready', status: 'True' }],
          addresses: [{ type: 'InternalIP', address: '192.0.2.1' }],
          nodeInfo: {
            kubeletVersion: 'v1.36.0',
            osImage: 'Debian',
            kernelVersion: '6.1',
            containerRuntimeVersion: 'podspace://1',
          },
        },
      },
      [
        'Ready,SchedulingDisabled',
        'edge,worker',
        'v1.36.0',
        '192.0.2.1',
        '<none>',
        'Debian',
        '6.1',
        'podspace://1',
      ],
    ],
    [
      { status: { conditions: [{ type: 'Ready', status: 'False' }] } },
      ['NotReady', '<none>', '', '<none>', '<none>', '<unknown>', '<unknown>', '<unknown>'],
    ],
  ],
};

t.test('rows of each kind', t => {
  for (const [kind, cases] of Object.entries(ROWS))
    for (const [object, want] of cases) {
      const { columns, rows } = tableOf(kind, [{ metadata, ...object }], NOW);
      const cells = rows[0]?.cells ?? [];
      const at = (name: string): unknown => cells[columns.findIndex(column => column.name === name)];
      t.equal(at('Name'), 'x', kind);
      t.equal(at('Age'), '10s', kind);
      t.same(
        cells.filter((_, i) => !['Name', 'Age'].includes(columns[i]?.name ?? '')),
        want,
        kind,
      );
    }
  t.end();
});

const EVENT = {
  metadata: { name: 'web.1' },
  involvedObject: { kind: 'Pod', name: 'web', fieldPath: 'spec.containers{a}' },
  type: 'Warning',
  reason: 'BackOff',
  message: ' Back-off \n',
  source: { component: 'kubelet', host: 'here' },
};

t.test('events: the last time, the first, and how often', t => {
  const row = (more: object): unknown => tableOf('Event', [{ ...EVENT, ...more }], NOW).rows[0]?.cells;
  const [first, last] = ['2026-01-01T00:58:00Z', '2026-01-01T00:59:00Z'];
  const middle = ['Warning', 'BackOff', 'pod/web', 'spec.containers{a}', 'kubelet, here', 'Back-off'];
  t.same(row({ firstTimestamp: first, lastTimestamp: last, count: 8 }), ['60s', ...middle, '2m', 8, 'web.1']);
  t.same(row({ eventTime: first }), ['2m', ...middle, '2m', 1, 'web.1']);
  t.same(row({ eventTime: first, series: { count: 3, lastObservedTime: last } }), [
    '60s',
    ...middle,
    '2m',
    3,
    'web.1',
  ]);
  t.same(row({ firstTimestamp: null, count: 0 }), ['<unknown>', ...middle, '<unknown>', 1, 'web.1']);
  t.same(tableOf('Event', [{}], NOW).rows[0]?.cells, [
    '<unknown>',
    '',
    '',
    '',
    '',
    '',
    '',
    '<unknown>',
    1,
    '',
  ]);
  t.end();
});

t.test('a cell for each column, also of an object that says nothing', t => {
  for (const kind of PRINTED_KINDS) {
    const { columns, rows } = tableOf(kind, [{}], NOW);
    t.equal(rows[0]?.cells.length, columns.length, kind);
    t.notOk(
      rows[0]?.cells.some(cell => cell === undefined || cell === null),
      kind,
    );
    t.ok(
      columns.every(({ description }) => description !== ''),
      kind,
    );
  }
  t.same(tableOf('Pod', [], NOW).rows, []);
  t.throws(() => tableOf('Deployment', [], NOW), { message: /no columns for Deployment/ });
  t.throws(() => tableOf('constructor', [], NOW), { message: /no columns/ });
  t.end();
});
