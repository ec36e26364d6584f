import type { NodeState } from '../../../src/network/state.ts';
import { nodeOf, podAt, policyOf } from './nodes.ts';

const NAMESPACES = 10;

/** A node with many pods and policies of every kind, which have different rules for each. The pods' first is 10.244.1.1. */
export function largeState(pods: number, policies: number): NodeState {
  const namespace = (i: number): string => `ns${i % NAMESPACES}`;
  return nodeOf({
    pods: Array.from({ length: pods }, (_, i) =>
      podAt(`${namespace(i)}/pod${i}`, `10.244.${1 + Math.floor(i / 250)}.${1 + (i % 250)}`, {
        labels: {
          app: `app${Math.floor(i / NAMESPACES) % 10}`,
          role: i % 3 === 0 ? 'client' : 'server',
          pod: `pod${i}`,
        },
        ports: [{ name: 'http', containerPort: 80, protocol: 'UDP' }],
      }),
    ),
    policies: Array.from({ length: policies }, (_, i) =>
      policyOf(`${namespace(i)}/p${i}`, {
        podSelector: { matchLabels: { app: `app${Math.floor(i / NAMESPACES)}` } },
        policyTypes: ['Ingress', 'Egress'],
        ingress: [
          {
            from: [
              {
                ipBlock: { cidr: '192.168.0.0/16', except: [`192.168.${i}.0/24`, `192.168.${i + 100}.0/24`] },
              },
            ],
          },
          {
            from: [
              { podSelector: { matchLabels: { role: 'client' } } },
              { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace(i + 1) } } },
            ],
            ports: [
              { port: 9000 + i, endPort: 9010 + i },
              { port: 'http', protocol: 'UDP' },
            ],
          },
        ],
        egress: [
          {
            to: [{ namespaceSelector: {}, podSelector: { matchLabels: { role: 'server' } } }],
            ports: [{ port: 'http', protocol: 'UDP' }],
          },
          { to: [{ namespaceSelector: {} }], ports: [{ port: 80, protocol: 'UDP' }] },
        ],
      }),
    ),
  });
}
