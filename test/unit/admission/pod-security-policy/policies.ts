import {
  type DefaultedPolicy,
  setPolicyDefaults,
} from '../../../../src/admission/pod-security-policy/policy.ts';
import { formatPolicyError } from '../../../../src/admission/pod-security-policy/policy-error.ts';
import { createProvider, type Provider } from '../../../../src/admission/pod-security-policy/provider.ts';
import { setDefaults } from '../../../../src/kube/defaults.ts';
import type {
  Container,
  Pod,
  PodSecurityPolicySpec,
  PodSpec,
  SecurityContext,
} from '../../../../src/kube/types.generated.ts';
import { podOf, podWith } from '../../kube/pods.ts';

type Annotations = Readonly<Record<string, string>>;

const ANY = { rule: 'RunAsAny' };

/** A policy that is named `p` and allows whatever has a rule, and all volumes, but for `spec`. */
export function policyOf(
  spec: Partial<PodSecurityPolicySpec> = {},
  metadata: DefaultedPolicy['metadata'] | { readonly annotations?: Annotations; readonly name?: string } = {},
): DefaultedPolicy {
  return setPolicyDefaults({
    metadata: { name: 'p', ...metadata },
    spec: { fsGroup: ANY, runAsUser: ANY, seLinux: ANY, supplementalGroups: ANY, volumes: ['*'], ...spec },
  });
}

export function providerOf(policy: DefaultedPolicy): Provider {
  const provider = createProvider(policy);
  if ('error' in provider) throw new Error(provider.error);
  return provider;
}

/** What a policy says of a new pod: it is defaulted, mutated, then validated. */
export function refusals(policy: DefaultedPolicy, pod: Pod): readonly string[] {
  const provider = providerOf(policy);
  return provider.validate(provider.mutate(setDefaults(pod))).map(formatPolicyError);
}

/** Pods that are as the API server leaves them before admission. */
export const pod = (spec: Partial<PodSpec> = {}, annotations?: Annotations): Pod =>
  setDefaults(podOf(spec, annotations === undefined ? {} : { annotations }));
export const podWithContext = (securityContext: PodSpec['securityContext']): Pod => pod({ securityContext });
export const container = (of: Partial<Container>, spec: Partial<PodSpec> = {}): Pod =>
  setDefaults(podWith(of, spec));
export const withContext = (securityContext: SecurityContext, spec: Partial<PodSpec> = {}): Pod =>
  container({ securityContext }, spec);

/** No function may change what it is given. */
export function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) freeze(part);
  }
  return value;
}
