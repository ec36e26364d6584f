/**
 * NetworkPolicy once more, from its description and as simply as can be, to hold the model and the rules against. Nothing of
 * src/ but types, so that no mistake is made twice.
 */
import type {
  LabelSelector,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from '../../../src/kube/types.generated.ts';
import type { NetworkPod, NodeState } from '../../../src/network/state.ts';

type Labels = Readonly<Record<string, string>>;

function selects({ matchLabels = {}, matchExpressions = [] }: LabelSelector, labels: Labels): boolean {
  for (const key of Object.keys(matchLabels)) if (labels[key] !== matchLabels[key]) return false;
  for (const { key, operator, values = [] } of matchExpressions) {
    const has = key in labels;
    const isListed = has && values.includes(labels[key] ?? '');
    if (operator === 'In' && !isListed) return false;
    if (operator === 'NotIn' && isListed) return false;
    if (operator === 'Exists' && !has) return false;
    if (operator === 'DoesNotExist' && has) return false;
  }
  return true;
}

/** Bits of an address, as text. */
function bits(address: string): string {
  if (!address.includes(':'))
    return address
      .split('.')
      .map(part => Number(part).toString(2).padStart(8, '0'))
      .join('');
  const [head = '', tail] = address.split('::');
  const groups = (text: string): readonly string[] => (text === '' ? [] : text.split(':'));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const zeros = Array<string>(8 - before.length - after.length).fill('0');
  return [...before, ...zeros, ...after]
    .map(group => Number.parseInt(group, 16).toString(2).padStart(16, '0'))
    .join('');
}

function inBlock(cidr: string, address: string): boolean {
  const [network = '', length = ''] = cidr.split('/');
  if (network.includes(':') !== address.includes(':')) return false;
  return bits(network).slice(0, Number(length)) === bits(address).slice(0, Number(length));
}

/** One end of a connection. */
export interface End {
  readonly pod?: NetworkPod;
  readonly address: string;
}

function isPeer(state: NodeState, home: string, peer: NetworkPolicyPeer, { pod, address }: End): boolean {
  if (peer.ipBlock) {
    const { cidr, except = [] } = peer.ipBlock;
    return inBlock(cidr, address) && !except.some(each => inBlock(each, address));
  }
  if (!pod) return false;
  const known = state.namespaces.find(({ name }) => name === pod.namespace)?.labels ?? {};
  const labels = { ...known, 'kubernetes.io/metadata.name': pod.namespace };
  if (peer.namespaceSelector ? !selects(peer.namespaceSelector, labels) : pod.namespace !== home)
    return false;
  return selects(peer.podSelector ?? {}, pod.labels);
}

function isPort(each: NetworkPolicyPort, protocol: string, port: number, destination: End): boolean {
  if ((each.protocol ?? 'TCP') !== protocol) return false;
  if (each.port === undefined) return true;
  if (typeof each.port === 'number') return port >= each.port && port <= (each.endPort ?? each.port);
  return (destination.pod?.ports ?? []).some(
    own => own.name === each.port && own.protocol === protocol && own.containerPort === port,
  );
}

/** Whether a connection from one end to another is to be let through. */
export function allows(state: NodeState, from: End, to: End, protocol: string, port: number): boolean {
  if (from.pod && from.pod === to.pod) return true;
  for (const [type, own, peer] of [
    ['Egress', from, to],
    ['Ingress', to, from],
  ] as const) {
    const { pod } = own;
    if (!pod) continue;
    const about = state.policies.filter(
      policy =>
        policy.metadata?.namespace === pod.namespace &&
        policy.spec?.policyTypes?.includes(type) &&
        selects(policy.spec.podSelector ?? {}, pod.labels),
    );
    if (about.length === 0) continue;
    const isAllowed = about.some(({ metadata, spec }) => {
      const rules =
        type === 'Ingress'
          ? (spec?.ingress ?? []).map(rule => ({ peers: rule.from ?? [], ports: rule.ports ?? [] }))
          : (spec?.egress ?? []).map(rule => ({ peers: rule.to ?? [], ports: rule.ports ?? [] }));
      return rules.some(
        ({ peers, ports }) =>
          (peers.length === 0 || peers.some(each => isPeer(state, metadata?.namespace ?? '', each, peer))) &&
          (ports.length === 0 || ports.some(each => isPort(each, protocol, port, to))),
      );
    });
    if (!isAllowed) return false;
  }
  return true;
}
