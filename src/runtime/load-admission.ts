import type { Admission } from '../admission/accept.ts';
import type { LoadedObject } from '../kube/manifest.ts';
import { NETWORK_KINDS, type NetworkObjects, networkObjects } from '../network/objects.ts';
import type { Roots } from '../oci/pod-paths.ts';
import type { AdmissionOptions } from './admission.ts';
import { hasObjects } from './object-store.ts';

export interface LoadedAdmission {
  /** Undefined where there is nothing to decide by. */
  readonly admission: Admission | undefined;
  /** What of the manifest is about the network. */
  readonly network: NetworkObjects | undefined;
  /** Whether an object is one that something is decided by. */
  isUsed(object: LoadedObject): boolean;
}

/** What decides about the pods of a manifest. Its code is loaded only where there is something to decide by, or somebody to decide about. */
export async function loadAdmission(
  roots: Roots,
  others: readonly LoadedObject[],
  options: AdmissionOptions,
): Promise<LoadedAdmission> {
  const isAsked = Object.values(options).some(value => value !== undefined && value.length > 0);
  if (!isAsked && others.length === 0 && !hasObjects(roots))
    return { admission: undefined, network: undefined, isUsed: () => false };
  const { ADMISSION_KINDS, admissionOf, gatherAdmission, policyObjects } = await import('./admission.ts');
  return {
    admission: admissionOf(gatherAdmission(roots, others, options)),
    network: networkObjects([...policyObjects(options.policy), ...others]),
    isUsed: ({ kind }) => Object.hasOwn(ADMISSION_KINDS, kind) || NETWORK_KINDS.includes(kind),
  };
}
