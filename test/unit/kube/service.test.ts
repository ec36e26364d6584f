import t from 'tap';
import { formatFieldError } from '../../../src/kube/field-error.ts';
import type { Service, ServicePort, ServiceSpec } from '../../../src/kube/types.generated.ts';
import { setServiceDefaults, validateService } from '../../../src/kube/validate-service.ts';

const errorsOf = (spec: ServiceSpec, metadata: Service['metadata'] = { name: 's' }): readonly string[] =>
  validateService(setServiceDefaults({ metadata, spec })).map(formatFieldError);
const PORTS: readonly ServicePort[] = [{ port: 80 }];
const PORT = 'must be between 1 and 65535, inclusive';
const IP = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';

/** Each row: fields over a plain Service's, and what is wrong with them. */
function check(
  title: string,
  rows: readonly (readonly [spec: Partial<ServiceSpec>, ...errors: readonly string[]])[],
): void {
  t.test(title, t => {
    for (const [spec, ...errors] of rows)
      t.same(errorsOf({ ports: PORTS, ...spec }), errors, JSON.stringify(spec));
    t.end();
  });
}

t.test('defaults', t => {
  const of = (spec: ServiceSpec): ServiceSpec => setServiceDefaults({ spec }).spec ?? {};
  t.same(of({ ports: [{ port: 80 }, { port: 53, protocol: 'UDP', targetPort: 'dns' }] }), {
    type: 'ClusterIP',
    sessionAffinity: 'None',
    ports: [
      { port: 80, protocol: 'TCP', targetPort: 80 },
      { port: 53, protocol: 'UDP', targetPort: 'dns' },
    ],
    internalTrafficPolicy: 'Cluster',
  });
  t.match(of({ type: 'NodePort' }), { externalTrafficPolicy: 'Cluster', internalTrafficPolicy: 'Cluster' });
  t.match(of({ type: 'LoadBalancer' }), {
    allocateLoadBalancerNodePorts: true,
    externalTrafficPolicy: 'Cluster',
  });
  t.equal(of({ externalIPs: ['192.0.2.1'] }).externalTrafficPolicy, 'Cluster');
  t.equal(of({ type: 'ExternalName' }).internalTrafficPolicy, undefined);
  t.same(of({ clusterIP: 'None' }).clusterIPs, ['None']);
  t.same(of({ sessionAffinity: 'ClientIP' }).sessionAffinityConfig, { clientIP: { timeoutSeconds: 10800 } });
  t.same(
    of({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } })
      .sessionAffinityConfig,
    {
      clientIP: { timeoutSeconds: 5 },
    },
  );
  t.equal(
    of({ sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } }).sessionAffinityConfig,
    undefined,
  );
  t.end();
});

check('what is right', [
  [{}],
  [{ type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }],
  [{ clusterIP: 'None', ports: [] }],
  [
    {
      clusterIP: '10.96.0.1',
      clusterIPs: ['10.96.0.1', 'fd00::1'],
      ipFamilies: ['IPv4', 'IPv6'],
      ipFamilyPolicy: 'PreferDualStack',
    },
  ],
  [{ type: 'ExternalName', externalName: 'example.com.', ports: [] }],
  [
    {
      ports: [
        { port: 53, name: 'a' },
        { port: 53, protocol: 'UDP', name: 'b' },
      ],
    },
  ],
  [{ sessionAffinity: 'ClientIP', trafficDistribution: 'PreferSameNode', internalTrafficPolicy: 'Local' }],
  [
    {
      type: 'LoadBalancer',
      loadBalancerSourceRanges: [' 10.0.0.0/8 '],
      loadBalancerClass: 'a/b',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 31000,
    },
  ],
]);

t.test('metadata', t => {
  t.same(errorsOf({ ports: PORTS }, {}), ['metadata.name: Required value: name or generateName is required']);
  t.same(errorsOf({ ports: PORTS }, { name: '1st' }), [], 'since 1.36 any label');
  t.match(errorsOf({ ports: PORTS }, { name: 'a.b' }), [
    /^metadata\.name: Invalid value: "a\.b": a lowercase RFC 1123 label must/,
  ]);
  t.end();
});

check('ports', [
  [{ ports: [] }, 'spec.ports: Required value'],
  [{ ports: [{ port: 0, targetPort: 1 }] }, `spec.ports[0].port: Invalid value: 0: ${PORT}`],
  [{ ports: [{ port: 80, targetPort: 65536 }] }, `spec.ports[0].targetPort: Invalid value: 65536: ${PORT}`],
  [
    { ports: [{ port: 80, targetPort: '1' }] },
    'spec.ports[0].targetPort: Invalid value: "1": must contain at least one letter (a-z)',
  ],
  [
    { ports: [{ port: 80, protocol: 'HTTP' }] },
    'spec.ports[0].protocol: Unsupported value: "HTTP": supported values: "SCTP", "TCP", "UDP"',
  ],
  [
    { ports: [{ port: 80 }, { port: 81, name: 'a' }, { port: 82, name: 'a' }] },
    'spec.ports[0].name: Required value',
    'spec.ports[2].name: Duplicate value: "a"',
  ],
  [
    {
      ports: [
        { port: 80, name: 'a' },
        { port: 80, name: 'b', targetPort: 8080 },
      ],
    },
    'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}',
  ],
  [
    { ports: [{ port: 80, nodePort: 30080 }] },
    "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
  ],
  [
    {
      type: 'NodePort',
      ports: [
        { port: 80, name: 'a', nodePort: 30080 },
        { port: 81, name: 'b', nodePort: 30080 },
      ],
    },
    'spec.ports[1].nodePort: Duplicate value: 30080',
  ],
]);

check('types', [
  [
    { type: 'Cluster' },
    'spec.type: Unsupported value: "Cluster": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
  ],
  [
    { type: 'NodePort', clusterIP: 'None' },
    'spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for NodePort services',
  ],
  [
    { type: 'LoadBalancer', clusterIP: 'None' },
    'spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for LoadBalancer services',
  ],
  [{ type: 'ExternalName' }, 'spec.externalName: Required value'],
  [
    {
      type: 'ExternalName',
      externalName: 'example.com',
      clusterIP: '10.96.0.1',
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
    },
    'spec.clusterIPs: Forbidden: may not be set for ExternalName services',
    'spec.ipFamilies: Forbidden: may not be set for ExternalName services',
    'spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services',
  ],
]);

check('addresses', [
  [{ clusterIP: 'x' }, `spec.clusterIPs[0]: Invalid value: "x": ${IP}`],
  [{ clusterIP: '010.96.0.1' }, 'spec.clusterIPs[0]: Invalid value: "010.96.0.1": must not have leading 0s'],
  [
    { clusterIPs: ['10.96.0.1'] },
    'spec.clusterIPs: Invalid value: ["10.96.0.1"]: must be empty when `clusterIP` is not specified',
  ],
  [
    { clusterIP: '10.96.0.2', clusterIPs: ['10.96.0.1'] },
    'spec.clusterIPs: Invalid value: ["10.96.0.1"]: first value must match `clusterIP`',
  ],
  [
    { clusterIP: 'None', clusterIPs: ['None', '10.96.0.1'] },
    'spec.clusterIPs: Invalid value: ["None","10.96.0.1"]: \'None\' must be the first and only value',
  ],
  [
    { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1', '10.96.0.2'] },
    'spec.clusterIPs: Invalid value: ["10.96.0.1","10.96.0.2"]: may specify no more than one IP for each IP family',
  ],
  [
    { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1', 'fd00::1', '10.96.0.2'] },
    'spec.clusterIPs: Invalid value: ["10.96.0.1","fd00::1","10.96.0.2"]: may only hold up to 2 values',
  ],
  [
    { clusterIP: '10.96.0.1', ipFamilies: ['IPv6'] },
    'spec.clusterIPs[0]: Invalid value: "10.96.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`',
  ],
  [
    { ipFamilies: ['IPv4', 'IPv4', 'ipv6'], ipFamilyPolicy: 'Both' },
    'spec.ipFamilies[1]: Duplicate value: "IPv4"',
    'spec.ipFamilies[2]: Unsupported value: "ipv6": supported values: "IPv4", "IPv6"',
    'spec.ipFamilyPolicy: Unsupported value: "Both": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
  ],
  [
    { externalIPs: ['127.0.0.1', 'x', '192.0.2.1'] },
    'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
    `spec.externalIPs[1]: Invalid value: "x": ${IP}`,
  ],
]);

check('affinity, traffic and load balancers', [
  [
    { sessionAffinity: 'Cookie' },
    'spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"',
  ],
  ...[0, 86401].map(
    timeoutSeconds =>
      [
        { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds } } },
        `spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: ${timeoutSeconds}: must be greater than 0 and less than 86400`,
      ] as const,
  ),
  [
    { externalTrafficPolicy: 'Local' },
    'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
  ],
  [
    { type: 'NodePort', externalTrafficPolicy: 'Global' },
    'spec.externalTrafficPolicy: Unsupported value: "Global": supported values: "Cluster", "Local"',
  ],
  [
    { internalTrafficPolicy: 'Global' },
    'spec.internalTrafficPolicy: Unsupported value: "Global": supported values: "Cluster", "Local"',
  ],
  [
    { trafficDistribution: 'Far' },
    'spec.trafficDistribution: Unsupported value: "Far": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"',
  ],
  [
    { healthCheckNodePort: 31000 },
    "spec.healthCheckNodePort: Invalid value: 31000: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
  ],
  [
    { loadBalancerSourceRanges: ['x'], loadBalancerClass: 'a', allocateLoadBalancerNodePorts: true },
    "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
    'spec.LoadBalancerSourceRanges[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'",
    "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
  ],
]);

t.test('selector', t => {
  t.match(errorsOf({ ports: PORTS, selector: { a: '-' } }), [
    /^spec\.selector: Invalid value: "-": a valid label must be/,
  ]);
  t.end();
});
