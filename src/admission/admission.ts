/**
 * What decides whether a pod may run, in the API server's order for a create: PodSecurityPolicy changes the pod and may
 * deny it (403), the pod is validated (422, the caller's), Pod Security looks at it (403).
 */
import type { Pod } from '../kube/types.generated.ts';
import { admitByPodSecurity, type PodSecurityDecision } from './pod-security/admit.ts';
import { evaluatePod } from './pod-security/evaluate.ts';
import { formatLevelVersion, type LevelVersion, namespacePodSecurity } from './pod-security/levels.ts';
import { placesOf } from './pod-security/places.ts';
import {
  admitByPolicies,
  type Change,
  changesOf,
  type Denied,
  POLICY_ANNOTATION,
} from './pod-security-policy/admit.ts';
import type { DefaultedPolicy } from './pod-security-policy/policy.ts';
import { formatPolicyError, type PolicyError } from './pod-security-policy/policy-error.ts';
import type { RbacObjects } from './rbac/objects.ts';
import { mayUsePolicy, type PolicyDecision } from './rbac/policy-access.ts';
import type { UserInfo } from './user.ts';

/** The objects that decide, valid and with their defaults. */
export interface AdmissionObjects {
  /** Without any, PodSecurityPolicy is off: a cluster would run without the plugin. */
  readonly policies: readonly DefaultedPolicy[];
  readonly rbac: RbacObjects;
  /** The labels of namespaces, by name. */
  readonly namespaces: ReadonlyMap<string, Readonly<Record<string, string>>>;
}

export interface AdmissionRequest extends AdmissionObjects {
  readonly user: UserInfo;
  /** Enforced in every namespace, whatever its labels say. */
  readonly level?: LevelVersion;
}

/** Which policy let a pod in, what it has set, and who was allowed to use it by what. */
export interface PolicyAdmission {
  readonly policy: DefaultedPolicy;
  readonly changes: readonly Change[];
  readonly allowedBy: PolicyDecision;
}

/** What an admitted pod is held to, for `explain` and `verify`. */
export interface Decision {
  readonly policy: PolicyAdmission | undefined;
  readonly enforced: LevelVersion;
  readonly warnings: readonly string[];
}

/** A rule that a pod breaks, at fields of the manifest. */
export interface Breach {
  /** `PodSecurityPolicy/NAME` (no name: the lack of a policy) or `PodSecurity/CHECK`. */
  readonly rule: string;
  readonly message: string;
  readonly paths: readonly string[];
}

/** A pod that is refused. */
export interface Denial {
  /** What follows `pods "NAME" is forbidden: `. */
  readonly denial: string;
  readonly breaches: readonly Breach[];
}

const namespaceOf = ({ metadata }: Pod): string => metadata?.namespace ?? 'default';

/** PodSecurityPolicy: the pod as the chosen policy has it. The pod has its defaults. */
export function admitByPolicy(
  pod: Pod,
  { policies, rbac, user }: AdmissionRequest,
): { readonly pod: Pod; readonly policy: PolicyAdmission | undefined } | Denial {
  if (policies.length === 0) return { pod, policy: undefined };
  const access = (policy: string): ReturnType<typeof mayUsePolicy> =>
    mayUsePolicy(rbac, policy, user, namespaceOf(pod), pod.spec?.serviceAccountName || 'default');
  const outcome = admitByPolicies(pod, policies, policy => access(policy).allowed);
  if ('denial' in outcome) {
    const breaches = outcome.byPolicy.flatMap(({ policy, errors }) =>
      errors.map(error => breachOf(policy, error)),
    );
    if (breaches.length > 0) return { denial: outcome.denial, breaches };
    return { denial: outcome.denial, breaches: [noPolicy(outcome, policies, access('').decisions)] };
  }
  const policy = policies.find(({ metadata }) => metadata.name === outcome.policy);
  const allowedBy = access(outcome.policy).decisions.find(({ allowed }) => allowed);
  if (policy === undefined || allowedBy === undefined)
    throw new Error(`bug in podspace: admitted by "${outcome.policy}"`);
  // To be marked is no change.
  const changes = changesOf(pod, outcome.pod).filter(
    ({ path }) => path !== `metadata.annotations[${POLICY_ANNOTATION}]`,
  );
  return { pod: outcome.pod, policy: { policy, changes, allowedBy } };
}

/** The API server's words name nothing where no policy can be used, or none may be. */
function noPolicy(
  { skipped }: Denied,
  policies: readonly DefaultedPolicy[],
  asked: readonly PolicyDecision[],
): Breach {
  const unusable = new Set(skipped.map(({ policy }) => policy));
  const others = policies.flatMap(({ metadata: { name } }) => (unusable.has(name) ? [] : [name])).sort();
  const who = asked.map(({ name }) => `"${name}"`).join(' or ');
  const reasons = [
    ...(others.length === 0 ? [] : [`${who} may use none of: ${others.join(', ')}`]),
    ...skipped.map(({ policy, error }) => `"${policy}" cannot be used: ${error}`),
  ];
  return { rule: 'PodSecurityPolicy', message: reasons.join('; '), paths: [] };
}

function breachOf(policy: string, error: PolicyError): Breach {
  return {
    rule: `PodSecurityPolicy/${policy}`,
    message: formatPolicyError(error),
    paths: [error.manifestPath],
  };
}

/** Pod Security: what a valid pod's namespace says of it. */
export function admitByNamespace(
  pod: Pod,
  { namespaces, level }: AdmissionRequest,
): { readonly enforced: LevelVersion; readonly warnings: readonly string[] } | Denial {
  const labelled = namespacePodSecurity(namespaces.get(namespaceOf(pod)));
  const security = level === undefined ? labelled : { ...labelled, enforce: level };
  const { denial, warnings }: PodSecurityDecision = admitByPodSecurity(security, pod);
  if (denial === undefined) return { enforced: security.enforce, warnings };
  const breaches = evaluatePod(security.enforce, pod).map(violation => ({
    rule: `PodSecurity/${violation.id}`,
    message: `${formatLevelVersion(security.enforce)}: ${violation.reason} (${violation.detail})`,
    paths: placesOf(violation, pod),
  }));
  return { denial, breaches };
}
