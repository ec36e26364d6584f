import { type Party, verdict } from './model.ts';
import type { NftTable } from './nft.ts';
import { POD_LINKS } from './node-rules.ts';
import { isGoverned, rulesOf } from './policies.ts';
import {
  addressOf,
  type DnsListener,
  type DnsState,
  type NetworkPod,
  type NodeState,
  type Protocol,
} from './state.ts';

const DNS_PORT = 53;

/** The listener of whatever lives in the node's own network. */
export const NODE = 'node';

/**
 * The cluster's DNS server as policies see it: where kubeadm puts it. A policy that isolates a pod's egress takes names
 * from it, too, unless it allows them, as in a cluster.
 */
export function dnsPod({ clusterIP }: DnsState): NetworkPod {
  return {
    uid: 'dns',
    namespace: 'kube-system',
    name: 'kube-dns',
    labels: { 'k8s-app': 'kube-dns' },
    ips: [clusterIP],
    hostNetwork: false,
    ports: [
      { name: 'dns', containerPort: DNS_PORT, protocol: 'UDP' },
      { name: 'dns-tcp', containerPort: DNS_PORT, protocol: 'TCP' },
    ],
    ready: true,
  };
}

export interface DnsRules {
  readonly prerouting: readonly string[];
  readonly output: readonly string[];
}

/** Any, that is not often taken for all addresses of the node. */
const LISTENER_PORT = 10053;

/**
 * Where the questions of a pod are answered, if nobody else listens there. Each address of pods has its own of 127.0.0.0/8:
 * so rules need not name it, and flows that the kernel remembers of the pod that had the address before lead to the right
 * place.
 */
export function listenerOf(podIP: string): Omit<DnsListener, 'from'> {
  return { address: podIP.replace(/^\d+/, '127'), port: LISTENER_PORT };
}

/** The same for the kernel. */
const LISTENER = `ip saddr & 0.255.255.255 | 127.0.0.0 : ${LISTENER_PORT}`;

/**
 * Questions for the cluster's DNS server go to the command that runs the asking pod: by the pod's address, but for those
 * that are answered elsewhere, and those that are not answered.
 */
export function addDns(table: NftTable, state: NodeState): DnsRules {
  const { dns } = state;
  if (dns === undefined) return { prerouting: [], output: [] };
  const listeners = new Map(dns.listeners.map(listener => [listener.from, listener]));
  const own = listeners.get(NODE);
  const pods = state.pods.filter(isGoverned).flatMap(pod => {
    const from = addressOf(pod, 'IPv4');
    return from === undefined ? [] : [{ pod, from, listener: listeners.get(from) }];
  });
  const hasLimits = state.policies.some(policy => rulesOf(policy, 'Egress') !== undefined);
  const to: Party = { kind: 'pod', pod: dnsPod(dns) };
  const mayAsk = (pod: NetworkPod, protocol: Protocol): boolean =>
    !hasLimits || verdict(state, { kind: 'pod', pod }, to, { protocol, port: DNS_PORT }).allowed;
  const sides = (['UDP', 'TCP'] as const).map(protocol => {
    const word = protocol.toLowerCase();
    const asks = `ip daddr ${dns.clusterIP} ${word} dport ${DNS_PORT}`;
    const isAnswered = ({ pod, listener }: (typeof pods)[number]): boolean =>
      listener !== undefined && mayAsk(pod, protocol);
    const unanswered = pods.filter(each => !isAnswered(each)).map(({ from }) => from);
    const elsewhere = pods.flatMap(each => {
      const { from, listener } = each;
      const { address, port } = listenerOf(from);
      if (listener === undefined || (listener.address === address && listener.port === port)) return [];
      return isAnswered(each) ? [[from, `${listener.address} . ${listener.port}`] as const] : [];
    });
    const fromPod = `iifname ${POD_LINKS} ${asks}`;
    if (unanswered.length > 0) table.set(`no-dns-${word}`, 'ipv4_addr', unanswered);
    if (elsewhere.length > 0) table.map(`dns-${word}`, 'ipv4_addr : ipv4_addr . inet_service', elsewhere);
    return {
      prerouting: [
        ...(unanswered.length > 0 ? [`${asks} ip saddr @no-dns-${word} return`] : []),
        ...(elsewhere.length > 0 ? [`${fromPod} dnat ip to ip saddr map @dns-${word}`] : []),
        `${fromPod} dnat ip to ${LISTENER}`,
      ],
      output: own === undefined ? [] : [`${asks} dnat ip to ${own.address}:${own.port}`],
    };
  });
  return {
    prerouting: sides.flatMap(({ prerouting }) => prerouting),
    output: sides.flatMap(({ output }) => output),
  };
}
