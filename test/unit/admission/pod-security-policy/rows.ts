import type { Pod, PodSecurityPolicySpec } from '../../../../src/kube/types.generated.ts';

type Annotations = Readonly<Record<string, string>>;
/** A field of a policy, what it says, a pod that it accepts, one that it refuses, and the whole answer. */
export type Row = readonly [
  field: keyof PodSecurityPolicySpec | 'annotations',
  spec: Partial<PodSecurityPolicySpec> & { readonly annotations?: Annotations },
  accepted: Pod,
  refused: Pod,
  texts: readonly string[],
];

export const CONTEXT = 'spec.containers[0].securityContext';
export const POD_CONTEXT = 'spec.securityContext';
