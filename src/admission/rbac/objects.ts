import type {
  ClusterRole,
  ClusterRoleBinding,
  Role,
  RoleBinding,
  Subject,
} from '../../kube/types.generated.ts';

export const RBAC_GROUP = 'rbac.authorization.k8s.io';
export const RBAC_VERSION = `${RBAC_GROUP}/v1`;

/** The kinds of the group. */
export interface RbacKinds {
  readonly Role: Role;
  readonly ClusterRole: ClusterRole;
  readonly RoleBinding: RoleBinding;
  readonly ClusterRoleBinding: ClusterRoleBinding;
}

export type RbacKind = keyof RbacKinds;
export type RbacObject = RbacKinds[RbacKind];

/** Everything that grants something. Each kind has its names to itself; namespaced ones once per namespace. */
export interface RbacObjects {
  readonly roles: readonly Role[];
  readonly clusterRoles: readonly ClusterRole[];
  readonly roleBindings: readonly RoleBinding[];
  readonly clusterRoleBindings: readonly ClusterRoleBinding[];
}

const IS_NAMESPACED: Readonly<Record<RbacKind, boolean>> = {
  Role: true,
  ClusterRole: false,
  RoleBinding: true,
  ClusterRoleBinding: false,
};

export const isRbacKind = (kind: string): kind is RbacKind => Object.hasOwn(IS_NAMESPACED, kind);

export const isNamespaced = (kind: RbacKind): boolean => IS_NAMESPACED[kind];

/** The namespace of a namespaced object; without one it is where `kubectl apply` would put it. */
export function namespaceOf(object: RbacObject): string {
  return object.metadata?.namespace || 'default';
}

export function nameOf(object: RbacObject): string {
  return object.metadata?.name ?? '';
}

/** The kinds of subjects, in the API server's order, and the API group that each must have. */
export const SUBJECT_GROUPS: ReadonlyMap<string, string> = new Map([
  ['ServiceAccount', ''],
  ['User', RBAC_GROUP],
  ['Group', RBAC_GROUP],
]);

/**
 * The API server's defaults (pkg/apis/rbac/v1): the API groups of a binding's role and subjects. The namespace of an
 * object that has none is the request's, and one of a cluster-wide object is forgotten (rest.BeforeCreate).
 */
export function setRbacDefaults<T extends RbacObject>(object: T, kind: RbacKind, namespace = 'default'): T {
  const { namespace: own, ...metadata } = object.metadata ?? {};
  const scoped = isNamespaced(kind) ? { ...metadata, namespace: own || namespace } : metadata;
  if (!('roleRef' in object)) return { ...object, metadata: scoped };
  const roleRef = { ...object.roleRef, apiGroup: object.roleRef.apiGroup || RBAC_GROUP };
  const subjects = object.subjects?.map(defaultSubject);
  return { ...object, metadata: scoped, roleRef, ...(subjects === undefined ? {} : { subjects }) };
}

function defaultSubject(subject: Subject): Subject {
  const apiGroup = subject.apiGroup || SUBJECT_GROUPS.get(subject.kind ?? '') || '';
  return apiGroup === '' ? subject : { ...subject, apiGroup };
}
