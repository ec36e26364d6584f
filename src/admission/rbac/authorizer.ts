import type { PolicyRule, RoleRef, Subject } from '../../kube/types.generated.ts';
import { MASTERS, serviceAccountUserName, type UserInfo } from '../user.ts';
import { rulesOfClusterRole } from './aggregation.ts';
import { type Attributes, ruleAllows } from './match.ts';
import { nameOf, namespaceOf, RBAC_GROUP, type RbacObjects } from './objects.ts';

export interface Decision {
  readonly allowed: boolean;
  /** Which binding allows it; when denied, the bindings that point at nothing, or nothing. */
  readonly reason: string;
}

/** May a user do this? Group system:masters may do everything; for all others something must allow it. */
export function authorize(objects: RbacObjects, user: UserInfo, attributes: Attributes): Decision {
  // Upstream this is another authorizer, asked before RBAC, and it gives no reason.
  if (user.groups.includes(MASTERS)) return { allowed: true, reason: `allowed to all of group "${MASTERS}"` };
  const namespace = 'path' in attributes ? undefined : attributes.namespace;
  const grants = grantsFor(objects, user, namespace);
  const grant = grants.find(({ rules }) => rules.some(rule => ruleAllows(rule, attributes)));
  if (grant !== undefined) return { allowed: true, reason: `RBAC: allowed by ${grant.source}` };
  const errors = errorsOf(grants);
  return { allowed: false, reason: errors === '' ? '' : `RBAC: ${errors}` };
}

/** What a user may do in a namespace, as far as RBAC knows. */
export interface RulesFor {
  readonly rules: readonly PolicyRule[];
  /** Empty, or why there could be more: roles that do not exist. */
  readonly evaluationError: string;
}

/** All rules that apply to a user in a namespace, as `auth can-i --list` wants them. */
export function rulesFor(objects: RbacObjects, user: UserInfo, namespace: string): RulesFor {
  const grants = grantsFor(objects, user, namespace);
  return { rules: grants.flatMap(({ rules }) => rules), evaluationError: errorsOf(grants) };
}

/** What one binding gives to a user. */
interface Grant {
  /** `ClusterRoleBinding "X" of ClusterRole "Y" to Group "Z"` */
  readonly source: string;
  readonly rules: readonly PolicyRule[];
  /** The role that it points at is not there. */
  readonly error?: string;
}

/** The bindings that apply, cluster-wide ones first (VisitRulesFor of pkg/registry/rbac/validation). */
function grantsFor(objects: RbacObjects, user: UserInfo, namespace: string | undefined): readonly Grant[] {
  const clusterWide = objects.clusterRoleBindings.flatMap(binding =>
    grantOf(objects, user, binding, `ClusterRoleBinding ${quote(nameOf(binding))}`, ''),
  );
  if (namespace === undefined || namespace === '') return clusterWide;
  const own = objects.roleBindings.filter(binding => namespaceOf(binding) === namespace);
  return [
    ...clusterWide,
    ...own.flatMap(binding =>
      grantOf(objects, user, binding, `RoleBinding ${quote(`${nameOf(binding)}/${namespace}`)}`, namespace),
    ),
  ];
}

function grantOf(
  objects: RbacObjects,
  user: UserInfo,
  binding: { readonly roleRef: RoleRef; readonly subjects?: readonly Subject[] },
  description: string,
  namespace: string,
): readonly Grant[] {
  const { roleRef, subjects = [] } = binding;
  const subject = subjects.find(candidate => appliesTo(candidate, user, namespace));
  if (subject === undefined) return [];
  const role = `${roleRef.kind ?? ''} ${quote(roleRef.name)}`;
  const source = `${description} of ${role} to ${describeSubject(subject, namespace)}`;
  const rules = rulesOfRole(objects, roleRef, namespace);
  return [typeof rules === 'string' ? { source, rules: [], error: rules } : { source, rules }];
}

/** Is the user this subject? A service account without a namespace is one of the binding's. */
function appliesTo(subject: Subject, user: UserInfo, namespace: string): boolean {
  switch (subject.kind) {
    case 'User':
      return user.name === subject.name;
    case 'Group':
      return user.groups.includes(subject.name);
    case 'ServiceAccount': {
      const own = subject.namespace || namespace;
      return own !== '' && user.name === serviceAccountUserName(own, subject.name);
    }
    default:
      return false;
  }
}

function describeSubject({ kind = '', name, namespace: own }: Subject, namespace: string): string {
  // The name comes before the namespace here, and before that of a RoleBinding above.
  return `${kind} ${quote(kind === 'ServiceAccount' ? `${name}/${own || namespace}` : name)}`;
}

/** The rules of a role, or why it has none. */
export function rulesOfRole(
  objects: RbacObjects,
  { kind = '', name }: RoleRef,
  namespace: string,
): readonly PolicyRule[] | string {
  if (kind === 'ClusterRole') {
    const role = objects.clusterRoles.find(candidate => nameOf(candidate) === name);
    return role === undefined ? notFound('clusterrole', name) : rulesOfClusterRole(objects, role);
  }
  if (kind !== 'Role') return `unsupported role reference kind: ${quote(kind)}`;
  const role = objects.roles.find(
    candidate => nameOf(candidate) === name && namespaceOf(candidate) === namespace,
  );
  return role === undefined ? notFound('role', name) : (role.rules ?? []);
}

function notFound(resource: string, name: string): string {
  return `${resource}.${RBAC_GROUP} ${quote(name)} not found`;
}

function quote(text: string): string {
  return JSON.stringify(text);
}

/** Each error once, several in brackets (utilerrors.Aggregate). */
function errorsOf(grants: readonly Grant[]): string {
  const errors = [...new Set(grants.flatMap(({ error }) => (error === undefined ? [] : [error])))];
  return errors.length > 1 ? `[${errors.join(', ')}]` : errors.join();
}
