import type { Pod } from '../kube/types.generated.ts';

/** A port that a container says it listens on. */
export interface PortRecord {
  readonly container: string;
  /** An init container that goes on running: its hostPort is reserved, but nobody sends anything there. */
  readonly isSidecar: boolean;
  readonly name?: string;
  readonly containerPort: number;
  readonly protocol: string;
  readonly hostPort?: number;
  readonly hostIP?: string;
}

/** What rules and Services must know about a live pod: `network.json` in its run directory, written before anything runs. */
export interface NetworkRecord {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The first one is its `status.podIP`; none for a pod with nothing but `lo`. */
  readonly ips: readonly string[];
  readonly hostNetwork: boolean;
  readonly ports: readonly PortRecord[];
  /** All of its containers run. */
  readonly ready: boolean;
}

export function networkRecord(pod: Pod, ips: readonly string[], ready: boolean): NetworkRecord {
  const { uid = '', name = '', namespace = 'default', labels = {} } = pod.metadata ?? {};
  const { containers = [], initContainers = [], hostNetwork = false } = pod.spec ?? {};
  const sidecars = initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always');
  const portsOf = (isSidecar: boolean) => (container: (typeof containers)[number]) =>
    (container.ports ?? []).map(
      ({ name, containerPort, protocol = 'TCP', hostPort, hostIP }): PortRecord => ({
        container: container.name,
        isSidecar,
        ...(name === undefined ? {} : { name }),
        containerPort,
        protocol,
        ...(hostPort === undefined ? {} : { hostPort }),
        ...(hostIP === undefined ? {} : { hostIP }),
      }),
    );
  const ports = [...containers.flatMap(portsOf(false)), ...sidecars.flatMap(portsOf(true))];
  return { uid, namespace, name, labels, ips, hostNetwork, ports, ready };
}
