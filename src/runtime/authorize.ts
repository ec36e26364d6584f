import { authorize } from '../admission/rbac/authorizer.ts';
import type { ResourceAttributes } from '../admission/rbac/match.ts';
import { UserError } from '../base/errors.ts';
import type { Roots } from '../oci/pod-paths.ts';
import { type AdmissionOptions, gatherAdmission } from './admission.ts';

/**
 * Throws a UserError, in an API server's words, if the user of `--as` may not do that (Forbidden of
 * apiserver/pkg/endpoints/handlers/responsewriters). Root may do everything.
 */
export function requireAllowed(roots: Roots, options: AdmissionOptions, asked: ResourceAttributes): void {
  if (options.as === undefined && (options.asGroups ?? []).length === 0) return;
  const { rbac, user } = gatherAdmission(roots, [], options);
  const { allowed, reason } = authorize(rbac, user, asked);
  if (allowed) return;
  const { verb, resource, apiGroup, subresource = '', name = '', namespace = '' } = asked;
  const what = subresource === '' ? resource : `${resource}/${subresource}`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  const which = [
    apiGroup === '' ? resource : `${resource}.${apiGroup}`,
    ...(name === '' ? [] : [JSON.stringify(name)]),
  ].join(' ');
  throw new UserError(
    `${which} is forbidden: User ${JSON.stringify(user.name)} cannot ${verb} resource ${JSON.stringify(what)} in API group ${JSON.stringify(apiGroup)} ${where}${reason === '' ? '' : `: ${reason}`}`,
  );
}
