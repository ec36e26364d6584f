import { type FieldError, invalid, required } from '../../kube/field-error.ts';
import { subdomainErrors } from '../../kube/names.ts';
import type { ObjectMeta } from '../../kube/types.generated.ts';
import { validateLabelsAndAnnotations } from '../../kube/validate-metadata.ts';
import { type PolicyError, policyError } from './policy-error.ts';

/** ValidateObjectMeta. A policy has no namespace: one that is written down is dropped, not refused. */
export function validatePolicyMetadata(metadata: ObjectMeta): readonly PolicyError[] {
  const { name = '', generateName = '' } = metadata;
  const errors: FieldError[] = [];
  if (name === '' && generateName === '')
    errors.push(required('metadata.name', 'name or generateName is required'));
  if (name !== '')
    errors.push(...subdomainErrors(name).map(detail => invalid('metadata.name', name, detail)));
  return [...errors, ...validateLabelsAndAnnotations({ metadata })].map(error => policyError(error));
}
