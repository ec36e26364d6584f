import { formatSelector } from '../kube/label-selector.ts';
import type {
  LabelSelector,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from '../kube/types.generated.ts';
import { type Direction, rulesOf } from './policies.ts';

/** A policy in sentences, a line each. */
export function explainPolicy(policy: NetworkPolicy): readonly string[] {
  const { namespace = 'default', name = '' } = policy.metadata ?? {};
  const types = policy.spec?.policyTypes ?? [];
  const lines = [
    `NetworkPolicy ${namespace}/${name} is about ${podsIn(policy.spec?.podSelector, `namespace ${namespace}`)}`,
    ...(['Ingress', 'Egress'] as const).flatMap(direction => explainDirection(policy, direction)),
  ];
  const egressOnly =
    types.includes('Ingress') && types.includes('Egress') && (policy.spec?.ingress ?? []).length === 0;
  return egressOnly
    ? [...lines, '  note: it isolates ingress too; policyTypes: [Egress] would leave that alone']
    : lines;
}

const WORDS = {
  Ingress: { way: 'to them', peer: 'from', none: 'nothing may connect to them' },
  Egress: { way: 'from them', peer: 'to', none: 'they may connect to nothing' },
} as const satisfies Record<Direction, object>;

function explainDirection(policy: NetworkPolicy, direction: Direction): readonly string[] {
  const { way, peer, none } = WORDS[direction];
  const rules = rulesOf(policy, direction);
  if (rules === undefined) return [`  ${direction}: it says nothing of connections ${way}`];
  if (rules.length === 0) return [`  ${direction}: ${none}, except the node and themselves`];
  const { namespace = 'default' } = policy.metadata ?? {};
  return [
    `  ${direction}: connections ${way} are let through only`,
    ...rules.map(({ peers, ports }) => {
      const who =
        peers.length === 0 ? 'anywhere' : peers.map(each => peerText(each, namespace)).join(', or ');
      const what = ports.length === 0 ? 'any port' : ports.map(portText).join(', ');
      return `    ${peer} ${who}, at ${what}`;
    }),
  ];
}

function peerText({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer, namespace: string): string {
  if (ipBlock !== undefined)
    return `${ipBlock.cidr}${(ipBlock.except ?? []).length === 0 ? '' : ` but ${ipBlock.except?.join(', ')}`}`;
  if (namespaceSelector === undefined) return podsIn(podSelector, `namespace ${namespace}`);
  const text = formatSelector(namespaceSelector);
  return podsIn(podSelector, text === '' ? 'any namespace' : `namespaces with ${text}`);
}

function podsIn(selector: LabelSelector = {}, where: string): string {
  const text = formatSelector(selector);
  return text === '' ? `all pods of ${where}` : `pods of ${where} with ${text}`;
}

function portText({ protocol = 'TCP', port, endPort }: NetworkPolicyPort): string {
  if (port === undefined) return `any port of ${protocol}`;
  return endPort === undefined ? `${protocol} ${port}` : `${protocol} ${port}-${endPort}`;
}
