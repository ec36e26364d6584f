import { canonicalAddress, type Family, familyOf } from '../base/addresses.ts';
import { selectorMatches } from '../kube/label-selector.ts';
import type { Service, ServicePort } from '../kube/types.generated.ts';
import { isHeadless } from '../kube/validate-cluster-ips.ts';
import {
  addressOf,
  byText,
  type NetworkPod,
  type NodeState,
  type Protocol,
  protocolOf,
  qualifiedName,
} from './state.ts';

/** A pod behind a Service. */
export interface ServiceEndpoint {
  readonly pod: NetworkPod;
  readonly ip: string;
  readonly port: number;
}

/** One port of a Service, at its addresses of one family: what a client asks for, and who can answer. */
export interface ServiceRoute {
  /** `NAMESPACE/NAME:PORT/PROTOCOL` */
  readonly name: string;
  readonly family: Family;
  readonly protocol: Protocol;
  readonly port: number;
  readonly clusterIP: string;
  readonly externalIPs: readonly string[];
  readonly nodePort: number | undefined;
  /** Seconds for which a client stays with its pod; undefined if it need not. */
  readonly affinity: number | undefined;
  /** Clients from outside keep their addresses (externalTrafficPolicy: Local). */
  readonly keepsClient: boolean;
  readonly endpoints: readonly ServiceEndpoint[];
}

/** The routes of every Service that has an address; one that is headless, or the name of something else, has none. */
export function serviceRoutes({ services, pods }: NodeState): readonly ServiceRoute[] {
  return [...services].sort(byText(qualifiedName)).flatMap(service => {
    const { spec = {} } = service;
    if (spec.type === 'ExternalName' || isHeadless(spec)) return [];
    return clusterIPsOf(service).flatMap(clusterIP =>
      (spec.ports ?? []).map(port => routeOf(service, port, clusterIP, pods)),
    );
  });
}

/** In canonical text. */
export function clusterIPsOf({ spec = {} }: Service): readonly string[] {
  const given = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : []);
  return given.flatMap(ip => canonicalAddress(ip) ?? []);
}

function routeOf(
  service: Service,
  port: ServicePort,
  clusterIP: string,
  pods: readonly NetworkPod[],
): ServiceRoute {
  const { spec = {} } = service;
  const family = familyOf(clusterIP);
  const protocol = protocolOf(port.protocol);
  const isPublic = spec.type === 'NodePort' || spec.type === 'LoadBalancer';
  return {
    name: `${qualifiedName(service)}:${port.name ?? port.port}/${protocol}`,
    family,
    protocol,
    port: port.port,
    clusterIP,
    externalIPs: (spec.externalIPs ?? [])
      .flatMap(ip => canonicalAddress(ip) ?? [])
      .filter(ip => familyOf(ip) === family),
    nodePort: isPublic && port.nodePort ? port.nodePort : undefined,
    affinity:
      spec.sessionAffinity === 'ClientIP' ? spec.sessionAffinityConfig?.clientIP?.timeoutSeconds : undefined,
    keepsClient: spec.externalTrafficPolicy === 'Local',
    endpoints: serviceEndpoints(service, port, family, pods),
  };
}

/**
 * The pods that answer for a port of a Service: those that it selects and that know the target port if it is a name.
 */
export function serviceEndpoints(
  service: Service,
  port: ServicePort,
  family: Family,
  pods: readonly NetworkPod[],
): readonly ServiceEndpoint[] {
  return selectedPods(service, pods)
    .flatMap(pod => {
      const ip = addressOf(pod, family);
      const target = targetPort(port, pod);
      return ip === undefined || target === undefined ? [] : [{ pod, ip, port: target }];
    })
    .sort(byText(({ pod, ip }) => `${pod.name} ${ip}`));
}

/**
 * The pods that a Service's selector names and that are ready, or that it publishes although they are not. Without a
 * selector somebody else would list them: there are none.
 */
export function selectedPods(
  { metadata, spec = {} }: Service,
  pods: readonly NetworkPod[],
): readonly NetworkPod[] {
  const { selector = {}, publishNotReadyAddresses = false } = spec;
  if (Object.keys(selector).length === 0) return [];
  return pods.filter(
    pod =>
      pod.namespace === (metadata?.namespace ?? 'default') &&
      (pod.ready || publishNotReadyAddresses) &&
      selectorMatches({ matchLabels: selector }, pod.labels),
  );
}

/** The number of a Service's target port at a pod (FindPort of pkg/api/v1/pod): containers first, then sidecars. */
export function targetPort(
  { port, targetPort = port, protocol }: ServicePort,
  pod: NetworkPod,
): number | undefined {
  if (typeof targetPort === 'number') return targetPort === 0 ? port : targetPort;
  return pod.ports.find(each => each.name === targetPort && each.protocol === protocolOf(protocol))
    ?.containerPort;
}
