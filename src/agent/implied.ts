import { createHash } from 'node:crypto';
import type { ApiObject } from './objects.ts';

/** Namespaces that every cluster has. */
export const INITIAL_NAMESPACES: readonly string[] = [
  'default',
  'kube-node-lease',
  'kube-public',
  'kube-system',
];

/** A namespace that nobody has made: those of every cluster, and those that objects of other commands are in. */
export function impliedNamespace(name: string, creationTimestamp: string): ApiObject {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name,
      uid: impliedUid('Namespace', name),
      creationTimestamp,
      labels: { 'kubernetes.io/metadata.name': name },
    },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  };
}

/** The account of pods that name none. */
export function impliedServiceAccount(namespace: string, creationTimestamp: string): ApiObject {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: {
      name: 'default',
      namespace,
      uid: impliedUid('ServiceAccount', namespace),
      creationTimestamp,
    },
  };
}

/** The same each time, and as random ones look (UUID version 8). */
export function impliedUid(...parts: readonly string[]): string {
  const hex = createHash('sha256').update(parts.join('\0')).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
