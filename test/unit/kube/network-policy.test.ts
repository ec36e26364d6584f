import t from 'tap';
import { formatFieldError } from '../../../src/kube/field-error.ts';
import type { NetworkPolicy } from '../../../src/kube/types.generated.ts';
import {
  setNetworkPolicyDefaults,
  validateNetworkPolicy,
} from '../../../src/kube/validate-network-policy.ts';

type Spec = NonNullable<NetworkPolicy['spec']>;
const errorsOf = (spec: Spec, metadata: NetworkPolicy['metadata'] = { name: 'p' }): readonly string[] =>
  validateNetworkPolicy(setNetworkPolicyDefaults({ metadata, spec })).map(formatFieldError);
type Rule = NonNullable<Spec['ingress']>[number];
const ingress = (rule: Rule): readonly string[] => errorsOf({ ingress: [rule] });
const PORT = 'must be between 1 and 65535, inclusive';

t.test('defaults', t => {
  const types = (spec: Spec): unknown => setNetworkPolicyDefaults({ spec }).spec?.policyTypes;
  t.same(types({}), ['Ingress']);
  t.same(types({ ingress: [] }), ['Ingress']);
  t.same(types({ egress: [] }), ['Ingress']);
  t.same(types({ egress: [{}] }), ['Ingress', 'Egress']);
  t.same(types({ policyTypes: [], egress: [{}] }), ['Ingress', 'Egress']);
  t.same(types({ policyTypes: ['Egress'] }), ['Egress']);
  t.match(
    setNetworkPolicyDefaults({
      metadata: { name: 'p' },
      spec: {
        ingress: [{ ports: [{ port: 80 }, { port: 53, protocol: 'UDP' }] }],
        egress: [{ ports: [{}] }],
      },
    }),
    {
      metadata: { name: 'p', namespace: 'default' },
      spec: {
        podSelector: {},
        ingress: [
          {
            ports: [
              { port: 80, protocol: 'TCP' },
              { port: 53, protocol: 'UDP' },
            ],
          },
        ],
        egress: [{ ports: [{ protocol: 'TCP' }] }],
      },
    },
  );
  const once = setNetworkPolicyDefaults({ spec: { egress: [{ ports: [{ port: 1 }] }] } });
  t.same(setNetworkPolicyDefaults(once), once, 'once more changes nothing');
  t.end();
});

t.test('what is right', t => {
  t.same(errorsOf({}), []);
  t.same(
    errorsOf({
      podSelector: {
        matchLabels: { app: 'web' },
        matchExpressions: [{ key: 'x', operator: 'NotIn', values: ['y'] }],
      },
      policyTypes: ['Egress', 'Ingress'],
      ingress: [
        {
          from: [
            { podSelector: {}, namespaceSelector: {} },
            { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16', '10.2.3.4/32'] } },
            { ipBlock: { cidr: '::/0', except: ['2001:db8::/32'] } },
          ],
          ports: [{ port: 80, endPort: 80 }, { port: 'http' }, { protocol: 'SCTP' }],
        },
      ],
      egress: [{}],
    }),
    [],
  );
  t.end();
});

t.test('metadata', t => {
  t.same(errorsOf({}, {}), ['metadata.name: Required value: name or generateName is required']);
  t.same(errorsOf({}, { generateName: 'p-' }), []);
  t.match(errorsOf({}, { name: 'A' }), [
    /^metadata\.name: Invalid value: "A": a lowercase RFC 1123 subdomain must/,
  ]);
  t.match(errorsOf({}, { generateName: 'A-' }), [
    /^metadata\.generateName: Invalid value: "A-": a lowercase RFC 1123/,
  ]);
  t.match(errorsOf({}, { name: 'p', namespace: 'a.b' }), [
    /^metadata\.namespace: Invalid value: "a\.b": a lowercase RFC 1123 label/,
  ]);
  t.match(errorsOf({}, { name: 'p', labels: { 'a b': 'c' } }), [
    /^metadata\.labels: Invalid value: "a b": name part must/,
  ]);
  t.end();
});

t.test('selectors', t => {
  t.same(errorsOf({ podSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } }), [
    "spec.podSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
  ]);
  t.same(
    ingress({ from: [{}, { namespaceSelector: { matchExpressions: [{ key: 'a', operator: 'is' }] } }] }),
    [
      'spec.ingress[0].from[0]: Required value: must specify a peer',
      'spec.ingress[0].from[1].namespaceSelector.matchExpressions[0].operator: Invalid value: "is": not a valid selector operator',
    ],
  );
  t.match(errorsOf({ egress: [{ to: [{ podSelector: { matchLabels: { a: '-' } } }] }] }), [
    /^spec\.egress\[0\]\.to\[0\]\.podSelector\.matchLabels: Invalid value: "-": a valid label must be/,
  ]);
  t.end();
});

t.test('ports', t => {
  const at = 'spec.ingress[0].ports[0]';
  for (const [port, ...errors] of [
    [{ port: 0 }, `${at}.port: Invalid value: 0: ${PORT}`],
    [{ port: 65536 }, `${at}.port: Invalid value: 65536: ${PORT}`],
    [
      { port: 80, endPort: 79 },
      `${at}.endPort: Invalid value: 79: must be greater than or equal to \`port\``,
    ],
    [{ port: 80, endPort: 65536 }, `${at}.endPort: Invalid value: 65536: ${PORT}`],
    [
      { port: 80, endPort: 0 },
      `${at}.endPort: Invalid value: 0: must be greater than or equal to \`port\``,
      `${at}.endPort: Invalid value: 0: ${PORT}`,
    ],
    [
      { port: 'http', endPort: 90 },
      `${at}.endPort: Invalid value: 90: may not be specified when \`port\` is non-numeric`,
    ],
    [
      { endPort: 90 },
      `${at}.endPort: Invalid value: 90: may not be specified when \`port\` is not specified`,
    ],
    [{ port: '-a' }, `${at}.port: Invalid value: "-a": must not begin or end with a hyphen`],
    [
      { protocol: 'ICMP' },
      `${at}.protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"`,
    ],
  ] as const)
    t.same(ingress({ ports: [port] }), errors, JSON.stringify(port));
  t.end();
});

t.test('ipBlock', t => {
  const at = 'spec.ingress[0].from[0].ipBlock';
  const block = (cidr: string, ...except: readonly string[]): readonly string[] =>
    ingress({ from: [{ ipBlock: { cidr, ...(except.length > 0 ? { except } : {}) } }] });
  t.same(block(''), [`${at}.cidr: Required value`]);
  t.same(block('10.0.0.0'), [
    `${at}.cidr: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`,
  ]);
  t.same(block('10.0.0.5/8', '10.1.0.0/16'), [
    `${at}.cidr: Invalid value: "10.0.0.5/8": must not have bits set beyond the prefix length`,
  ]);
  const subset = 'must be a strict subset of `cidr`';
  t.same(block('10.0.0.0/8', '10.1.0.0/16', '11.0.0.0/16', '10.0.0.0/8', '0.0.0.0/0', '2001:db8::/64'), [
    ...['11.0.0.0/16', '10.0.0.0/8', '0.0.0.0/0', '2001:db8::/64'].map(
      (text, i) => `${at}.except[${i + 1}]: Invalid value: "${text}": ${subset}`,
    ),
  ]);
  t.same(block('10.0.0.0/8', '10.1.0.1/16', 'x'), [
    `${at}.except[0]: Invalid value: "10.1.0.1/16": must not have bits set beyond the prefix length`,
    `${at}.except[1]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`,
  ]);
  t.same(ingress({ from: [{ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }] }), [
    'spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer',
  ]);
  t.end();
});

t.test('policyTypes', t => {
  t.same(errorsOf({ policyTypes: ['Ingress', 'ingress'] }), [
    'spec.policyTypes[1]: Unsupported value: "ingress": supported values: "Ingress", "Egress"',
  ]);
  t.same(errorsOf({ policyTypes: ['Ingress', 'Egress', 'Ingress'] }), [
    'spec.policyTypes: Invalid value: ["Ingress","Egress","Ingress"]: may not specify more than two policyTypes',
  ]);
  t.end();
});
