import type { Service } from '../../kube/types.generated.ts';
import type { NetworkPod } from '../state.ts';

/** What the names of the cluster's domain are made from. A change is a new object: records are kept by identity. */
export interface ZoneState {
  /** The cluster domain, without a dot at its end: `cluster.local`. */
  readonly domain: string;
  /** The addresses that pods know this resolver by. */
  readonly serverIPs: readonly string[];
  /** Those that exist beside the pods' and services' own. */
  readonly namespaces: readonly string[];
  /** Those that have not ended, with canonical addresses. */
  readonly pods: readonly NamedPod[];
  /** With the addresses that they were given. */
  readonly services: readonly Service[];
}

export interface NamedPod extends NetworkPod {
  /** As in its spec: the pod's name is no host name in the DNS. */
  readonly hostname?: string;
  readonly subdomain?: string;
}
