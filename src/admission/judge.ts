import { setDefaults } from '../kube/defaults.ts';
import { formatFieldError } from '../kube/field-error.ts';
import type { LoadedPod } from '../kube/manifest.ts';
import { checkSupport } from '../kube/support.ts';
import type { Pod } from '../kube/types.generated.ts';
import { validatePod } from '../kube/validate.ts';
import {
  type AdmissionRequest,
  admitByNamespace,
  admitByPolicy,
  type Breach,
  type PolicyAdmission,
} from './admission.ts';

/** The whole decision about a pod, with every reason and not only the API server's first. */
export interface Judgement {
  readonly isAdmitted: boolean;
  /** With the API server's defaults; and as the deciding policy has it. */
  readonly before: Pod;
  readonly after: Pod;
  readonly policy: PolicyAdmission | undefined;
  /** What the API server would answer first: its words, without the pod's name. */
  readonly answer: string | undefined;
  readonly breaches: readonly Breach[];
  readonly warnings: readonly string[];
  /** What podspace itself cannot do, or does not, of an admitted pod. */
  readonly unsupported: readonly Breach[];
}

/** Asks all who decide, in the API server's order. A pod that no policy admits is looked at further as it was written. */
export function judgePod({ pod: written }: LoadedPod, request: AdmissionRequest): Judgement {
  const before = setDefaults(written);
  const byPolicy = admitByPolicy(before, request);
  const isDenied = 'denial' in byPolicy;
  const after = isDenied ? before : byPolicy.pod;
  const invalid = validatePod(after).map(error => ({
    rule: 'Invalid',
    message: formatFieldError(error),
    paths: [error.path],
  }));
  const byNamespace = admitByNamespace(after, request);
  const denials = [
    ...(isDenied ? [byPolicy.denial] : []),
    ...invalid.slice(0, 1).map(() => `invalid: ${invalid.map(({ message }) => message).join(', ')}`),
    ...('denial' in byNamespace ? [byNamespace.denial] : []),
  ];
  const support = checkSupport(after);
  return {
    isAdmitted: denials.length === 0,
    before,
    after,
    policy: isDenied ? undefined : byPolicy.policy,
    answer: denials[0],
    breaches: [
      ...(isDenied ? byPolicy.breaches : []),
      ...invalid,
      ...('denial' in byNamespace ? byNamespace.breaches : []),
    ],
    warnings: 'denial' in byNamespace ? [] : byNamespace.warnings,
    unsupported: support.errors.map(error => ({
      rule: 'podspace/unsupported',
      message: formatFieldError(error),
      paths: [error.path],
    })),
  };
}
