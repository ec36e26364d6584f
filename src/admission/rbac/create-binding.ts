import type { ClusterRoleBinding, RoleBinding, Subject } from '../../kube/types.generated.ts';
import { type Built, failed, nameError } from './create.ts';
import { RBAC_GROUP, RBAC_VERSION } from './objects.ts';

/** The flags that both bindings have, each value as it was written. */
export interface ClusterRoleBindingFlags {
  /** The words after the command: NAME. */
  readonly names: readonly string[];
  readonly clusterrole?: string;
  readonly user?: readonly string[];
  readonly group?: readonly string[];
  /** `NAMESPACE:NAME` */
  readonly serviceaccount?: readonly string[];
}

export interface RoleBindingFlags extends ClusterRoleBindingFlags {
  readonly role?: string;
  /** `--namespace`, if it was given. */
  readonly namespace?: string;
}

/** `create clusterrolebinding NAME --clusterrole=NAME --user=… --group=…` (kubectl's create_clusterrolebinding.go). */
export function createClusterRoleBinding(flags: ClusterRoleBindingFlags): Built<ClusterRoleBinding> {
  const { clusterrole } = flags;
  if (clusterrole === undefined) return failed('required flag(s) "clusterrole" not set');
  const subjects = subjectsOf(flags);
  const error = nameError(flags.names);
  if (error !== undefined) return failed(error);
  if (typeof subjects === 'string') return failed(subjects);
  const [name = ''] = flags.names;
  const roleRef = { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name: clusterrole };
  return {
    object: {
      apiVersion: RBAC_VERSION,
      kind: 'ClusterRoleBinding',
      metadata: { name },
      roleRef,
      ...subjects,
    },
    warnings: [],
  };
}

/** `create rolebinding NAME --clusterrole=NAME|--role=NAME --user=… --group=…` (kubectl's create_rolebinding.go). */
export function createRoleBinding(flags: RoleBindingFlags): Built<RoleBinding> {
  const { clusterrole = '', role = '', namespace } = flags;
  const subjects = subjectsOf(flags);
  const error = nameError(flags.names);
  if (error !== undefined) return failed(error);
  if ((clusterrole === '') === (role === ''))
    return failed('exactly one of clusterrole or role must be specified');
  if (typeof subjects === 'string') return failed(subjects);
  const [name = ''] = flags.names;
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }) };
  const [kind, roleName] = role === '' ? ['ClusterRole', clusterrole] : ['Role', role];
  const roleRef = { apiGroup: RBAC_GROUP, kind, name: roleName };
  return {
    object: { apiVersion: RBAC_VERSION, kind: 'RoleBinding', metadata, roleRef, ...subjects },
    warnings: [],
  };
}

/** The `subjects` of a binding, absent when there are none; or what is wrong with a flag. */
function subjectsOf(flags: ClusterRoleBindingFlags): { readonly subjects?: readonly Subject[] } | string {
  const { user = [], group = [], serviceaccount = [] } = flags;
  const accounts = serviceaccount.map(text => text.split(':'));
  if (accounts.some(parts => parts.length !== 2 || parts.includes('')))
    return 'serviceaccount must be <namespace>:<name>';
  const subjects: readonly Subject[] = [
    ...user.map(name => ({ apiGroup: RBAC_GROUP, kind: 'User', name })),
    ...group.map(name => ({ apiGroup: RBAC_GROUP, kind: 'Group', name })),
    ...accounts.map(([namespace = '', name = '']) => ({ kind: 'ServiceAccount', name, namespace })),
  ];
  return subjects.length === 0 ? {} : { subjects };
}
