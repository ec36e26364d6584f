import type { LoadedObject } from '../kube/manifest.ts';
import { allocateServices } from '../network/allocate-services.ts';
import { updateRules } from '../network/apply.ts';
import { NODE } from '../network/dns-rules.ts';
import { mergeObjects, NETWORK_KINDS, networkObjects } from '../network/objects.ts';
import { addressOf, byText, DEFAULT_SERVICE_CIDR, type NodeState } from '../network/state.ts';
import type { Roots } from '../oci/pod-paths.ts';
import { NODE_DIRECTORY, readNode } from './node-registry.ts';
import { hasObjects, ObjectStore } from './object-store.ts';

/** The cluster's DNS server, as kubeadm places it. */
export const CLUSTER_DNS = '10.96.0.10';

/**
 * What the node's rules are made from: its live pods, with the objects that they brought, and those of the stores of every
 * --root that they run with. Whoever looks sees the same: one command must not undo what another has put in force. `more` is a
 * root whose objects are wanted even if no pod runs with it.
 */
export function readNodeState(more?: Roots): NodeState {
  const records = readNode();
  const all = [...records.map(({ roots }) => roots), ...(more === undefined ? [] : [more])];
  const stores = [...new Map(all.map(roots => [roots.state, roots])).values()].sort(
    byText(({ state }) => state),
  );
  const stored = stores.filter(hasObjects).map(roots => networkObjects(storedObjects(roots)));
  const objects = mergeObjects([...stored, ...records.map(record => record.objects)]);
  const serviceCidrs = [DEFAULT_SERVICE_CIDR];
  const { services } = allocateServices(objects.services, { serviceCidrs, reserved: [CLUSTER_DNS] });
  const listeners = records.flatMap(({ pod, dns }) => {
    const from = pod.hostNetwork ? NODE : addressOf(pod, 'IPv4');
    return dns === undefined || from === undefined ? [] : [{ from, ...dns }];
  });
  return {
    podCidrs: [...new Set(records.flatMap(({ podCidrs }) => podCidrs))],
    serviceCidrs,
    pods: records.map(({ pod }) => pod),
    namespaces: objects.namespaces,
    policies: objects.policies,
    services,
    ...(listeners.length === 0 ? {} : { dns: { clusterIP: CLUSTER_DNS, listeners } }),
  };
}

function storedObjects(roots: Roots): readonly LoadedObject[] {
  const store = new ObjectStore(roots);
  return NETWORK_KINDS.flatMap(kind => store.list(kind));
}

/** Brings the rules up to date. Throws a UserError if nftables cannot do it. */
export async function updateNode(): Promise<void> {
  await updateRules(NODE_DIRECTORY, () => readNodeState());
}

/** Whether a node without rules would be another one than was asked for: masquerade is all that is lost otherwise. */
export function needsRules({ policies, services, pods }: NodeState): boolean {
  return (
    policies.length > 0 ||
    services.length > 0 ||
    pods.some(
      ({ ports, hostNetwork }) => !hostNetwork && ports.some(({ hostPort }) => hostPort !== undefined),
    )
  );
}
