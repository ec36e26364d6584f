import { UserError } from '../base/errors.ts';
import type { Pod } from '../kube/types.generated.ts';
import type { Cidr } from '../network/addresses.ts';
import { NetlinkSocket } from '../network/netlink-socket.ts';
import { checkAddresses, enableForwarding, type Node, thisNode } from '../network/node.ts';
import { DEFAULT_POD_CIDR, parsePodCidr } from '../network/pod-cidr.ts';
import { networkRecord } from '../network/record.ts';
import { wirePod } from '../network/wire.ts';
import type { HostFacts } from '../oci/host-facts.ts';
import type { Cleanup } from './cleanup.ts';
import { isSidecar } from './container.ts';
import { leaseAddresses } from './leases.ts';
import type { PodDirectory } from './pod-directory.ts';
import type { PodObserver } from './run-options.ts';
import type { Sandbox } from './sandbox.ts';

/** What pods that do not have the node's network get: one of their own, or just `lo`. */
export interface NetworkOptions {
  readonly network?: 'pod' | 'none' | undefined;
  /** The kubelet's --pod-cidr: ranges of the pods' addresses, one or one of each family with a comma between. */
  readonly podCidr?: string | undefined;
}

/** Where pods get their addresses from; undefined where they get none. */
export interface NetworkSettings {
  readonly podCidrs: readonly Cidr[] | undefined;
}

/** Throws a UserError that names the option `name` as the caller knows it. */
export function networkSettings(
  { network = 'pod', podCidr = DEFAULT_POD_CIDR }: NetworkOptions,
  name: string,
): NetworkSettings {
  const podCidrs = parsePodCidr(podCidr);
  if ('error' in podCidrs)
    throw new UserError(`${name}: ${podCidrs.error}`, {
      hint: `${DEFAULT_POD_CIDR} for example, or with IPv6 ${DEFAULT_POD_CIDR},fd00:10:244::/64`,
    });
  return { podCidrs: network === 'pod' ? podCidrs : undefined };
}

export interface PodNetwork {
  /** Its `status.podIPs`. */
  readonly podIPs: readonly string[];
  /** Gives the sandbox its network; does nothing for one that is not wired. */
  wire(sandbox: Sandbox): Promise<void>;
  /** Writes down what others must know of it, for which containers run matters: they are given by name. */
  record(running: readonly string[]): void;
}

/** What the pod's network is made of. */
interface PodNetworkInput {
  readonly pod: Pod;
  readonly directory: PodDirectory;
  readonly host: HostFacts;
  readonly settings: NetworkSettings;
  readonly observer: PodObserver;
}

/** Takes the pod's addresses, and makes the node ready for it. Throws a NetworkError if there are none. */
export function preparePodNetwork(input: PodNetworkInput, cleanup: Cleanup): PodNetwork {
  const { pod, directory, host, settings } = input;
  const { podCidrs } = settings;
  if (pod.spec?.hostNetwork === true) return network(input, [host.hostIP], [host.hostIP], async () => {});
  if (podCidrs === undefined) return network(input, [], ['127.0.0.1'], async () => {});
  const addresses = leaseAddresses(podCidrs, directory.paths.run, cleanup);
  const preparing = prepareNode(addresses, podCidrs);
  // It is looked at when the sandbox is there.
  preparing.catch(() => {});
  return network(input, addresses, addresses, async sandbox => {
    const node = await preparing;
    const unwire = await wire(input, node, addresses, sandbox);
    cleanup.add('the network of the pod', unwire);
  });
}

function network(
  { pod, directory }: PodNetworkInput,
  addresses: readonly string[],
  podIPs: readonly string[],
  wire: PodNetwork['wire'],
): PodNetwork {
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  const lasting = [...containers, ...initContainers.filter(isSidecar)].map(({ name }) => name);
  let written: boolean | undefined;
  const record = (running: readonly string[]): void => {
    const isReady = lasting.every(name => running.includes(name));
    if (isReady === written) return;
    directory.writeNetwork(networkRecord(pod, addresses, isReady));
    written = isReady;
  };
  return { podIPs, wire, record };
}

async function wire(
  { directory, observer }: PodNetworkInput,
  node: Node,
  addresses: readonly string[],
  { network }: Sandbox,
): Promise<() => Promise<void>> {
  if (network === undefined) throw new Error('bug in podspace: the sandbox has no netlink socket');
  const { unwire } = await wirePod({
    node,
    pod: new NetlinkSocket(network.netlink),
    netns: network.namespace,
    uid: directory.paths.uid,
    addresses,
    ...(observer.onExchange === undefined ? {} : { onExchange: observer.onExchange }),
  });
  return unwire;
}

async function prepareNode(addresses: readonly string[], podCidrs: readonly Cidr[]): Promise<Node> {
  const node = await thisNode();
  await checkAddresses(node, addresses, podCidrs);
  enableForwarding(addresses);
  return node;
}
