import type { ServicePort } from '../../kube/types.generated.ts';
import type { DnsPod, DnsService } from './state.ts';

/** One address that a Service stands for. */
export interface Endpoint {
  /** The label that names it below the Service. */
  readonly hostname: string;
  readonly ip: string;
  readonly ports: readonly EndpointPort[];
}

export interface EndpointPort {
  readonly name: string | undefined;
  readonly protocol: string;
  readonly port: number;
}

/** The endpoints of a Service that are ready, or that it publishes although they are not. Without a selector there are none. */
export function endpointsOf(service: DnsService, pods: readonly DnsPod[]): readonly Endpoint[] {
  const selector = Object.entries(service.selector ?? {});
  if (selector.length === 0) return [];
  return pods
    .filter(
      pod =>
        pod.namespace === service.namespace &&
        (pod.ready || service.publishNotReadyAddresses === true) &&
        selector.every(([key, value]) => pod.labels[key] === value),
    )
    .flatMap(pod => {
      const ports = (service.ports ?? []).flatMap(port => endpointPort(port, pod));
      return pod.ips.map(ip => ({ hostname: hostnameOf(pod, service, ip), ip, ports }));
    });
}

/** Only the Service that the pod's subdomain names may use its host name (endpoint controllers' ShouldSetHostname). */
function hostnameOf(pod: DnsPod, service: DnsService, ip: string): string {
  const isItsOwn = pod.hostname !== undefined && pod.hostname !== '' && pod.subdomain === service.name;
  return isItsOwn ? (pod.hostname ?? '') : ip.replace(/[.:]/g, '-');
}

/** Empty where the target port names none of this pod's. */
function endpointPort(
  { name, port, targetPort = port, protocol = 'TCP' }: ServicePort,
  pod: DnsPod,
): readonly EndpointPort[] {
  const number =
    typeof targetPort === 'number'
      ? targetPort
      : pod.ports.find(each => each.name === targetPort && (each.protocol ?? 'TCP') === protocol)
          ?.containerPort;
  return number === undefined ? [] : [{ name, protocol, port: number || port }];
}
