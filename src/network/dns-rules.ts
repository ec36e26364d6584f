import { type Party, verdict } from './model.ts';
import type { NftTable } from './nft.ts';
import { addressOf, type DnsState, type NetworkPod, type NodeState } from './state.ts';

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

/** Questions for the cluster's DNS server go to the command that runs the asking pod: a map of pods and ports. */
export function addDns(table: NftTable, state: NodeState): DnsRules {
  const { dns } = state;
  if (dns === undefined) return { prerouting: [], output: [] };
  const to: Party = { kind: 'pod', pod: dnsPod(dns) };
  const match = (word: string): string => `ip daddr ${dns.clusterIP} ${word} dport ${DNS_PORT}`;
  const own = dns.listeners.find(({ from }) => from === NODE);
  const sides = (['UDP', 'TCP'] as const).map(protocol => {
    const word = protocol.toLowerCase();
    const elements = dns.listeners.flatMap(({ from, address, port }) => {
      const pod = state.pods.find(each => addressOf(each, 'IPv4') === from);
      if (pod === undefined) return [];
      const { allowed } = verdict(state, { kind: 'pod', pod }, to, { protocol, port: DNS_PORT });
      return allowed ? [[from, `${address} . ${port}`] as const] : [];
    });
    if (elements.length > 0) table.map(`dns-${word}`, 'ipv4_addr : ipv4_addr . inet_service', elements);
    return {
      prerouting: elements.length > 0 ? [`${match(word)} dnat ip to ip saddr map @dns-${word}`] : [],
      output: own === undefined ? [] : [`${match(word)} dnat ip to ${own.address}:${own.port}`],
    };
  });
  return {
    prerouting: sides.flatMap(({ prerouting }) => prerouting),
    output: sides.flatMap(({ output }) => output),
  };
}
