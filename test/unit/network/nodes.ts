import type { NetworkPolicy, Service, ServiceSpec } from '../../../src/kube/types.generated.ts';
import { setNetworkPolicyDefaults } from '../../../src/kube/validate-network-policy.ts';
import { setServiceDefaults } from '../../../src/kube/validate-service.ts';
import type { NetworkPod, NodeState } from '../../../src/network/state.ts';

/** As good as random, and yet always the same (FNV-1a). */
function uidOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  const digits = (hash >>> 0).toString(16).padStart(8, '0');
  return `${digits}-0000-4000-8000-0000${digits}`;
}

/** A pod `NAMESPACE/NAME` with labels `pod: NAME`; its uid is made from its address. */
export function podAt(id: string, ip: string, fields: Partial<NetworkPod> = {}): NetworkPod {
  const [namespace = '', name = ''] = id.split('/');
  return {
    uid: uidOf(ip),
    namespace,
    name,
    labels: { pod: name },
    ips: [ip],
    hostNetwork: false,
    ports: [],
    ready: true,
    ...fields,
  };
}

/** A defaulted policy `NAMESPACE/NAME`. */
export function policyOf(id: string, spec: NetworkPolicy['spec']): NetworkPolicy {
  const [namespace, name] = id.split('/');
  return setNetworkPolicyDefaults({ metadata: { namespace, name }, spec });
}

/** A defaulted Service `NAMESPACE/NAME`. */
export function serviceOf(id: string, spec: ServiceSpec): Service {
  const [namespace, name] = id.split('/');
  return setServiceDefaults({ metadata: { namespace, name }, spec });
}

export function nodeOf(fields: Partial<NodeState>): NodeState {
  return {
    podCidrs: ['10.244.0.0/16'],
    serviceCidrs: ['10.96.0.0/12'],
    pods: [],
    namespaces: [],
    policies: [],
    services: [],
    ...fields,
  };
}
