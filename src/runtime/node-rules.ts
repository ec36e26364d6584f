import { UserError } from '../base/errors.ts';
import { type FieldError, formatFieldError, formatInvalid } from '../kube/field-error.ts';
import type { LoadedObject } from '../kube/manifest.ts';
import type { Service } from '../kube/types.generated.ts';
import { type Allocation, allocateServices, type ServiceRanges } from '../network/allocate-services.ts';
import { updateRules } from '../network/apply.ts';
import { NODE } from '../network/dns-rules.ts';
import { mergeObjects, NETWORK_KINDS, type NetworkObjects, networkObjects } from '../network/objects.ts';
import { addressOf, byText, DEFAULT_SERVICE_CIDR, type NodeState, qualifiedName } from '../network/state.ts';
import type { Roots } from '../oci/pod-paths.ts';
import { NODE_DIRECTORY, readNode, type StoredRecord } from './node-registry.ts';
import { hasObjects, ObjectStore } from './object-store.ts';

/** The cluster's DNS server, as kubeadm places it. */
export const CLUSTER_DNS = '10.96.0.10';

const SERVICE_RANGES: ServiceRanges = { serviceCidrs: [DEFAULT_SERVICE_CIDR], reserved: [CLUSTER_DNS] };

/**
 * What the node's rules are made from: its live pods, with the objects that they brought, and those of the stores of every
 * --root that they run with. Whoever looks sees the same: one command must not undo what another has put in force. `more` is a
 * root whose objects are wanted even if no pod runs with it; only root can read of pods.
 */
export function readNodeState(more?: Roots, records: readonly StoredRecord[] = readNode()): NodeState {
  const objects = readAll(records, more);
  const { services } = allocateServices(objects.services, SERVICE_RANGES);
  const listeners = records.flatMap(({ pod, dns }) => {
    const from = pod.hostNetwork ? NODE : addressOf(pod, 'IPv4');
    return dns === undefined || from === undefined ? [] : [{ from, ...dns }];
  });
  return {
    podCidrs: [...new Set(records.flatMap(({ podCidrs }) => podCidrs))],
    serviceCidrs: SERVICE_RANGES.serviceCidrs,
    pods: records.map(({ pod }) => pod),
    namespaces: objects.namespaces,
    policies: objects.policies,
    services,
    ...(listeners.length === 0 ? {} : { dns: { clusterIP: CLUSTER_DNS, listeners } }),
  };
}

function readAll(records: readonly StoredRecord[], more?: Roots): NetworkObjects {
  const all = [...records.map(({ roots }) => roots), ...(more === undefined ? [] : [more])];
  const stores = [...new Map(all.map(roots => [roots.state, roots])).values()].sort(
    byText(({ state }) => state),
  );
  const stored = stores.filter(hasObjects).map(roots => networkObjects(storedObjects(roots)));
  return mergeObjects([...stored, ...records.map(record => record.objects)]);
}

/** Throws a UserError for Services that cannot get the address or the node port that they ask for: no rule would be made of them. */
export function requireServices(services: readonly Service[], roots: Roots): void {
  if (services.length === 0) return;
  const messages = allocate(services, roots).refused.map(({ service, errors }) =>
    formatInvalid('Service', service.metadata?.name ?? '', errors.map(formatFieldError)),
  );
  if (messages.length > 0) throw new UserError(messages.join('\n'));
}

/** A Service with the addresses and node ports that it gets beside all others; or why it cannot. */
export function allocateService(
  service: Service,
  roots: Roots,
): Service | { readonly errors: readonly FieldError[] } {
  const { services, refused } = allocate([service], roots);
  const [none] = refused;
  if (none !== undefined) return { errors: none.errors };
  return services.find(each => qualifiedName(each) === qualifiedName(service)) ?? service;
}

function allocate(services: readonly Service[], roots: Roots): Allocation {
  const names = new Set(services.map(qualifiedName));
  const others = readAll(readNode(), roots).services.filter(service => !names.has(qualifiedName(service)));
  const { refused, ...allocation } = allocateServices([...others, ...services], SERVICE_RANGES);
  return { ...allocation, refused: refused.filter(({ service }) => services.includes(service)) };
}

function storedObjects(roots: Roots): readonly LoadedObject[] {
  const store = new ObjectStore(roots);
  return NETWORK_KINDS.flatMap(kind => store.list(kind));
}

/** One function, so that all who ask while others have their turn are served by one update. */
const readState = (): NodeState => readNodeState();

/** Brings the rules up to date. Throws a UserError if nftables cannot do it. */
export async function updateNode(): Promise<void> {
  await updateRules(NODE_DIRECTORY, readState);
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
