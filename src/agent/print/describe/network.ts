import { formatSelector } from '../../../kube/label-selector.ts';
import type {
  LabelSelector,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  Service,
  ServicePort,
} from '../../../kube/types.generated.ts';
import { type EndpointSlice, type Endpoints, formatEndpoints } from '../network-rows.ts';
import { formatLabels, NONE, UNSET } from '../row.ts';
import { eventLines } from './events.ts';
import {
  annotationLines,
  type Describer,
  field,
  formatGoTime,
  head,
  labelLines,
  line,
  optional,
  type Related,
} from './lines.ts';

const orNone = (list: readonly string[] = [], separator = ','): string => list.join(separator) || NONE;

function describeService(service: Service, { events, endpoints }: Related, now: number): readonly string[] {
  const { spec = {} } = service;
  const clusterIPs = spec.clusterIPs ?? (spec.clusterIP === undefined ? [] : [spec.clusterIP]);
  return [
    ...head(service.metadata),
    field('Selector', formatLabels(spec.selector)),
    field('Type', spec.type ?? 'ClusterIP'),
    ...optional('IP Family Policy', spec.ipFamilyPolicy),
    field('IP Families', orNone(spec.ipFamilies)),
    field('IP', spec.clusterIP ?? ''),
    field('IPs', orNone(clusterIPs)),
    ...optional('External IPs', spec.externalIPs?.join(',')),
    ...optional('Desired LoadBalancer IP', spec.loadBalancerIP),
    ...optional('External Name', spec.externalName),
    ...(spec.ports ?? []).flatMap(port => portLines(port, endpoints)),
    field('Session Affinity', spec.sessionAffinity ?? 'None'),
    ...optional('External Traffic Policy', spec.externalTrafficPolicy),
    ...optional('Internal Traffic Policy', spec.internalTrafficPolicy),
    ...optional('HealthCheck NodePort', spec.healthCheckNodePort || undefined),
    ...optional('LoadBalancer Source Ranges', spec.loadBalancerSourceRanges?.join(',')),
    ...optional('Traffic Distribution', spec.trafficDistribution),
    ...eventLines(events, now),
  ];
}

function portLines(
  { name = '', port, targetPort, nodePort = 0, protocol = 'TCP' }: ServicePort,
  endpoints: Endpoints | undefined,
): readonly string[] {
  const shown = name || UNSET;
  return [
    field('Port', `${shown}\t${port}/${protocol}`),
    field('TargetPort', `${targetPort ?? port}/${protocol}`),
    ...(nodePort === 0 ? [] : [field('NodePort', `${shown}\t${nodePort}/${protocol}`)]),
    field('Endpoints', endpoints === undefined ? NONE : formatEndpoints(endpoints, name)),
  ];
}

/** A small table of ports. */
function portTable(
  ports: readonly { readonly name?: string; readonly port?: number; readonly protocol?: string }[],
  level: number,
): readonly string[] {
  const rows = ports.map(
    ({ name = '', port, protocol = 'TCP' }) => `${name || UNSET}\t${port ?? UNSET}\t${protocol}`,
  );
  return ['Name\tPort\tProtocol', '----\t----\t--------', ...rows].map(text => line(text, level));
}

function describeEndpoints(endpoints: Endpoints, { events }: Related, now: number): readonly string[] {
  const subsets = (endpoints.subsets ?? []).flatMap(
    ({ addresses = [], notReadyAddresses = [], ports = [] }) => [
      field('Addresses', orNone(addresses.map(({ ip }) => ip)), 1),
      field('NotReadyAddresses', orNone(notReadyAddresses.map(({ ip }) => ip)), 1),
      ...(ports.length === 0 ? [] : [line('Ports:', 1), ...portTable(ports, 2)]),
      '',
    ],
  );
  return [...head(endpoints.metadata), 'Subsets:', ...subsets, ...eventLines(events, now)];
}

function describeEndpointSlice(slice: EndpointSlice, { events }: Related, now: number): readonly string[] {
  const { ports = [], endpoints = [] } = slice;
  const lines = endpoints.flatMap(({ addresses = [], conditions, hostname, targetRef, nodeName, zone }) => [
    line(`- Addresses:\t${orNone(addresses, ', ')}`, 1),
    line('Conditions:', 2),
    field('Ready', conditions?.ready ?? UNSET, 3),
    field('Hostname', hostname ?? UNSET, 2),
    ...(targetRef === undefined ? [] : [field('TargetRef', `${targetRef.kind}/${targetRef.name}`, 2)]),
    field('NodeName', nodeName ?? UNSET, 2),
    field('Zone', zone ?? UNSET, 2),
  ]);
  return [
    ...head(slice.metadata),
    field('AddressType', slice.addressType ?? ''),
    ...(ports.length === 0 ? [`Ports: ${UNSET}`] : ['Ports:', ...portTable(ports, 1)]),
    ...(endpoints.length === 0 ? [`Endpoints: ${NONE}`] : ['Endpoints:', ...lines]),
    ...eventLines(events, now),
  ];
}

interface Direction {
  readonly type: 'Ingress' | 'Egress';
  readonly peers: 'From' | 'To';
  readonly end: string;
}

const INGRESS: Direction = { type: 'Ingress', peers: 'From', end: 'source' };
const EGRESS: Direction = { type: 'Egress', peers: 'To', end: 'destination' };

function describeNetworkPolicy(policy: NetworkPolicy): readonly string[] {
  const { metadata = {}, spec } = policy;
  const { ingress = [], egress = [] } = spec ?? {};
  // What the API server makes of one that does not say (SetDefaults_NetworkPolicy).
  const types = spec?.policyTypes ?? ['Ingress', ...(egress.length > 0 ? ['Egress'] : [])];
  const all = '<none> (Allowing the specific traffic to all pods in this namespace)';
  const rules = (direction: Direction, list: readonly Rule[]): readonly string[] => {
    const word = direction.type.toLowerCase();
    if (!types.includes(direction.type)) return [line(`Not affecting ${word} traffic`, 1)];
    return [line(`Allowing ${word} traffic:`, 1), ...ruleLines(direction, list)];
  };
  return [
    field('Name', metadata.name ?? ''),
    field('Namespace', metadata.namespace ?? ''),
    field('Created on', formatGoTime(metadata.creationTimestamp)),
    ...labelLines('Labels', metadata.labels),
    ...annotationLines(metadata.annotations),
    'Spec:',
    line(`PodSelector:     ${formatSelector(spec?.podSelector ?? {}) || all}`, 1),
    ...rules(
      INGRESS,
      ingress.map(({ from, ports }) => ({ peers: from, ports })),
    ),
    ...rules(
      EGRESS,
      egress.map(({ to, ports }) => ({ peers: to, ports })),
    ),
    line(`Policy Types: ${types.join(', ')}`, 1),
  ];
}

interface Rule {
  readonly peers: readonly NetworkPolicyPeer[] | undefined;
  readonly ports: readonly NetworkPolicyPort[] | undefined;
}

function ruleLines({ type, peers: word, end }: Direction, rules: readonly Rule[]): readonly string[] {
  if (rules.length === 0)
    return [line(`<none> (Selected pods are isolated for ${type.toLowerCase()} connectivity)`, 2)];
  return rules.flatMap(({ peers = [], ports = [] }, i) => [
    ...(i === 0 ? [] : [line('----------', 2)]),
    ...(ports.length === 0
      ? [line('To Port: <any> (traffic allowed to all ports)', 2)]
      : ports.map(({ port = '<nil>', endPort, protocol = 'TCP' }) =>
          line(
            endPort === undefined
              ? `To Port: ${port}/${protocol}`
              : `To Port Range: ${port}-${endPort}/${protocol}`,
            2,
          ),
        )),
    ...(peers.length === 0
      ? [line(`${word}: <any> (traffic not restricted by ${end})`, 2)]
      : peers.flatMap(peer => [line(`${word}:`, 2), ...peerLines(peer)])),
  ]);
}

function peerLines({ namespaceSelector, podSelector, ipBlock }: NetworkPolicyPeer): readonly string[] {
  const selector = (name: string, value: LabelSelector | undefined): readonly string[] =>
    value === undefined ? [] : [line(`${name}: ${formatSelector(value) || NONE}`, 3)];
  const selectors = [
    ...selector('NamespaceSelector', namespaceSelector),
    ...selector('PodSelector', podSelector),
  ];
  if (selectors.length > 0 || ipBlock === undefined) return selectors;
  return [
    line('IPBlock:', 3),
    line(`CIDR: ${ipBlock.cidr}`, 4),
    line(`Except: ${(ipBlock.except ?? []).join(', ')}`, 4),
  ];
}

export const NETWORK_DESCRIBERS = {
  Service: describeService,
  Endpoints: describeEndpoints,
  EndpointSlice: describeEndpointSlice,
  NetworkPolicy: describeNetworkPolicy,
} as const satisfies Readonly<Record<string, Describer>>;
