import { authorize } from '../admission/rbac/authorizer.ts';
import { escalation } from '../admission/rbac/escalation.ts';
import type { ResourceAttributes } from '../admission/rbac/match.ts';
import {
  isRbacKind,
  nameOf,
  RBAC_GROUP,
  type RbacObject,
  setRbacDefaults,
} from '../admission/rbac/objects.ts';
import { refusalText } from '../admission/rbac/refusal.ts';
import { RESOURCES } from '../admission/rbac/resources.ts';
import { UserError } from '../base/errors.ts';
import type { LoadedObject } from '../kube/manifest.ts';
import type { Roots } from '../oci/pod-paths.ts';
import { type AdmissionOptions, gatherAdmission } from './admission.ts';

/** Throws a UserError if the user of `--as` would give rights away that he does not have himself. */
export function requireNoEscalation(
  roots: Roots,
  options: AdmissionOptions,
  { kind, object }: Pick<LoadedObject, 'kind' | 'object'>,
): void {
  if (!isImpersonated(options) || !isRbacKind(kind)) return;
  const { rbac, user } = gatherAdmission(roots, [], options);
  const role = setRbacDefaults(object as unknown as RbacObject, kind);
  const why = escalation(rbac, user, kind, role);
  if (why === undefined) return;
  const resource = RESOURCES.find(each => each.kind === kind)?.resource ?? '';
  throw new UserError(`${resource}.${RBAC_GROUP} ${JSON.stringify(nameOf(role))} is forbidden: ${why}`);
}

const isImpersonated = ({ as, asGroups = [] }: AdmissionOptions): boolean =>
  as !== undefined || asGroups.length > 0;

/**
 * Throws a UserError, in an API server's words, if the user of `--as` may not do that (Forbidden of
 * apiserver/pkg/endpoints/handlers/responsewriters). Root may do everything.
 */
export function requireAllowed(roots: Roots, options: AdmissionOptions, asked: ResourceAttributes): void {
  if (!isImpersonated(options)) return;
  const { rbac, user } = gatherAdmission(roots, [], options);
  const { allowed, reason } = authorize(rbac, user, asked);
  if (allowed) return;
  throw new UserError(refusalText(user, asked, reason));
}
