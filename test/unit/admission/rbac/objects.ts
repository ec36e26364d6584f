import type { RbacObjects } from '../../../../src/admission/rbac/objects.ts';
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  Subject,
} from '../../../../src/kube/types.generated.ts';

/** Objects for tests, as short as they can be said. */

export const objectsOf = (parts: Partial<RbacObjects> = {}): RbacObjects => ({
  roles: [],
  clusterRoles: [],
  roleBindings: [],
  clusterRoleBindings: [],
  ...parts,
});

export const role = (namespace: string, name: string, ...rules: readonly PolicyRule[]): Role => ({
  metadata: { name, namespace },
  rules,
});

export const clusterRole = (name: string, ...rules: readonly PolicyRule[]): ClusterRole => ({
  metadata: { name },
  rules,
});

export const roleBinding = (
  namespace: string,
  name: string,
  kind: string,
  roleName: string,
  ...subjects: readonly Subject[]
): RoleBinding => ({ metadata: { name, namespace }, roleRef: { kind, name: roleName }, subjects });

export const clusterRoleBinding = (
  name: string,
  roleName: string,
  ...subjects: readonly Subject[]
): ClusterRoleBinding => ({
  metadata: { name },
  roleRef: { kind: 'ClusterRole', name: roleName },
  subjects,
});

export const user = (name: string): Subject => ({ kind: 'User', name });
export const group = (name: string): Subject => ({ kind: 'Group', name });
export const account = (name: string, namespace?: string): Subject => ({
  kind: 'ServiceAccount',
  name,
  ...(namespace === undefined ? {} : { namespace }),
});

/** The rule that lets use a PodSecurityPolicy. */
export const usePolicy = (...resourceNames: readonly string[]): PolicyRule => ({
  apiGroups: ['policy'],
  resources: ['podsecuritypolicies'],
  verbs: ['use'],
  resourceNames,
});
