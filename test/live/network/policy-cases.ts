import type { NetworkPolicy } from '../../../src/kube/types.generated.ts';
import { policyOf } from '../../unit/network/nodes.ts';
import { type Case, NAMESPACE_OBJECTS, PODS } from './truth-table.ts';

type Spec = NonNullable<NetworkPolicy['spec']>;

let serial = 0;
/** A policy in a namespace, with a name of its own. */
const policy = (namespace: string, spec: Spec): NetworkPolicy => policyOf(`${namespace}/p${serial++}`, spec);

const A = { matchLabels: { pod: 'a' } };
const B = { matchLabels: { pod: 'b' } };
const Y = { matchLabels: { ns: 'y' } };
const named = (name: string) => ({ matchLabels: { 'kubernetes.io/metadata.name': name } });
const where = (key: string, operator: string, ...values: readonly string[]) => ({
  matchExpressions: [{ key, operator, ...(values.length > 0 ? { values } : {}) }],
});

/** One policy about x/a's ingress, or its egress. */
const into = (...ingress: NonNullable<Spec['ingress']>): readonly NetworkPolicy[] => [
  policy('x', { podSelector: A, ingress }),
];
const outOf = (...egress: NonNullable<Spec['egress']>): readonly NetworkPolicy[] => [
  policy('x', { podSelector: A, policyTypes: ['Egress'], egress }),
];
const of = (name: string, policies: readonly NetworkPolicy[], ...expect: readonly string[]): Case => ({
  name,
  policies,
  expect,
});

const ISOLATION: readonly Case[] = [
  of('no policy', []),
  of('an empty selector, no rules', [policy('x', { podSelector: {} })], 'deny * > x/*'),
  of('no selector is an empty one', [policy('x', {})], 'deny * > x/*'),
  of('egress only', [policy('x', { policyTypes: ['Egress'] })], 'deny x/* > *'),
  of(
    'both directions',
    [policy('x', { policyTypes: ['Ingress', 'Egress'] })],
    'deny * > x/*',
    'deny x/* > *',
  ),
  of('an empty list of egress rules says nothing of egress', [policy('x', { egress: [] })], 'deny * > x/*'),
  of(
    'egress rules without policyTypes isolate ingress, too',
    [policy('x', { egress: [{}] })],
    'deny * > x/*',
  ),
  of('an empty egress rule lets everything out', [policy('x', { policyTypes: ['Egress'], egress: [{}] })]),
  of('an empty ingress rule lets everything in', [policy('x', { ingress: [{}] })]),
  of(
    'egress rules of a policy that is not about egress',
    [policy('x', { policyTypes: ['Ingress'], egress: [{ to: [{ podSelector: B }] }] })],
    'deny * > x/*',
  ),
  of(
    'ingress rules of a policy that is not about ingress',
    [policy('x', { policyTypes: ['Egress'], ingress: [{ from: [{ podSelector: B }] }] })],
    'deny x/* > *',
  ),
  of('one pod', [policy('x', { podSelector: A })], 'deny * > x/a'),
  of('labels that no pod has', [policy('x', { podSelector: { matchLabels: { pod: 'a', tier: 'back' } } })]),
  of('In', [policy('x', { podSelector: where('pod', 'In', 'a', 'b') })], 'deny * > x/a,x/b'),
  of('NotIn', [policy('x', { podSelector: where('pod', 'NotIn', 'a') })], 'deny * > x/b,x/c'),
  of(
    'NotIn of a label that is not there',
    [policy('x', { podSelector: where('no', 'NotIn', 'a') })],
    'deny * > x/*',
  ),
  of('Exists', [policy('x', { podSelector: where('tier', 'Exists') })], 'deny * > x/a,x/b'),
  of('DoesNotExist', [policy('x', { podSelector: where('tier', 'DoesNotExist') })], 'deny * > x/c'),
  of(
    'labels and expressions',
    [policy('x', { podSelector: { ...B, ...where('tier', 'In', 'back', 'front') } })],
    'deny * > x/b',
  ),
  of('a namespace without pods', [policy('w', { podSelector: {} })]),
];

const PEERS: readonly Case[] = [
  of('pods of the same namespace', into({ from: [{ podSelector: B }] }), 'deny * > x/a', 'allow x/b > x/a'),
  of('all of the same namespace', into({ from: [{ podSelector: {} }] }), 'deny * > x/a', 'allow x/* > x/a'),
  of('a namespace', into({ from: [{ namespaceSelector: Y }] }), 'deny * > x/a', 'allow y/* > x/a'),
  of(
    'all namespaces, which is not everybody',
    into({ from: [{ namespaceSelector: {} }] }),
    'deny outside > x/a',
  ),
  of(
    'a namespace that no object describes, by name',
    into({ from: [{ namespaceSelector: named('z') }] }),
    'deny * > x/a',
    'allow z/* > x/a',
  ),
  of(
    'namespaces by expression',
    into({ from: [{ namespaceSelector: where('team', 'In', 'red', 'green') }] }),
    'deny * > x/a',
    'allow x/*,y/* > x/a',
  ),
  of(
    'namespaces NotIn, labelled or not',
    into({ from: [{ namespaceSelector: where('ns', 'NotIn', 'x') }] }),
    'deny * > x/a',
    'allow y/*,z/* > x/a',
  ),
  of(
    'namespaces without a label',
    into({ from: [{ namespaceSelector: where('team', 'DoesNotExist') }] }),
    'deny * > x/a',
    'allow z/* > x/a',
  ),
  of(
    'pods of a namespace: both selectors in one peer',
    into({ from: [{ namespaceSelector: Y, podSelector: B }] }),
    'deny * > x/a',
    'allow y/b > x/a',
  ),
  of(
    'pods or a namespace: two peers',
    into({ from: [{ namespaceSelector: Y }, { podSelector: B }] }),
    'deny * > x/a',
    'allow y/*,x/b > x/a',
  ),
  of(
    'both selectors by expression',
    into({
      from: [
        {
          namespaceSelector: where('kubernetes.io/metadata.name', 'In', 'y', 'z'),
          podSelector: where('pod', 'In', 'a', 'b'),
        },
      ],
    }),
    'deny * > x/a',
    'allow y/a,y/b,z/a,z/b > x/a',
  ),
  of('a namespace that is not there', into({ from: [{ namespaceSelector: named('w') }] }), 'deny * > x/a'),
  of('a peer that no pod is', into({ from: [{ podSelector: where('no', 'Exists') }] }), 'deny * > x/a'),
  of('an empty list of peers is everybody', into({ from: [] })),
  of('out to pods', outOf({ to: [{ podSelector: B }] }), 'deny x/a > *', 'allow x/a > x/b'),
  of('out to a namespace', outOf({ to: [{ namespaceSelector: Y }] }), 'deny x/a > *', 'allow x/a > y/*'),
  of(
    'out to pods of a namespace',
    outOf({ to: [{ namespaceSelector: Y, podSelector: A }] }),
    'deny x/a > *',
    'allow x/a > y/a',
  ),
  of('out to all namespaces', outOf({ to: [{ namespaceSelector: {} }] }), 'deny x/a > outside'),
  of(
    'out to either',
    outOf({ to: [{ podSelector: B }, { namespaceSelector: named('z') }] }),
    'deny x/a > *',
    'allow x/a > x/b,z/*',
  ),
  of(
    'out by two rules',
    outOf({ to: [{ podSelector: B }] }, { to: [{ namespaceSelector: Y, podSelector: B }] }),
    'deny x/a > *',
    'allow x/a > x/b,y/b',
  ),
];

const PORTS: readonly Case[] = [
  of('a port', into({ ports: [{ port: 80, protocol: 'TCP' }] }), 'deny * > x/a', 'allow * > x/a 80/TCP'),
  of('TCP if nothing is said', into({ ports: [{ port: 81 }] }), 'deny * > x/a', 'allow * > x/a 81/TCP'),
  of('UDP', into({ ports: [{ port: 80, protocol: 'UDP' }] }), 'deny * > x/a', 'allow * > x/a 80/UDP'),
  of('a protocol', into({ ports: [{ protocol: 'UDP' }] }), 'deny * > x/a', 'allow * > x/a 80/UDP,81/UDP'),
  of('two protocols', into({ ports: [{ protocol: 'UDP' }, { protocol: 'TCP' }] })),
  of('SCTP is neither', into({ ports: [{ port: 80, protocol: 'SCTP' }] }), 'deny * > x/a'),
  of(
    'two ports',
    into({ ports: [{ port: 80 }, { port: 81, protocol: 'UDP' }] }),
    'deny * > x/a',
    'allow * > x/a 80/TCP,81/UDP',
  ),
  of('an empty list of ports is all', into({ ports: [] })),
  of('a range', into({ ports: [{ port: 80, endPort: 81 }] }), 'deny * > x/a', 'allow * > x/a 80/TCP,81/TCP'),
  of(
    'the end of a range',
    into({ ports: [{ port: 1, endPort: 80, protocol: 'UDP' }] }),
    'deny * > x/a',
    'allow * > x/a 80/UDP',
  ),
  of(
    'ranges that overlap, and a port in them',
    into({ ports: [{ port: 70, endPort: 80 }, { port: 79, endPort: 90 }, { port: 80 }] }),
    'deny * > x/a',
    'allow * > x/a 80/TCP,81/TCP',
  ),
  of('a name', into({ ports: [{ port: 'serve-81-tcp' }] }), 'deny * > x/a', 'allow * > x/a 81/TCP'),
  of(
    'a name of another protocol',
    into({ ports: [{ port: 'serve-81-tcp', protocol: 'UDP' }] }),
    'deny * > x/a',
  ),
  of('a name that no port has', into({ ports: [{ port: 'nothing' }] }), 'deny * > x/a'),
  of(
    'a name that is another port at each pod',
    [policy('x', { ingress: [{ ports: [{ port: 'web' }] }] })],
    'deny * > x/*',
    'allow * > x/a 80/TCP',
    'allow * > x/b 81/TCP',
  ),
  of('out to a port', outOf({ ports: [{ port: 80 }] }), 'deny x/a > *', 'allow x/a > * 80/TCP'),
  of(
    'out to a name: only pods have names for ports',
    outOf({ ports: [{ port: 'web' }] }),
    'deny x/a > *',
    'allow x/a > */a 80/TCP',
    'allow x/a > */b 81/TCP',
  ),
  of(
    'out to a name in a namespace',
    outOf({
      to: [{ namespaceSelector: Y }],
      ports: [{ port: 'web' }, { port: 'serve-81-udp', protocol: 'UDP' }],
    }),
    'deny x/a > *',
    'allow x/a > y/a 80/TCP',
    'allow x/a > y/b 81/TCP',
    'allow x/a > y/* 81/UDP',
  ),
  of(
    'out to a range',
    outOf({ to: [{ podSelector: {} }], ports: [{ port: 81, endPort: 65535, protocol: 'UDP' }] }),
    'deny x/a > *',
    'allow x/a > x/* 81/UDP',
  ),
  of(
    'each rule has ports of its own',
    into(
      { from: [{ namespaceSelector: Y }], ports: [{ port: 80 }] },
      { from: [{ namespaceSelector: named('z') }], ports: [{ port: 81, protocol: 'UDP' }] },
    ),
    'deny * > x/a',
    'allow y/* > x/a 80/TCP',
    'allow z/* > x/a 81/UDP',
  ),
  of(
    'any of the peers at any of the ports',
    into({
      from: [{ namespaceSelector: Y }, { podSelector: B }],
      ports: [{ port: 80 }, { port: 80, protocol: 'UDP' }],
    }),
    'deny * > x/a',
    'allow y/*,x/b > x/a 80/TCP,80/UDP',
  ),
];

/** An ipBlock is of one family: for the other one it is a peer that nobody is. */
const block = (
  name: string,
  policies: readonly NetworkPolicy[],
  expect: readonly string[],
  expect6: readonly string[],
): Case => ({ name, policies, expect, expect6 });

const BLOCKS: readonly Case[] = [
  block(
    'one address',
    into({ from: [{ ipBlock: { cidr: '192.0.2.2/32' } }] }),
    ['deny * > x/a', 'allow near > x/a'],
    ['deny * > x/a'],
  ),
  block('every address', into({ from: [{ ipBlock: { cidr: '0.0.0.0/0' } }] }), [], ['deny * > x/a']),
  block(
    'every address but some',
    into({ from: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['198.51.100.0/24'] } }] }),
    ['deny far > x/a'],
    ['deny * > x/a'],
  ),
  block(
    'addresses of pods',
    into({ from: [{ ipBlock: { cidr: '10.244.2.0/24' } }] }),
    ['deny * > x/a', 'allow y/* > x/a'],
    ['deny * > x/a'],
  ),
  block(
    'addresses of pods but one',
    into({ from: [{ ipBlock: { cidr: '10.244.2.0/24', except: ['10.244.2.2/32'] } }] }),
    ['deny * > x/a', 'allow y/a,y/c > x/a'],
    ['deny * > x/a'],
  ),
  block(
    'an exception that another peer allows',
    into({
      from: [
        { ipBlock: { cidr: '10.244.2.0/24', except: ['10.244.2.2/32'] } },
        { namespaceSelector: Y, podSelector: B },
      ],
    }),
    ['deny * > x/a', 'allow y/* > x/a'],
    ['deny * > x/a', 'allow y/b > x/a'],
  ),
  block(
    'both families',
    into({ from: [{ ipBlock: { cidr: '192.0.2.0/24' } }, { ipBlock: { cidr: '2001:db8:2::/64' } }] }),
    ['deny * > x/a', 'allow near > x/a'],
    ['deny * > x/a', 'allow far > x/a'],
  ),
  block(
    'IPv6 but some',
    into({ from: [{ ipBlock: { cidr: '::/0', except: ['2001:db8:1::/64', 'fd00:10:244:3::/64'] } }] }),
    ['deny * > x/a'],
    ['deny near,z/* > x/a'],
  ),
  block(
    'exceptions in each other',
    into({ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.244.0.0/16', '10.244.1.0/24'] } }] }),
    ['deny * > x/a'],
    ['deny * > x/a'],
  ),
  block(
    'two that overlap',
    into({ from: [{ ipBlock: { cidr: '10.244.2.0/23' } }, { ipBlock: { cidr: '10.244.3.0/24' } }] }),
    ['deny * > x/a', 'allow y/*,z/* > x/a'],
    ['deny * > x/a'],
  ),
  block(
    'at a port',
    into({ from: [{ ipBlock: { cidr: '198.51.100.2/32' } }], ports: [{ port: 80 }] }),
    ['deny * > x/a', 'allow far > x/a 80/TCP'],
    ['deny * > x/a'],
  ),
  block(
    'out to one',
    outOf({ to: [{ ipBlock: { cidr: '198.51.100.2/32' } }] }),
    ['deny x/a > *', 'allow x/a > far'],
    ['deny x/a > *'],
  ),
  block(
    'out to the world only',
    outOf({ to: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8'] } }] }),
    ['deny x/a > pods'],
    ['deny x/a > *'],
  ),
  block(
    'out to addresses of pods, by a name of a port',
    outOf({ to: [{ ipBlock: { cidr: '10.244.2.0/24' } }], ports: [{ port: 'web' }] }),
    ['deny x/a > *', 'allow x/a > y/a 80/TCP', 'allow x/a > y/b 81/TCP'],
    ['deny x/a > *'],
  ),
];

const TOGETHER: readonly Case[] = [
  of(
    'two policies about one pod add up',
    [...into({ from: [{ namespaceSelector: Y }] }), ...into({ ports: [{ port: 80 }] })],
    'deny * > x/a',
    'allow y/* > x/a',
    'allow * > x/a 80/TCP',
  ),
  of(
    'deny all, and an exception',
    [policy('x', {}), ...into({ from: [{ podSelector: B }] })],
    'deny * > x/*',
    'allow x/b > x/a',
  ),
  of('deny all and allow all is allow all', [policy('x', {}), policy('x', { ingress: [{}] })]),
  of(
    'both ends must agree',
    [
      ...outOf({ to: [{ namespaceSelector: Y }] }),
      policy('y', { ingress: [{ from: [{ podSelector: B }] }] }),
    ],
    'deny x/a > *',
    'deny * > y/*',
    'allow y/b > y/*',
  ),
  of(
    'both ends, about ports',
    [
      ...outOf({ to: [{ namespaceSelector: Y }], ports: [{ port: 80, endPort: 81 }] }),
      policy('y', {
        ingress: [{ from: [{ namespaceSelector: named('x') }], ports: [{ port: 81 }, { protocol: 'UDP' }] }],
      }),
    ],
    'deny x/a > *',
    'deny * > y/*',
    'allow x/b,x/c > y/* 81/TCP,80/UDP,81/UDP',
    'allow x/a > y/* 81/TCP',
  ),
  of(
    'one namespace each',
    [
      policy('x', { podSelector: A }),
      policy('y', { podSelector: B }),
      policy('z', { policyTypes: ['Egress'] }),
    ],
    'deny * > x/a,y/b',
    'deny z/* > *',
  ),
  of(
    'nothing but a to b, everywhere',
    [
      ...['x', 'y', 'z'].map(namespace => policy(namespace, { policyTypes: ['Ingress', 'Egress'] })),
      ...['x', 'y', 'z'].map(namespace =>
        policy(namespace, {
          podSelector: A,
          policyTypes: ['Egress'],
          egress: [{ to: [{ namespaceSelector: {}, podSelector: B }], ports: [{ port: 80 }] }],
        }),
      ),
      ...['x', 'y', 'z'].map(namespace =>
        policy(namespace, {
          podSelector: B,
          ingress: [{ from: [{ namespaceSelector: {}, podSelector: A }], ports: [{ port: 80 }] }],
        }),
      ),
    ],
    'deny * > pods',
    'deny pods > *',
    'allow */a > */b 80/TCP',
  ),
  of(
    'a pod that may not answer for itself still answers',
    [policy('x', { podSelector: A, policyTypes: ['Egress'] })],
    'deny x/a > *',
  ),
  of(
    'selected by one for ingress, by another for egress',
    [...into({ from: [{ podSelector: {} }] }), ...outOf({ to: [{ podSelector: {} }] })],
    'deny * > x/a',
    'deny x/a > *',
    'allow x/* > x/a',
    'allow x/a > x/*',
  ),
  {
    ...of('a pod gets another label', [policy('x', { podSelector: B })], 'deny * > x/a,x/b'),
    pods: PODS.map(pod =>
      pod.namespace === 'x' && pod.name === 'a' ? { ...pod, labels: { pod: 'b' } } : pod,
    ),
  },
  {
    ...of('a peer loses its label', into({ from: [{ podSelector: B }] }), 'deny * > x/a'),
    pods: PODS.map(pod => (pod.namespace === 'x' && pod.name === 'b' ? { ...pod, labels: {} } : pod)),
  },
  {
    ...of(
      'a namespace gets a label',
      into({ from: [{ namespaceSelector: Y }] }),
      'deny * > x/a',
      'allow y/*,z/* > x/a',
    ),
    namespaces: [...NAMESPACE_OBJECTS, { name: 'z', labels: { ns: 'y' } }],
  },
  {
    ...of(
      'a namespace cannot take another name',
      into({ from: [{ namespaceSelector: named('y') }] }),
      'deny * > x/a',
      'allow y/* > x/a',
    ),
    namespaces: [{ name: 'z', labels: { 'kubernetes.io/metadata.name': 'y' } }],
  },
];

export const CASES: readonly Case[] = [...ISOLATION, ...PEERS, ...PORTS, ...BLOCKS, ...TOGETHER];
