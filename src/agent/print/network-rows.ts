import { formatSelector } from '../../kube/label-selector.ts';
import type { NetworkPolicy, Service, ServiceSpec } from '../../kube/types.generated.ts';
import {
  AGE,
  ageOf,
  column,
  formatLabels,
  NAME,
  type Named,
  NONE,
  nameOf,
  type RowPrinter,
  shortList,
  UNSET,
  wideColumn,
} from './row.ts';

/** core/v1.Endpoints, as far as it is printed. */
export interface Endpoints extends Named {
  readonly subsets?: readonly {
    readonly addresses?: readonly { readonly ip: string }[];
    readonly notReadyAddresses?: readonly { readonly ip: string }[];
    readonly ports?: readonly { readonly name?: string; readonly port: number; readonly protocol?: string }[];
  }[];
}

/** discovery.k8s.io/v1.EndpointSlice, as far as it is printed. */
export interface EndpointSlice extends Named {
  readonly addressType?: string;
  readonly ports?: readonly { readonly name?: string; readonly port?: number; readonly protocol?: string }[];
  readonly endpoints?: readonly {
    readonly addresses?: readonly string[];
    readonly conditions?: { readonly ready?: boolean };
    readonly hostname?: string;
    readonly targetRef?: { readonly kind?: string; readonly name?: string };
    readonly nodeName?: string;
    readonly zone?: string;
  }[];
}

/** getServiceExternalIP: nobody here gives a load balancer an address. */
function externalIP({ type, externalIPs = [], externalName = '' }: ServiceSpec): string {
  if (type === 'ExternalName') return externalName;
  if (externalIPs.length > 0) return externalIPs.join(',');
  return type === 'LoadBalancer' ? '<pending>' : NONE;
}

/** `10.0.0.1:80`, `[::1]:80` */
const joinHostPort = (host: string, port: number): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;

/** The addresses of Endpoints with their ports; of the port of one name if that is given. */
export function formatEndpoints({ subsets = [] }: Endpoints, portName?: string): string {
  const list = subsets.flatMap(({ addresses = [], ports = [] }) =>
    ports.length === 0
      ? addresses.map(({ ip }) => ip)
      : ports
          .filter(({ name = '' }) => portName === undefined || name === portName)
          .flatMap(({ port }) => addresses.map(({ ip }) => joinHostPort(ip, port))),
  );
  return shortList(list, subsets.length === 0 ? NONE : '');
}

/** What pods are reached by, and who may reach them. */
export const NETWORK_ROWS = {
  Service: {
    columns: [
      NAME,
      column('Type', 'How the Service is reached.'),
      column('Cluster-IP', 'The address of the Service.'),
      column('External-IP', 'Addresses of the Service outside of the cluster.'),
      column('Port(s)', 'The ports of the Service, and those of the node.'),
      AGE,
      wideColumn('Selector', 'The labels of its pods.'),
    ],
    cells: (service: Service, now) => {
      const { spec = {} } = service;
      const ports = (spec.ports ?? []).map(
        ({ port, nodePort, protocol }) => `${port}${nodePort ? `:${nodePort}` : ''}/${protocol ?? 'TCP'}`,
      );
      return [
        nameOf(service),
        spec.type ?? 'ClusterIP',
        spec.clusterIP || NONE,
        externalIP(spec),
        ports.join(',') || NONE,
        ageOf(service, now),
        formatLabels(spec.selector),
      ];
    },
  },
  Endpoints: {
    columns: [NAME, column('Endpoints', 'Addresses and ports of the pods behind the Service.'), AGE],
    cells: (endpoints: Endpoints, now) => [
      nameOf(endpoints),
      formatEndpoints(endpoints),
      ageOf(endpoints, now),
    ],
  },
  EndpointSlice: {
    columns: [
      NAME,
      column('AddressType', 'IPv4, IPv6 or FQDN.'),
      column('Ports', 'The ports of the endpoints.'),
      column('Endpoints', 'The addresses of the endpoints.'),
      AGE,
    ],
    cells: (slice: EndpointSlice, now) => [
      nameOf(slice),
      slice.addressType ?? '',
      shortList(
        (slice.ports ?? []).map(({ port, name }) => String(port ?? name ?? '*')),
        UNSET,
      ),
      shortList(
        (slice.endpoints ?? []).flatMap(({ addresses = [] }) => addresses),
        UNSET,
      ),
      ageOf(slice, now),
    ],
  },
  NetworkPolicy: {
    columns: [NAME, column('Pod-Selector', 'The pods that the policy is about.'), AGE],
    cells: (policy: NetworkPolicy, now) => [
      nameOf(policy),
      formatSelector(policy.spec?.podSelector ?? {}) || NONE,
      ageOf(policy, now),
    ],
  },
} as const satisfies Readonly<Record<string, RowPrinter>>;
