import { MASTERS } from '../user.ts';
import { nameOf, RBAC_GROUP, RBAC_VERSION, type RbacObjects } from './objects.ts';

const metadata = {
  name: 'cluster-admin',
  labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' },
  annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
};

/**
 * The roles that are there from the start (bootstrappolicy of plugin/pkg/auth/authorizer/rbac): cluster-admin, which
 * bindings point at to give somebody everything. A cluster's many others are about its components, or about resources
 * that podspace does not have.
 */
const BOOTSTRAP: Pick<RbacObjects, 'clusterRoles' | 'clusterRoleBindings'> = {
  clusterRoles: [
    {
      apiVersion: RBAC_VERSION,
      kind: 'ClusterRole',
      metadata,
      rules: [
        { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
        { nonResourceURLs: ['*'], verbs: ['*'] },
      ],
    },
  ],
  clusterRoleBindings: [
    {
      apiVersion: RBAC_VERSION,
      kind: 'ClusterRoleBinding',
      metadata,
      roleRef: { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ apiGroup: RBAC_GROUP, kind: 'Group', name: MASTERS }],
    },
  ],
};

/** Adds what is there from the start, unless the user has an object of that name. */
export function withBootstrap(objects: RbacObjects): RbacObjects {
  const { clusterRoles, clusterRoleBindings } = objects;
  const missing = <T extends RbacObjects[keyof RbacObjects][number]>(own: readonly T[], all: readonly T[]) =>
    all.filter(object => !own.some(other => nameOf(other) === nameOf(object)));
  return {
    ...objects,
    clusterRoles: [...missing(clusterRoles, BOOTSTRAP.clusterRoles), ...clusterRoles],
    clusterRoleBindings: [
      ...missing(clusterRoleBindings, BOOTSTRAP.clusterRoleBindings),
      ...clusterRoleBindings,
    ],
  };
}
