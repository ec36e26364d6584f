import type { FieldError } from './field-error.ts';
import type { Container, Pod } from './types.generated.ts';
import { validateHandlers } from './validate-handlers.ts';
import { validateLabelsAndAnnotations, validateObjectNames } from './validate-metadata.ts';
import { validateAppArmor, validatePodSecurity } from './validate-pod-security.ts';
import { validateReferences, validateScheduling, validateVolumeDevices } from './validate-references.ts';
import { validatePodResources, validateResourceFields, validateResources } from './validate-resources.ts';

/** The parts of ValidatePodCreate that do not decide how a container runs here, but that a cluster would refuse. */
export function validateDetails(pod: Pod): readonly FieldError[] {
  const spec = pod.spec ?? { containers: [] };
  const ofContainer = (container: Container, path: string): readonly FieldError[] => [
    ...validateReferences(container, path),
    ...validateVolumeDevices(container, spec, path),
    ...validateResources(container.resources, `${path}.resources`),
    ...validateResourceFields(container, path),
    ...validateAppArmor(
      container.securityContext?.appArmorProfile,
      `${path}.securityContext.appArmorProfile`,
    ),
    ...validateHandlers(container, spec, path),
  ];
  return [
    ...validateLabelsAndAnnotations(pod),
    ...spec.containers.flatMap((container, i) => ofContainer(container, `spec.containers[${i}]`)),
    ...(spec.initContainers ?? []).flatMap((container, i) =>
      ofContainer(container, `spec.initContainers[${i}]`),
    ),
    ...validatePodResources(spec),
    ...validateObjectNames(spec),
    ...validateScheduling(spec),
    ...validatePodSecurity(spec),
  ];
}
