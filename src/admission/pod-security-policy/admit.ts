import type { Pod } from '../../kube/types.generated.ts';
import type { DefaultedPolicy } from './policy.ts';
import { formatPolicyErrors, type PolicyError } from './policy-error.ts';
import { createProvider, type Provider } from './provider.ts';
import { addAnnotations } from './rule.ts';
import { setSeccompFields } from './seccomp.ts';

/** Which policy let a pod in. To set it is no mutation. */
export const POLICY_ANNOTATION = 'kubernetes.io/psp';

/** Policies that cannot be used, and why; the API server passes over them. */
interface Skipped {
  readonly skipped: readonly { readonly policy: string; readonly error: string }[];
}

export interface Admitted extends Skipped {
  readonly pod: Pod;
  readonly policy: string;
  /** Whether the policy set anything. */
  readonly isMutated: boolean;
}

export interface Denied extends Skipped {
  /** What follows `pods "X" is forbidden: `. */
  readonly denial: string;
  /** What each policy that may be used refuses, by name. */
  readonly byPolicy: readonly { readonly policy: string; readonly errors: readonly PolicyError[] }[];
}

/**
 * The admission of a new pod (plugin/pkg/admission/security/podsecuritypolicy): of the policies that it satisfies and
 * may use, in the order of their names, the first that changes nothing, else the first. `isAuthorized` says whether
 * the pod's service account or whoever creates it may `use` a policy. Pods are defaulted ones.
 */
export function admitByPolicies(
  pod: Pod,
  policies: readonly DefaultedPolicy[],
  isAuthorized: (policy: string) => boolean,
): Admitted | Denied {
  const { providers, skipped } = createProviders(policies);
  if (providers.length === 0) {
    const denial = 'PodSecurityPolicy: no providers available to validate pod request';
    return { denial, byPolicy: [], skipped };
  }
  // Who may use a policy is asked first here: what another one makes of the pod is never told.
  const usable = providers
    .filter(({ name }) => isAuthorized(name))
    .map(provider => {
      const mutated = provider.mutate(pod);
      return { policy: provider.name, pod: mutated, errors: provider.validate(mutated) };
    });
  const satisfied = usable.filter(({ errors }) => errors.length === 0);
  const chosen = satisfied.find(outcome => outcome.pod === pod) ?? satisfied[0];
  if (chosen === undefined) {
    const byPolicy = usable.map(({ policy, errors }) => ({ policy, errors }));
    // Upstream's order of policies is random here.
    const all = formatPolicyErrors(byPolicy.flatMap(({ errors }) => errors));
    return { denial: `PodSecurityPolicy: unable to admit pod: ${all}`, byPolicy, skipped };
  }
  const { policy } = chosen;
  const annotated = addAnnotations(chosen.pod, { [POLICY_ANNOTATION]: policy });
  return { pod: setSeccompFields(annotated), policy, isMutated: chosen.pod !== pod, skipped };
}

function createProviders(
  policies: readonly DefaultedPolicy[],
): { readonly providers: readonly Provider[] } & Skipped {
  const sorted = [...policies].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const results = sorted.map(policy => ({ policy: policy.metadata.name, provider: createProvider(policy) }));
  return {
    providers: results.flatMap(({ provider }) => ('error' in provider ? [] : [provider])),
    skipped: results.flatMap(({ policy, provider }) =>
      'error' in provider ? [{ policy, error: provider.error }] : [],
    ),
  };
}

export interface Change {
  /** `spec.containers[0].securityContext.runAsUser` */
  readonly path: string;
  /** Undefined where it was not set. */
  readonly before: unknown;
  readonly after: unknown;
}

/** The fields that differ: lists of objects item by item, other lists as a whole. */
export function changesOf(before: unknown, after: unknown, path = ''): readonly Change[] {
  if (before === after) return [];
  if (
    Array.isArray(before) &&
    Array.isArray(after) &&
    before.length === after.length &&
    after.every(isObject)
  )
    return after.flatMap((item, i) => changesOf(before[i], item, `${path}[${i}]`));
  const isNewAndEmpty = before === undefined && isObject(after) && Object.keys(after).length === 0;
  if (isNewAndEmpty || !isObject(after) || !(before === undefined || isObject(before)))
    return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ path, before, after }];
  const old: Readonly<Record<string, unknown>> = before ?? {};
  const keys = new Set([...Object.keys(old), ...Object.keys(after)]);
  return [...keys].flatMap(key => changesOf(old[key], after[key], join(path, key)));
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Keys of maps, such as those of annotations, have dots of their own. */
function join(path: string, key: string): string {
  if (!/^[A-Za-z0-9_]+$/.test(key)) return `${path}[${key}]`;
  return path === '' ? key : `${path}.${key}`;
}
