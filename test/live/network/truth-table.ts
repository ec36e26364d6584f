import { type Family, familyOf } from '../../../src/base/addresses.ts';
import type { NetworkPolicy } from '../../../src/kube/types.generated.ts';
import type { NetworkNamespace, NetworkPod, NetworkPort, Protocol } from '../../../src/network/state.ts';
import { podAt } from '../../unit/network/nodes.ts';

/** Three namespaces of three pods, two hosts outside, and the node. */
export const NAMESPACES = ['x', 'y', 'z'] as const;
export const OUTSIDE: Readonly<Record<string, readonly string[]>> = {
  near: ['192.0.2', '2001:db8:1'],
  far: ['198.51.100', '2001:db8:2'],
};
export const NODE = 'node';
const PROTOCOLS = ['TCP', 'UDP'] as const;
export const PORTS = [80, 81];
/** `80/TCP`… */
export const SERVICES = PORTS.flatMap(port => PROTOCOLS.map(protocol => `${port}/${protocol}`));
export const FAMILIES: readonly Family[] = ['IPv4', 'IPv6'];

/** z has no object: only its name is known of it. */
export const NAMESPACE_OBJECTS: readonly NetworkNamespace[] = [
  { name: 'x', labels: { ns: 'x', team: 'red' } },
  { name: 'y', labels: { ns: 'y', team: 'red' } },
];

/** Every port has a name; `web` is another one at each pod, and none at c. */
function portsOf(name: string): readonly NetworkPort[] {
  const named = PORTS.flatMap(containerPort =>
    PROTOCOLS.map(
      (protocol): NetworkPort => ({
        name: `serve-${containerPort}-${protocol.toLowerCase()}`,
        containerPort,
        protocol,
      }),
    ),
  );
  const web = { a: 80, b: 81 }[name];
  return web === undefined ? named : [...named, { name: 'web', containerPort: web, protocol: 'TCP' }];
}

const TIERS: Readonly<Record<string, object>> = { a: { tier: 'front' }, b: { tier: 'back' } };

/** x/a is 10.244.1.1 and fd00:10:244:1::1, z/c 10.244.3.3. */
export const PODS: readonly NetworkPod[] = NAMESPACES.flatMap((namespace, i) =>
  ['a', 'b', 'c'].map((name, j) =>
    podAt(`${namespace}/${name}`, `10.244.${i + 1}.${j + 1}`, {
      ips: [`10.244.${i + 1}.${j + 1}`, `fd00:10:244:${i + 1}::${j + 1}`],
      labels: { pod: name, ...TIERS[name] },
      ports: portsOf(name),
    }),
  ),
);

const podNames = PODS.map(({ namespace, name }) => `${namespace}/${name}`);
export const PARTIES = [...podNames, ...Object.keys(OUTSIDE), NODE];

/** The address of a party; the node's is that on the way to the first host outside. */
export function addressIn(party: string, family: Family): string {
  const pod = PODS.find(({ namespace, name }) => `${namespace}/${name}` === party);
  if (pod !== undefined) return pod.ips.find(address => familyOf(address) === family) ?? '';
  const prefixes = OUTSIDE[party] ?? OUTSIDE.near ?? [];
  const prefix = prefixes.find(each => each.includes(':') === (family === 'IPv6')) ?? '';
  return `${prefix}${family === 'IPv6' ? '::' : '.'}${party === NODE ? 1 : 2}`;
}

/** One thing that is tried: FROM asks TO at a port. */
export interface Attempt {
  readonly from: string;
  readonly to: string;
  readonly family: Family;
  readonly protocol: Protocol;
  readonly port: number;
}

/** Every pair of which at least one is a pod, and not a pod and itself: that never leaves it. */
export const ATTEMPTS: readonly Attempt[] = PARTIES.flatMap(from =>
  PARTIES.filter(to => to !== from && [from, to].some(party => podNames.includes(party))).flatMap(to =>
    FAMILIES.flatMap(family =>
      PORTS.flatMap(port => PROTOCOLS.map(protocol => ({ from, to, family, protocol, port }))),
    ),
  ),
);

/**
 * A set of policies and what must come of it, in words that know nothing of selectors: `deny FROM > TO` or
 * `allow FROM > TO AT`, of which the last one that fits counts; at first everything is allowed. FROM and TO are lists of
 * `x/a`, `x/*`, a letter and a star the other way round, `pods`, `outside`, or `*` for all of these.
 */
export interface Case {
  readonly name: string;
  readonly policies: readonly NetworkPolicy[];
  readonly expect: readonly string[];
  /** For IPv6, where an ipBlock makes a difference. */
  readonly expect6?: readonly string[];
  /** Pods and namespaces with other labels than usual. */
  readonly pods?: readonly NetworkPod[];
  readonly namespaces?: readonly NetworkNamespace[];
}

function isIn(list: string, party: string): boolean {
  return list.split(',').some(pattern => {
    if (pattern === '*') return true;
    if (pattern === 'pods') return podNames.includes(party);
    if (pattern === 'outside') return party in OUTSIDE;
    const [namespace, name] = pattern.split('/');
    const [ofNamespace, ofName] = party.split('/');
    if (name === undefined) return pattern === party;
    return (namespace === '*' || namespace === ofNamespace) && (name === '*' || name === ofName);
  });
}

/** What a case says of an attempt. The node is always allowed, whatever it says. */
export function isExpected({ expect, expect6 = expect }: Case, attempt: Attempt): boolean {
  if (attempt.from === NODE || attempt.to === NODE) return true;
  let allowed = true;
  for (const line of attempt.family === 'IPv6' ? expect6 : expect) {
    const [verb, from = '', arrow, to = '', at = '*'] = line.split(' ');
    if (arrow !== '>' || !['allow', 'deny'].includes(verb ?? '')) throw new Error(`unreadable: ${line}`);
    const isAt = at === '*' || at.split(',').includes(`${attempt.port}/${attempt.protocol}`);
    if (isIn(from, attempt.from) && isIn(to, attempt.to) && isAt) allowed = verb === 'allow';
  }
  return allowed;
}
