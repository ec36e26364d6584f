import fc from 'fast-check';
import type {
  LabelSelector,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from '../../../src/kube/types.generated.ts';
import type { NodeState } from '../../../src/network/state.ts';
import { nodeOf, podAt, policyOf } from './nodes.ts';

/** Few of everything, so that things meet. */
const NAMESPACES = ['x', 'y', 'z'];
const labels = fc.record(
  { a: fc.constantFrom('1', '2'), b: fc.constantFrom('1', '2') },
  { requiredKeys: [] },
);
const key = fc.constantFrom('a', 'b', 'c');
const values = fc.subarray(['1', '2', '3'], { minLength: 1 });

const expression = fc.oneof(
  fc.record({ key, operator: fc.constantFrom('In', 'NotIn'), values }),
  fc.record({ key, operator: fc.constantFrom('Exists', 'DoesNotExist') }),
);
const selector: fc.Arbitrary<LabelSelector> = fc.record(
  { matchLabels: labels, matchExpressions: fc.array(expression, { maxLength: 2 }) },
  { requiredKeys: [] },
);

const port: fc.Arbitrary<NetworkPolicyPort> = fc.oneof(
  fc.record({ protocol: fc.constantFrom('TCP', 'UDP', 'SCTP') }),
  fc
    .record({
      port: fc.integer({ min: 79, max: 84 }),
      length: fc.integer({ min: 0, max: 3 }),
      protocol: fc.constantFrom('TCP', 'UDP', 'SCTP'),
    })
    .map(({ port, length, protocol }) => ({
      protocol,
      port,
      ...(length > 0 ? { endPort: port + length - 1 } : {}),
    })),
  fc.record({ port: fc.constantFrom('web', 'dns', 'none'), protocol: fc.constantFrom('TCP', 'UDP') }),
);

const block = fc.oneof(
  fc.constantFrom(
    { cidr: '0.0.0.0/0' },
    { cidr: '::/0', except: ['fd00::2/127', '2001:db8::/32'] },
    { cidr: '192.0.2.0/24' },
    { cidr: 'fd00::/64' },
  ),
  fc
    .record({
      length: fc.integer({ min: 24, max: 31 }),
      excepts: fc.array(fc.integer({ min: 0, max: 15 }), { maxLength: 4 }),
    })
    .map(({ length, excepts }) => ({
      cidr: `10.244.0.0/${length}`,
      except: excepts.map(last => `10.244.0.${last}/32`),
    })),
);

const peer: fc.Arbitrary<NetworkPolicyPeer> = fc.oneof(
  fc.record({ podSelector: selector }),
  fc.record({ namespaceSelector: selector }),
  fc.record({ namespaceSelector: selector, podSelector: selector }),
  fc.record({ ipBlock: block }),
);
const rule = fc.record({ peers: fc.array(peer, { maxLength: 3 }), ports: fc.array(port, { maxLength: 3 }) });

const policy = fc
  .record({
    namespace: fc.constantFrom(...NAMESPACES),
    podSelector: selector,
    policyTypes: fc.subarray(['Ingress', 'Egress'], { minLength: 1 }),
    ingress: fc.array(rule, { maxLength: 3 }),
    egress: fc.array(rule, { maxLength: 3 }),
  })
  .map(
    ({ namespace, ingress, egress, ...spec }) =>
      (name: number) =>
        policyOf(`${namespace}/p${name}`, {
          ...spec,
          ingress: ingress.map(({ peers, ports }) => ({ from: peers, ports })),
          egress: egress.map(({ peers, ports }) => ({ to: peers, ports })),
        }),
  );

const pod = fc.record({
  namespace: fc.constantFrom(...NAMESPACES),
  labels,
  /** Some have one family only. */
  families: fc.constantFrom('both', 'both', 'IPv4', 'IPv6'),
  web: fc.constantFrom(0, 80, 81),
  dns: fc.constantFrom(0, 80, 82),
});

/** A node with a few pods and policies; addresses are 10.244.0.N and fd00::N. */
export const states: fc.Arbitrary<NodeState> = fc
  .record({
    pods: fc.array(pod, { minLength: 2, maxLength: 7 }),
    policies: fc.array(policy, { maxLength: 5 }),
    labelled: fc.uniqueArray(fc.record({ name: fc.constantFrom('x', 'y'), labels }), {
      selector: ({ name }) => name,
    }),
  })
  .map(({ pods, policies, labelled }) =>
    nodeOf({
      podCidrs: ['10.244.0.0/16', 'fd00::/64'],
      pods: pods.map(({ namespace, labels, families, web, dns }, i) =>
        podAt(`${namespace}/p${i}`, `10.244.0.${i}`, {
          labels,
          ips: [
            ...(families === 'IPv6' ? [] : [`10.244.0.${i}`]),
            ...(families === 'IPv4' ? [] : [`fd00::${(i + 1).toString(16)}`]),
          ],
          ports: [
            ...(web > 0 ? [{ name: 'web', containerPort: web, protocol: 'TCP' as const }] : []),
            ...(dns > 0 ? [{ name: 'dns', containerPort: dns, protocol: 'UDP' as const }] : []),
          ],
        }),
      ),
      namespaces: labelled,
      policies: policies.map((make, i) => make(i)),
    }),
  );
