import type { ContainerPort, ServiceSpec } from '../../kube/types.generated.ts';

/** What the names of the cluster's domain are made from. A change is a new object: records are kept by identity. */
export interface DnsState {
  /** The cluster domain, without a dot at its end: `cluster.local`. */
  readonly domain: string;
  /** The addresses that pods know this resolver by. */
  readonly serverIPs: readonly string[];
  /** Those that exist beside the pods' and services' own. */
  readonly namespaces: readonly string[];
  readonly pods: readonly DnsPod[];
  readonly services: readonly DnsService[];
}

/** A pod that has not ended. */
export interface DnsPod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** As in its spec: the pod's name is no host name in the DNS. */
  readonly hostname?: string;
  readonly subdomain?: string;
  /** `status.podIPs`, in the canonical form. */
  readonly ips: readonly string[];
  readonly ready: boolean;
  /** Of its containers: what a target port may name. */
  readonly ports: readonly Pick<ContainerPort, 'name' | 'containerPort' | 'protocol'>[];
}

/** A Service with the addresses that it was given: `clusterIPs` is `["None"]` for a headless one, empty without any. */
export interface DnsService
  extends Pick<ServiceSpec, 'type' | 'externalName' | 'publishNotReadyAddresses' | 'selector' | 'ports'> {
  readonly namespace: string;
  readonly name: string;
  readonly clusterIPs: readonly string[];
}

export const isHeadless = ({ clusterIPs }: DnsService): boolean => clusterIPs[0] === 'None';
