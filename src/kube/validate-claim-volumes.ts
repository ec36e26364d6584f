import { type FieldError, invalid, notSupported, required } from './field-error.ts';
import { subdomainErrors } from './names.ts';
import type { ObjectMeta, Volume } from './types.generated.ts';
import { validateClaimSpec } from './validate-config.ts';

const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'];

/** Volumes that are a claim's, make one for the pod, or show an image. */
export function validateClaimVolume(
  { name, persistentVolumeClaim, ephemeral, image }: Volume,
  pod: ObjectMeta,
  path: string,
): readonly FieldError[] {
  const errors: FieldError[] = [];
  if (persistentVolumeClaim !== undefined && !persistentVolumeClaim.claimName)
    errors.push(required(`${path}.persistentVolumeClaim.claimName`));
  if (ephemeral !== undefined) {
    const { volumeClaimTemplate: template } = ephemeral;
    const at = `${path}.ephemeral.volumeClaimTemplate`;
    if (template === undefined) errors.push(required(at));
    else errors.push(...validateClaimSpec(template.spec ?? {}, `${at}.spec`));
    // The claim is named after both; a name that is generated is not known yet.
    const claim = `${pod.name ?? ''}-${name}`;
    if (pod.name)
      errors.push(
        ...subdomainErrors(claim).map(detail =>
          invalid(`${path}.name`, name, `PVC name ${JSON.stringify(claim)}: ${detail}`),
        ),
      );
  }
  if (image !== undefined) {
    if (!image.reference) errors.push(required(`${path}.image.reference`));
    if (image.pullPolicy !== undefined && !PULL_POLICIES.includes(image.pullPolicy))
      errors.push(notSupported(`${path}.image.pullPolicy`, image.pullPolicy, PULL_POLICIES));
  }
  return errors;
}
