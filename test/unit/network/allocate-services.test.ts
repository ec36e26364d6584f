import fc from 'fast-check';
import t from 'tap';
import { formatFieldError } from '../../../src/kube/field-error.ts';
import type { Service, ServiceSpec } from '../../../src/kube/types.generated.ts';
import { type Allocation, allocateServices } from '../../../src/network/allocate-services.ts';
import { serviceOf } from './nodes.ts';

const ONE = { serviceCidrs: ['10.96.0.0/12'], reserved: ['10.96.0.10'] };
const TWO = { serviceCidrs: ['10.96.0.0/12', 'fd00:10:96::/112'] };
const service = (name: string, spec: ServiceSpec = {}): Service =>
  serviceOf(`x/${name}`, { ports: [{ port: 80 }], ...spec });
const specOf = ({ services }: Allocation, name = 's'): ServiceSpec =>
  services.find(({ metadata }) => metadata?.name === name)?.spec ?? {};
const errorsOf = ({ refused }: Allocation): readonly string[] =>
  refused.flatMap(({ errors }) => errors.map(formatFieldError));

t.test('what is asked for', t => {
  t.match(specOf(allocateServices([service('s', { clusterIP: '10.96.0.7' })], ONE)), {
    clusterIP: '10.96.0.7',
    clusterIPs: ['10.96.0.7'],
    ipFamilies: ['IPv4'],
    ipFamilyPolicy: 'SingleStack',
  });
  const twice = allocateServices(
    [service('b', { clusterIP: '10.96.0.7' }), service('a', { clusterIP: '10.96.0.7' })],
    ONE,
  );
  t.equal(twice.services.length, 1);
  t.equal(twice.refused[0]?.service.metadata?.name, 'a', 'the first of the list has it');
  t.same(errorsOf(twice), [
    'spec.clusterIPs: Invalid value: ["10.96.0.7"]: failed to allocate IP 10.96.0.7: provided IP is already allocated',
  ]);
  for (const [ip, problem] of [
    ['10.96.0.10', 'provided IP is already allocated'],
    ['192.0.2.1', 'the provided network does not match the current range'],
    [
      '10.96.0.0',
      'the provided IP (10.96.0.0) is not in the valid range. The range of valid IPs is 10.96.0.0/12',
    ],
    [
      '10.111.255.255',
      'the provided IP (10.111.255.255) is not in the valid range. The range of valid IPs is 10.96.0.0/12',
    ],
  ] as const)
    t.same(errorsOf(allocateServices([service('s', { clusterIP: ip })], ONE)), [
      `spec.clusterIPs: Invalid value: ["${ip}"]: failed to allocate IP ${ip}: ${problem}`,
    ]);
  t.end();
});

t.test('node ports', t => {
  const nodePorts = (
    ...ports: readonly (readonly [port: number, nodePort?: number, protocol?: string])[]
  ): ServiceSpec => ({
    type: 'NodePort',
    ports: ports.map(([port, nodePort, protocol], i) => ({ port, nodePort, protocol, name: `p${i}` })),
  });
  const numbers = (spec: ServiceSpec): readonly (number | undefined)[] =>
    (spec.ports ?? []).map(({ nodePort }) => nodePort);
  t.same(
    numbers(specOf(allocateServices([service('s', nodePorts([80, 30001], [81, 32767]))], ONE))),
    [30001, 32767],
  );
  const [tcp, udp, other] = numbers(
    specOf(
      allocateServices([service('s', nodePorts([53, undefined, 'TCP'], [53, undefined, 'UDP'], [54]))], ONE),
    ),
  );
  t.equal(tcp, udp, 'one for a port of two protocols');
  t.not(other, tcp);
  t.ok((tcp ?? 0) >= 30086 && (tcp ?? 0) <= 32767, `${tcp}`);
  t.same(
    numbers(
      specOf(allocateServices([service('s', nodePorts([53, 30053, 'TCP'], [53, undefined, 'UDP']))], ONE)),
    ),
    [30053, 30053],
  );
  t.same(
    errorsOf(
      allocateServices(
        [service('a', nodePorts([80, 30001])), service('s', nodePorts([80], [81, 30001]))],
        ONE,
      ),
    ),
    ['spec.ports[1].nodePort: Invalid value: 30001: provided port is already allocated'],
  );
  t.same(errorsOf(allocateServices([service('s', nodePorts([80, 80]))], ONE)), [
    'spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767',
  ]);
  t.same(numbers(specOf(allocateServices([service('s')], ONE))), [undefined], 'a ClusterIP needs none');
  const balanced = service('s', { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false });
  t.same(numbers(specOf(allocateServices([balanced], ONE))), [undefined]);
  t.end();
});

t.test('families', t => {
  const of = (spec: ServiceSpec, ranges = TWO): Allocation => allocateServices([service('s', spec)], ranges);
  t.match(specOf(of({})), { ipFamilies: ['IPv4'], clusterIPs: [/^10\./] });
  t.match(specOf(of({ ipFamilies: ['IPv6'] })), { ipFamilies: ['IPv6'], clusterIPs: [/^fd00:10:96::/] });
  t.match(specOf(of({ ipFamilyPolicy: 'PreferDualStack' })), {
    ipFamilies: ['IPv4', 'IPv6'],
    clusterIPs: [/^10\./, /^fd00/],
  });
  t.match(specOf(of({ ipFamilyPolicy: 'PreferDualStack' }, ONE)), { ipFamilies: ['IPv4'] });
  t.match(specOf(of({ clusterIP: 'fd00:10:96::7', ipFamilyPolicy: 'RequireDualStack' })), {
    ipFamilies: ['IPv6', 'IPv4'],
    clusterIP: 'fd00:10:96::7',
    clusterIPs: ['fd00:10:96::7', /^10\./],
  });
  t.match(
    specOf(of({ clusterIP: 'None' }, ONE)),
    { ipFamilies: ['IPv4', 'IPv6'], clusterIPs: ['None'] },
    'nobody knows of which it is',
  );
  t.match(specOf(of({ clusterIP: 'None', selector: { a: 'b' } }, ONE)), { ipFamilies: ['IPv4'] });
  t.same(specOf(of({ type: 'ExternalName', externalName: 'a.b' })).clusterIP, undefined);
  for (const [spec, error] of [
    [
      { ipFamilyPolicy: 'RequireDualStack' },
      'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
    ],
    [{ ipFamilies: ['IPv6'] }, 'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'],
    [
      { clusterIP: 'fd00::1' },
      'spec.clusterIPs[0]: Invalid value: ["fd00::1"]: IPv6 is not configured on this cluster',
    ],
    [
      { ipFamilies: ['IPv4', 'IPv6'] },
      "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified",
    ],
  ] as const)
    t.same(errorsOf(of(spec, ONE)), [error]);
  t.end();
});

t.test('the rest is made from names', t => {
  const names = Array.from({ length: 300 }, (_, i) => `s${i}`);
  const of = (list: readonly string[]): ReadonlyMap<string | undefined, ServiceSpec | undefined> =>
    new Map(
      allocateServices(
        list.map(name => service(name, { type: 'NodePort' })),
        ONE,
      ).services.map(({ metadata, spec }) => [metadata?.name, spec]),
    );
  const all = of(names);
  const ips = [...all.values()].map(spec => spec?.clusterIP);
  const ports = [...all.values()].map(spec => spec?.ports?.[0]?.nodePort);
  t.equal(new Set(ips).size, 300, 'no address twice');
  t.equal(new Set(ports).size, 300, 'no node port twice');
  t.notOk(
    ips.some(ip => /^10\.96\.0\./.test(ip ?? '')),
    'the beginning is left to those who ask',
  );
  t.same([...of([...names].reverse())].sort(), [...all].sort(), 'in any order');
  fc.assert(
    fc.property(fc.subarray(names), some => {
      // Where nobody is in the way, a Service has its address whoever else is there.
      for (const [name, spec] of of(some))
        if (spec?.clusterIP !== all.get(name)?.clusterIP) throw new Error(`${name}`);
    }),
    { numRuns: 10 },
  );
  const tiny = { serviceCidrs: ['10.0.0.0/30'] };
  t.same(
    allocateServices([service('a'), service('b')], tiny)
      .services.map(({ spec }) => spec?.clusterIP)
      .sort(),
    ['10.0.0.1', '10.0.0.2'],
  );
  t.throws(() => allocateServices([service('a'), service('b'), service('c')], tiny), {
    message: /range is full/,
  });
  t.end();
});
