import type { PodOrTemplate } from '../../../../src/admission/pod-security/evaluate.ts';

/** What some versions of a check say of pods that violate nothing else. */
export interface Rows {
  readonly id: string;
  /** The variants of the check that all say so, by their first minor version. */
  readonly since: readonly number[];
  readonly reason: string;
  readonly accepted?: readonly PodOrTemplate[];
  /** With the detail. */
  readonly rejected?: readonly (readonly [pod: PodOrTemplate, detail: string])[];
}
