import { selectorMatches } from '../kube/label-selector.ts';
import type { Pod, PodStatus, Service } from '../kube/types.generated.ts';
import { targetPort } from '../network/services.ts';
import { type NetworkPod, networkPod, protocolOf } from '../network/state.ts';
import { impliedUid } from './implied.ts';
import type { ApiObject } from './objects.ts';

interface Port {
  readonly name?: string;
  readonly port: number;
  readonly protocol: string;
}

/** A pod behind a Service. */
interface Member {
  readonly pod: ApiObject;
  readonly network: NetworkPod;
  readonly ports: readonly Port[];
  readonly isReady: boolean;
  readonly isTerminating: boolean;
}

/** What stands behind a Service, as the endpoints controllers write it: Endpoints, and an EndpointSlice of each kind. */
export function endpointsOf(service: ApiObject, pods: readonly ApiObject[]): readonly ApiObject[] {
  const { spec = {} } = service as unknown as Service;
  // Without a selector somebody else lists them, and there is nobody else.
  if (spec.type === 'ExternalName' || Object.keys(spec.selector ?? {}).length === 0) return [];
  const members = pods.flatMap(pod => memberOf(service, pod) ?? []);
  const groups = new Map<string, Member[]>();
  for (const member of members) {
    const key = JSON.stringify(member.ports);
    groups.set(key, [...(groups.get(key) ?? []), member]);
  }
  const lots = [...groups.values()];
  return [endpoints(service, lots), ...lots.flatMap(lot => slices(service, lot))];
}

function memberOf(service: ApiObject, pod: ApiObject): Member | undefined {
  const { spec = {} } = service as unknown as Service;
  const { phase = '', podIPs = [], conditions = [] } = (pod.status ?? {}) as PodStatus;
  const { namespace, uid = '', labels = {}, deletionTimestamp } = pod.metadata;
  const isSelected =
    namespace === service.metadata.namespace && selectorMatches({ matchLabels: spec.selector ?? {} }, labels);
  if (!isSelected || podIPs.length === 0 || ['Succeeded', 'Failed'].includes(phase)) return undefined;
  const isConditionReady = conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
  const isTerminating = deletionTimestamp !== undefined;
  const ips = podIPs.flatMap(({ ip }) => (ip === undefined ? [] : [ip]));
  const network = networkPod(pod as unknown as Pod, { uid, ips, ready: isConditionReady });
  const ports = (spec.ports ?? []).flatMap(each => {
    const port = targetPort(each, network);
    const protocol = protocolOf(each.protocol);
    return port === undefined ? [] : [{ ...(each.name ? { name: each.name } : {}), port, protocol }];
  });
  const isReady = spec.publishNotReadyAddresses === true || (isConditionReady && !isTerminating);
  return { pod, network, ports, isReady, isTerminating };
}

function targetRef({ metadata: { namespace, name, uid } }: ApiObject): object {
  return { kind: 'Pod', namespace, name, uid };
}

const nodeOf = ({ spec }: ApiObject): object => {
  const { nodeName } = (spec ?? {}) as { nodeName?: string };
  return nodeName === undefined ? {} : { nodeName };
};

function metadataOf(
  service: ApiObject,
  name: string,
  labels: Readonly<Record<string, string>>,
): ApiObject['metadata'] {
  const { namespace = '', creationTimestamp, uid } = service.metadata;
  return {
    name,
    namespace,
    uid: impliedUid('Endpoints', uid ?? '', name),
    ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    labels: { ...service.metadata.labels, ...labels },
  };
}

function endpoints(service: ApiObject, lots: readonly (readonly Member[])[]): ApiObject {
  const addressOf = ({ pod, network }: Member): object => ({
    ip: network.ips[0],
    ...nodeOf(pod),
    targetRef: targetRef(pod),
  });
  const subsets = lots.flatMap(lot => {
    const ready = lot.filter(({ isReady }) => isReady).map(addressOf);
    const notReady = lot.filter(({ isReady, isTerminating }) => !isReady && !isTerminating).map(addressOf);
    if (ready.length + notReady.length === 0) return [];
    const ports = lot[0]?.ports ?? [];
    return [
      {
        ...(ready.length === 0 ? {} : { addresses: ready }),
        ...(notReady.length === 0 ? {} : { notReadyAddresses: notReady }),
        ...(ports.length === 0 ? {} : { ports }),
      },
    ];
  });
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: metadataOf(service, service.metadata.name ?? '', {}),
    ...(subsets.length === 0 ? {} : { subsets }),
  };
}

function slices(service: ApiObject, lot: readonly Member[]): readonly ApiObject[] {
  const families = [
    ['IPv4', (ip: string) => !ip.includes(':')],
    ['IPv6', (ip: string) => ip.includes(':')],
  ] as const;
  return families.flatMap(([addressType, isOf]) => {
    const found = lot.flatMap(member => {
      const ip = member.network.ips.find(isOf);
      return ip === undefined ? [] : [{ member, ip }];
    });
    if (found.length === 0) return [];
    const { name = '' } = service.metadata;
    const ports = lot[0]?.ports ?? [];
    const suffix = impliedUid(name, addressType, JSON.stringify(ports)).slice(0, 5);
    return [
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: metadataOf(service, `${name}-${suffix}`, {
          'kubernetes.io/service-name': name,
          'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        }),
        addressType,
        endpoints: found.map(({ member: { pod, network, isReady, isTerminating }, ip }) => ({
          addresses: [ip],
          conditions: { ready: isReady, serving: network.ready, terminating: isTerminating },
          ...nodeOf(pod),
          targetRef: targetRef(pod),
        })),
        ports,
      },
    ];
  });
}
