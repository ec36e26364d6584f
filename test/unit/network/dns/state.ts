import type { Service, ServiceSpec } from '../../../../src/kube/types.generated.ts';
import type { ZoneState } from '../../../../src/network/dns/state.ts';
import type { NetworkPod } from '../../../../src/network/state.ts';

/** A pod of the namespace `shop` that is ready. */
export const pod = (name: string, ip: string, more: Partial<NetworkPod> = {}): NetworkPod => ({
  uid: `uid-${name}`,
  namespace: 'shop',
  name,
  labels: { app: 'web' },
  ips: [ip],
  hostNetwork: false,
  ready: true,
  ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
  ...more,
});

/** A service of the namespace `shop` that selects such pods. */
export const service = (
  name: string,
  clusterIPs: readonly string[],
  more: Partial<ServiceSpec> = {},
): Service => ({
  metadata: { namespace: 'shop', name },
  spec: {
    clusterIPs,
    selector: { app: 'web' },
    ports: [{ name: 'http', port: 80, targetPort: 'http' }],
    ...more,
  },
});

/** A state with some of everything, and what is laid over it. */
export function stateOf(more: Partial<ZoneState> = {}): ZoneState {
  return {
    domain: 'cluster.local',
    serverIPs: ['10.96.0.10'],
    namespaces: ['default', 'empty'],
    pods: [
      pod('web-0', '10.244.0.2', { hostname: 'web-0', subdomain: 'web' }),
      pod('web-1', '10.244.0.3', { hostname: 'web-1', subdomain: 'web', ips: ['10.244.0.3', 'fd00::3'] }),
      pod('late', '10.244.0.4', { ready: false, hostname: 'late', subdomain: 'early' }),
      pod('plain', '10.244.0.5', { ports: [] }),
      pod('db', '10.244.0.6', { labels: { app: 'db', tier: 'back' } }),
      pod('web', '10.244.0.7', { namespace: 'other' }),
    ],
    services: [
      service('front', ['10.96.0.20', 'fd01::20'], {
        ports: [
          { name: 'http', port: 80, targetPort: 'http' },
          { name: 'dns', port: 53, protocol: 'UDP' },
          { port: 9999 },
        ],
      }),
      service('web', ['None']),
      service('early', ['None'], { publishNotReadyAddresses: true, ports: [] }),
      service('nobody', ['None'], { selector: { app: 'nobody' } }),
      service('idle', ['10.96.0.21'], { selector: { app: 'nobody' } }),
      service('manual', ['10.96.0.22'], { selector: {} }),
      service('pending', []),
      service('out', [], { type: 'ExternalName', externalName: 'Example.ORG.' }),
      service('alias', [], { type: 'ExternalName', externalName: 'front.shop.svc.cluster.local' }),
      service('loop', [], { type: 'ExternalName', externalName: 'pool.shop.svc.cluster.local' }),
      service('pool', [], { type: 'ExternalName', externalName: 'loop.shop.svc.cluster.local' }),
      service('dangling', [], { type: 'ExternalName', externalName: 'gone.shop.svc.cluster.local' }),
      service('address', [], { type: 'ExternalName', externalName: '192.0.2.1' }),
    ],
    ...more,
  };
}
