import { labelErrors, subdomainErrors } from '../kube/names.ts';

/** Who asks: what authentication knows of a user (user.Info of k8s.io/apiserver). */
export interface UserInfo {
  readonly name: string;
  readonly groups: readonly string[];
}

export const AUTHENTICATED = 'system:authenticated';
export const UNAUTHENTICATED = 'system:unauthenticated';
export const ANONYMOUS = 'system:anonymous';
/** Its members may do everything, before RBAC is asked: no binding can take it from them. */
export const MASTERS = 'system:masters';

const SERVICE_ACCOUNT = 'system:serviceaccount:';
const SERVICE_ACCOUNTS = 'system:serviceaccounts';

/**
 * Who the root user of the machine is when nobody else is named: the user of kubeadm's admin.conf, which most people
 * have as the default of their kubectl and which RBAC's messages therefore call by this name. Its group is
 * system:masters, as it was until kubeadm 1.28: root can do everything to the machine anyway, so a rule that limits it
 * here would only pretend to.
 */
export const ROOT_USER: UserInfo = { name: 'kubernetes-admin', groups: [MASTERS, AUTHENTICATED] };

/**
 * The groups of a namespace's service accounts, without `system:authenticated`: so PodSecurityPolicy asks for a pod's
 * service account, which has not made the request and is not authenticated (serviceaccount.MakeGroupNames).
 */
export function serviceAccountGroups(namespace: string): readonly string[] {
  return [SERVICE_ACCOUNTS, `${SERVICE_ACCOUNTS}:${namespace}`];
}

export function serviceAccountUserName(namespace: string, name: string): string {
  return `${SERVICE_ACCOUNT}${namespace}:${name}`;
}

/** A service account that makes a request itself. */
export function serviceAccountUser(namespace: string, name: string): UserInfo {
  return {
    name: serviceAccountUserName(namespace, name),
    groups: [...serviceAccountGroups(namespace), AUTHENTICATED],
  };
}

/** The namespace in a service account's user name, or undefined if it is another user's (SplitUsername). */
function namespaceOfServiceAccount(user: string): string | undefined {
  if (!user.startsWith(SERVICE_ACCOUNT)) return undefined;
  const [namespace = '', name = '', ...rest] = user.slice(SERVICE_ACCOUNT.length).split(':');
  const isName = labelErrors(namespace).length === 0 && subdomainErrors(name).length === 0;
  return isName && rest.length === 0 ? namespace : undefined;
}

/**
 * The user of `--as` and `--as-group`; {@link ROOT_USER} without them. Groups that are listed are the only ones, except
 * that everybody is either authenticated or not (the API server's impersonation filter). An empty `--as` counts as none.
 */
export function impersonate(
  as: string | undefined,
  asGroups: readonly string[],
): UserInfo | { readonly error: string } {
  const name = as ?? '';
  if (name === '') {
    if (asGroups.length > 0)
      return {
        error: `requesting uid, groups or user-extra for ${ROOT_USER.name} without impersonating a user`,
      };
    return ROOT_USER;
  }
  const namespace = namespaceOfServiceAccount(name);
  const groups =
    asGroups.length === 0 && namespace !== undefined ? serviceAccountGroups(namespace) : asGroups;
  if (name === ANONYMOUS) return { name, groups: including(groups, UNAUTHENTICATED) };
  return { name, groups: groups.includes(UNAUTHENTICATED) ? groups : including(groups, AUTHENTICATED) };
}

function including(groups: readonly string[], group: string): readonly string[] {
  return groups.includes(group) ? groups : [...groups, group];
}
