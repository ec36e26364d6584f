import { canonicalAddress, type Family, familyOf } from '../base/addresses.ts';
import type { Container, NetworkPolicy, Pod, Service } from '../kube/types.generated.ts';

export const PROTOCOLS = ['TCP', 'UDP', 'SCTP'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** The label that every namespace carries, whatever its object says; nobody can change it. */
export const NAMESPACE_NAME_LABEL = 'kubernetes.io/metadata.name';

/** The range that Services get their addresses from, as kubeadm has it. */
export const DEFAULT_SERVICE_CIDR = '10.96.0.0/12';

/** A port that a container of a pod declares. */
export interface NetworkPort {
  readonly name?: string;
  readonly containerPort: number;
  readonly protocol: Protocol;
  readonly hostPort?: number;
  readonly hostIP?: string;
  /** Of an init container that stays: its host port is reserved, but never mapped. */
  readonly sidecar?: boolean;
}

/** What the network must know of a live pod. */
export interface NetworkPod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** In the order of `status.podIPs`: at most one of each family; the node's own with hostNetwork. */
  readonly ips: readonly string[];
  readonly hostNetwork: boolean;
  readonly ports: readonly NetworkPort[];
  readonly ready: boolean;
  /** As in its spec, for the DNS: there a pod's name is no host name. */
  readonly hostname?: string;
  readonly subdomain?: string;
}

export interface NetworkNamespace {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Where pods' questions about names go: to the command that runs the pod, on the node. */
export interface DnsState {
  /** The cluster's DNS server, `10.96.0.10`. */
  readonly clusterIP: string;
  readonly listeners: readonly DnsListener[];
}

export interface DnsListener {
  /** A pod's address, or `node` for whatever lives in the node's own network. */
  readonly from: string;
  /** Of 127.0.0.0/8 on the node, where UDP and TCP are listened on. */
  readonly address: string;
  readonly port: number;
}

/** Everything that the node's rules are made from. Policies and Services are valid and have their defaults. */
export interface NodeState {
  readonly podCidrs: readonly string[];
  readonly serviceCidrs: readonly string[];
  readonly pods: readonly NetworkPod[];
  /** Namespaces that an object describes; any other exists too, with no label but its name. */
  readonly namespaces: readonly NetworkNamespace[];
  readonly policies: readonly NetworkPolicy[];
  /** With the addresses and node ports that they were given, see `allocateServices`. */
  readonly services: readonly Service[];
  readonly dns?: DnsState;
}

/** A pod as the network sees it. */
export function networkPod(pod: Pod, facts: Pick<NetworkPod, 'uid' | 'ips' | 'ready'>): NetworkPod {
  const { containers = [], initContainers = [], hostNetwork = false } = pod.spec ?? { containers: [] };
  const { hostname, subdomain } = pod.spec ?? {};
  return {
    ...facts,
    ...(hostname ? { hostname } : {}),
    ...(subdomain ? { subdomain } : {}),
    namespace: pod.metadata?.namespace ?? 'default',
    name: pod.metadata?.name ?? '',
    labels: pod.metadata?.labels ?? {},
    hostNetwork,
    ports: [
      ...containers.flatMap(container => networkPorts(container, {})),
      ...initContainers
        .filter(({ restartPolicy }) => restartPolicy === 'Always')
        .flatMap(container => networkPorts(container, { sidecar: true })),
    ],
  };
}

function networkPorts({ ports = [] }: Container, kind: Pick<NetworkPort, 'sidecar'>): readonly NetworkPort[] {
  return ports.map(({ name, containerPort, protocol, hostPort, hostIP }) => ({
    ...(name ? { name } : {}),
    containerPort,
    protocol: protocolOf(protocol),
    ...(hostPort ? { hostPort } : {}),
    ...(hostIP ? { hostIP } : {}),
    ...kind,
  }));
}

/** A protocol of a valid object; TCP where nothing is said. */
export function protocolOf(text: string | undefined): Protocol {
  return PROTOCOLS.find(protocol => protocol === text) ?? 'TCP';
}

/** `NAMESPACE/NAME`, for people and as a key. */
export function qualifiedName({
  metadata,
}: {
  readonly metadata?: { readonly namespace?: string; readonly name?: string };
}): string {
  return `${metadata?.namespace ?? 'default'}/${metadata?.name ?? ''}`;
}

/** A pod's own address of a family. */
export function addressOf(pod: NetworkPod, family: Family): string | undefined {
  return pod.ips.find(address => familyOf(address) === family);
}

/** The same state with its pods and ranges in one order and addresses in one spelling, whoever wrote it. */
export function canonicalState(state: NodeState): NodeState {
  const key = byText(({ namespace, name, uid }: NetworkPod) => `${namespace}/${name}/${uid}`);
  return {
    ...state,
    podCidrs: [...state.podCidrs].sort(),
    pods: state.pods
      .map(pod => ({ ...pod, ips: pod.ips.flatMap(ip => canonicalAddress(ip) ?? []) }))
      .sort(key),
  };
}

/** The labels of any namespace. */
export function namespaceLabels(
  namespaces: readonly NetworkNamespace[],
): (name: string) => Readonly<Record<string, string>> {
  const known = new Map(namespaces.map(({ name, labels }) => [name, labels]));
  return name => ({ ...known.get(name), [NAMESPACE_NAME_LABEL]: name });
}

/** By code units: the same on every machine, whatever its locale. */
export function byText<T>(textOf: (item: T) => string): (one: T, other: T) => number {
  return (one, other) => {
    const [a, b] = [textOf(one), textOf(other)];
    return a < b ? -1 : a > b ? 1 : 0;
  };
}
