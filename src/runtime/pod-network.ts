import { closeSync } from 'node:fs';
import { type Cidr, familyOf } from '../base/addresses.ts';
import { UserError } from '../base/errors.ts';
import type { Pod } from '../kube/types.generated.ts';
import { formatCidr } from '../network/addresses.ts';
import { listenerOf } from '../network/dns-rules.ts';
import { NetworkError } from '../network/errors.ts';
import { hostPortConflict } from '../network/host-ports.ts';
import { linkNames } from '../network/names.ts';
import { NetlinkSocket } from '../network/netlink-socket.ts';
import { checkAddresses, enableForwarding, type Node, setSysctls, thisNode } from '../network/node.ts';
import { type NetworkObjects, NO_OBJECTS } from '../network/objects.ts';
import { DEFAULT_POD_CIDR, parsePodCidr } from '../network/pod-cidr.ts';
import { networkPod } from '../network/state.ts';
import { wirePod } from '../network/wire.ts';
import type { HostFacts } from '../oci/host-facts.ts';
import type { PodPaths } from '../oci/pod-paths.ts';
import type { Cleanup } from './cleanup.ts';
import { ADDRESS_FOR_NODE, type DnsAddress, serveClusterDns, serveClusterDnsAgain } from './cluster-dns.ts';
import { isSidecar } from './container.ts';
import { leaseAddresses } from './leases.ts';
import { waitForLock } from './lock-file.ts';
import { CLAIMS_LOCK, NodeEntry, readNode } from './node-registry.ts';
import { needsRules, readNodeState, updateNode } from './node-rules.ts';
import { delay } from './on-abort.ts';
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
  /**
   * Gives the sandbox its network, after {@link record}, and meanwhile makes the node's rules; does nothing for one that is
   * not wired. Says whether the cluster's DNS is there.
   */
  wire(sandbox: Promise<Sandbox>): Promise<boolean>;
  /** Writes down what others must know of it, for which containers run matters: they are given by name. */
  record(running: readonly string[]): void;
}

/** What the pod's network is made of. */
export interface PodNetworkInput {
  readonly pod: Pod;
  readonly paths: PodPaths;
  readonly host: HostFacts;
  readonly settings: NetworkSettings;
  readonly objects: NetworkObjects | undefined;
  readonly observer: PodObserver;
}

/** Takes the pod's addresses, and makes the node ready for it. Throws a NetworkError if there are none. */
export function preparePodNetwork(input: PodNetworkInput, entry: NodeEntry, cleanup: Cleanup): PodNetwork {
  const { pod, paths, host, settings } = input;
  const { podCidrs } = settings;
  const { uid } = paths;
  const serve = (wanted: DnsAddress): DnsAddress => serveClusterDns(host.resolvConf, wanted, cleanup);
  let takenBack: Promise<void> | undefined;
  const takeBack = (): Promise<void> => {
    entry.withdraw();
    takenBack ??= updateNode().catch(ignoreUserError);
    return takenBack;
  };
  const willTakeBack = (): void => cleanup.add('the rules of the pod', takeBack);
  if (pod.spec?.hostNetwork === true) {
    const addresses = [host.hostIP];
    const dns = pod.spec.dnsPolicy === 'ClusterFirstWithHostNet' ? serve(ADDRESS_FOR_NODE) : undefined;
    // Services may lead to it, too.
    willTakeBack();
    const wire = async (): Promise<boolean> => dns !== undefined && rule(input);
    return network(input, entry, { addresses, podIPs: addresses, dns, wire });
  }
  if (podCidrs === undefined)
    return network(input, entry, { addresses: [], podIPs: ['127.0.0.1'], wire: async () => false });
  const addresses = leaseAddresses(podCidrs, paths.run, cleanup);
  const preparing = prepareNode(addresses, podCidrs);
  // It is looked at when the sandbox is there.
  preparing.catch(() => {});
  // The cluster's DNS has an address of IPv4 only.
  const ipv4 = addresses.find(address => familyOf(address) === 'IPv4');
  const dns = ipv4 === undefined ? undefined : serve(listenerOf(ipv4));
  return network(input, entry, {
    addresses,
    podIPs: addresses,
    dns,
    wire: async sandbox => {
      willTakeBack();
      // While the sandbox is made: what the pod's address means is settled before there is a way to it.
      const ruled = rule(input);
      // It is looked at when the pod has its link.
      ruled.catch(() => {});
      const unwire = await wire(input, await preparing, addresses, await sandbox);
      cleanup.add('the network of the pod', unwire);
      // Again, because nothing may lead to the pod when it can no longer be reached.
      willTakeBack();
      if (!(await ruled)) return false;
      // The cluster's DNS and what comes to host ports of 127.0.0.1 may be answered. Only now: the rules drop what a pod
      // sends there itself (CVE-2020-8558).
      setSysctls({ [`net.ipv4.conf.${linkNames(uid).name}.route_localnet`]: '1' });
      return dns !== undefined;
    },
  });
}

/** That of a pod that is wired already: `fetch` gets what its keeper keeps for it. */
export function adoptPodNetwork(
  input: PodNetworkInput,
  podIPs: readonly string[],
  fetch: (name: string) => number,
  cleanup: Cleanup,
): PodNetwork {
  const entry = new NodeEntry(input.paths.uid, input.paths.roots);
  const { pod, dns } = entry.read() ?? {};
  if (dns !== undefined) {
    const sockets = { udp: fetch('dns udp'), tcp: fetch('dns tcp') };
    serveClusterDnsAgain(input.host.resolvConf, dns, sockets, cleanup);
  }
  return network(input, entry, { addresses: pod?.ips ?? [], podIPs, dns, wire: async () => false });
}

/** Where there is no nftables there are no rules to take back. */
function ignoreUserError(error: unknown): void {
  if (!(error instanceof UserError)) throw error;
}

/** Puts the rules in force, before anything of the pod runs. False if there can be none, and they are not missed. */
async function rule({ observer }: PodNetworkInput): Promise<boolean> {
  try {
    await updateNode();
    return true;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    if (needsRules(readNodeState()))
      throw new NetworkError(`${error.message}${error.hint === undefined ? '' : ` (${error.hint})`}`, {
        cause: error,
      });
    observer.onWarning?.(`pods reach each other and the node only: ${error.message}`);
    return false;
  }
}

/** Milliseconds between two looks at who has a port. */
const PORT_POLL = 250;

/**
 * Waits until the pod's host ports are free, and takes them: as a scheduler does, for a pod that stays Pending. False if
 * the pod is to end first.
 */
export async function claimHostPorts(
  { pod, paths, objects = NO_OBJECTS, observer }: PodNetworkInput,
  entry: NodeEntry,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { uid } = paths;
  const candidate = networkPod(pod, { uid, ips: [], ready: false });
  const claim = (): ReturnType<typeof hostPortConflict> => {
    const lock = waitForLock(CLAIMS_LOCK);
    try {
      const conflict = hostPortConflict(
        readNode().map(record => record.pod),
        candidate,
      );
      if (conflict === undefined) entry.write({ pod: candidate, objects, podCidrs: [] });
      return conflict;
    } finally {
      closeSync(lock);
    }
  };
  for (let isTold = false; ; isTold = true) {
    const conflict = claim();
    if (conflict === undefined) return true;
    if (!isTold) {
      observer.onEvent?.('Warning', 'FailedScheduling', conflict.message, '');
      const { hostPort, protocol } = conflict.port;
      const [own, other] = [candidate, conflict.holder].map(each => `pod ${each.namespace}/${each.name}`);
      observer.onWarning?.(
        `${own} is Pending until host port ${protocol} ${hostPort} is free: ${other} has it. ${conflict.message}`,
      );
    }
    await delay(PORT_POLL, signal ?? new AbortController().signal);
    if (signal?.aborted === true) return false;
  }
}

interface NetworkParts {
  readonly addresses: readonly string[];
  readonly podIPs: readonly string[];
  readonly dns?: DnsAddress | undefined;
  readonly wire: PodNetwork['wire'];
}

function network(
  { pod, paths, objects = NO_OBJECTS, settings: { podCidrs } }: PodNetworkInput,
  entry: NodeEntry,
  { addresses, podIPs, dns, wire }: NetworkParts,
): PodNetwork {
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  const lasting = [...containers, ...initContainers.filter(isSidecar)].map(({ name }) => name);
  const { uid } = paths;
  let written: boolean | undefined;
  const record = (running: readonly string[]): void => {
    const ready = lasting.every(name => running.includes(name));
    if (ready === written) return;
    entry.write({
      pod: networkPod(pod, { uid, ips: addresses, ready }),
      objects,
      podCidrs: (podCidrs ?? []).map(formatCidr),
      ...(dns === undefined ? {} : { dns }),
    });
    if (written !== undefined && podCidrs !== undefined) void updateServices().catch(() => {});
    written = ready;
  };
  return { podIPs, wire, record };
}

/** Milliseconds in which pods become ready together, and are looked at together. */
const READY_TOGETHER = 20;
let isServicesUpdateDue = false;

/** Who is ready matters to Services alone. */
async function updateServices(): Promise<void> {
  if (isServicesUpdateDue) return;
  isServicesUpdateDue = true;
  await new Promise(resolve => setTimeout(resolve, READY_TOGETHER).unref());
  isServicesUpdateDue = false;
  if (readNodeState().services.length > 0) await updateNode();
}

async function wire(
  { paths, observer }: PodNetworkInput,
  node: Node,
  addresses: readonly string[],
  { network }: Sandbox,
): Promise<() => Promise<void>> {
  if (network === undefined) throw new Error('bug in podspace: the sandbox has no netlink socket');
  const { unwire } = await wirePod({
    node,
    pod: new NetlinkSocket(network.netlink),
    netns: network.namespace,
    uid: paths.uid,
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
