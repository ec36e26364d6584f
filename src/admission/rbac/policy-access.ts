import { serviceAccountGroups, serviceAccountUserName, type UserInfo } from '../user.ts';
import { authorize } from './authorizer.ts';
import type { RbacObjects } from './objects.ts';

/** PodSecurityPolicies moved from `extensions` to `policy`; a rule may still name either. */
const API_GROUPS = ['policy', 'extensions'] as const;

/** One of the two who may be allowed to use a policy, and whether they are. */
export interface PolicyDecision {
  readonly who: 'serviceAccount' | 'user';
  /** The user name: `system:serviceaccount:default:web`. */
  readonly name: string;
  readonly allowed: boolean;
  /** As in a {@link Decision}. */
  readonly reason: string;
}

export interface PolicyAccess {
  /** One of the two is enough. */
  readonly allowed: boolean;
  /** The service account's first, as it is asked first. */
  readonly decisions: readonly PolicyDecision[];
}

/**
 * May a pod use a PodSecurityPolicy: does its service account, or the user who makes it, have the verb `use` for it in
 * the pod's namespace (isAuthorizedForPolicy of plugin/pkg/admission/security/podsecuritypolicy, 1.24)?
 *
 * @param serviceAccountName the pod's, `default` when it has none: the ServiceAccount admission has set it by then
 */
export function mayUsePolicy(
  objects: RbacObjects,
  policy: string,
  user: UserInfo,
  namespace: string,
  serviceAccountName = 'default',
): PolicyAccess {
  const serviceAccount: UserInfo = {
    name: serviceAccountUserName(namespace, serviceAccountName),
    groups: serviceAccountGroups(namespace),
  };
  const decide = (who: PolicyDecision['who'], { name, groups }: UserInfo): PolicyDecision => {
    const all = API_GROUPS.map(apiGroup =>
      authorize(
        objects,
        { name, groups },
        { verb: 'use', apiGroup, resource: 'podsecuritypolicies', name: policy, namespace },
      ),
    );
    // The reasons of denials do not depend on the group.
    const { allowed = false, reason = '' } = all.find(decision => decision.allowed) ?? all[0] ?? {};
    return { who, name, allowed, reason };
  };
  const decisions = [decide('serviceAccount', serviceAccount), decide('user', user)];
  return { allowed: decisions.some(({ allowed }) => allowed), decisions };
}
