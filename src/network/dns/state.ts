import type { Service } from '../../kube/types.generated.ts';
import type { NetworkPod, NodeState } from '../state.ts';

/** What the names of the cluster's domain are made from. A change is a new object: records are kept by identity. */
export interface ZoneState {
  /** The cluster domain, without a dot at its end: `cluster.local`. */
  readonly domain: string;
  /** The addresses that pods know this resolver by. */
  readonly serverIPs: readonly string[];
  /** Those that exist beside the pods' and services' own. */
  readonly namespaces: readonly string[];
  /** Those that have not ended, with canonical addresses. */
  readonly pods: readonly NetworkPod[];
  /** With the addresses that they were given. */
  readonly services: readonly Service[];
}

/** The names of a node's pods and Services. */
export function zoneOf({ dns, namespaces, pods, services }: NodeState, domain: string): ZoneState {
  return {
    domain,
    serverIPs: dns === undefined ? [] : [dns.clusterIP],
    namespaces: namespaces.map(({ name }) => name),
    pods,
    services,
  };
}
