import type { Service } from '../../kube/types.generated.ts';
import { selectedPods, targetPort } from '../services.ts';
import { type NetworkPod, type Protocol, protocolOf } from '../state.ts';

/** One address that a Service stands for. */
export interface Endpoint {
  /** The label that names it below the Service. */
  readonly hostname: string;
  readonly ip: string;
  readonly ports: readonly EndpointPort[];
}

export interface EndpointPort {
  readonly name: string | undefined;
  readonly protocol: Protocol;
  readonly port: number;
}

/** The endpoints of a Service. A port whose target a pod does not know is not one of that pod's. */
export function endpointsOf(service: Service, pods: readonly NetworkPod[]): readonly Endpoint[] {
  return selectedPods(service, pods).flatMap(pod => {
    const ports = (service.spec?.ports ?? []).flatMap(port => {
      const number = targetPort(port, pod);
      return number === undefined
        ? []
        : [{ name: port.name, protocol: protocolOf(port.protocol), port: number }];
    });
    return pod.ips.map(ip => ({ hostname: hostnameOf(pod, service, ip), ip, ports }));
  });
}

/** Only the Service that the pod's subdomain names may use its host name (endpoint controllers' ShouldSetHostname). */
function hostnameOf({ hostname = '', subdomain }: NetworkPod, service: Service, ip: string): string {
  return hostname !== '' && subdomain === service.metadata?.name ? hostname : ip.replace(/[.:]/g, '-');
}
