import { type FieldError, forbidden, invalid, notFound, required } from './field-error.ts';
import { configKeyErrors, envNameErrors, subdomainErrors } from './names.ts';
import type { Container, EnvVar, PodSpec } from './types.generated.ts';

/** The keys and names that a container's environment refers to (validateEnvVarValueFrom, ValidateEnvFrom). */
export function validateReferences(container: Container, path: string): readonly FieldError[] {
  return [
    ...(container.env ?? []).flatMap((variable, i) =>
      validateSource(variable, `${path}.env[${i}].valueFrom`),
    ),
    ...(container.envFrom ?? []).flatMap(({ prefix, configMapRef, secretRef }, i) => {
      const at = `${path}.envFrom[${i}]`;
      return [
        ...(prefix ? envNameErrors(prefix).map(detail => invalid(`${at}.prefix`, prefix, detail)) : []),
        ...nameErrors(configMapRef?.name, `${at}.configMapRef.name`),
        ...nameErrors(secretRef?.name, `${at}.secretRef.name`),
      ];
    }),
  ];
}

/** An empty name is another check's error. */
function nameErrors(name: string | undefined, path: string): readonly FieldError[] {
  return name ? subdomainErrors(name).map(detail => invalid(path, name, detail)) : [];
}

function validateSource({ valueFrom }: EnvVar, path: string): readonly FieldError[] {
  const errors: FieldError[] = [];
  if (valueFrom?.fieldRef !== undefined && valueFrom.fieldRef.fieldPath === undefined)
    errors.push(required(`${path}.fieldRef.fieldPath`));
  for (const kind of ['configMapKeyRef', 'secretKeyRef'] as const) {
    const ref = valueFrom?.[kind];
    if (ref === undefined) continue;
    const { name = '', key = '' } = ref;
    const at = `${path}.${kind}`;
    errors.push(...subdomainErrors(name).map(detail => invalid(`${at}.name`, name, detail)));
    if (key === '') errors.push(required(`${at}.key`));
    else errors.push(...configKeyErrors(key).map(detail => invalid(`${at}.key`, key, detail)));
  }
  return errors;
}

/** Block devices: each must be a claim of the pod's (ValidateVolumeDevices). */
export function validateVolumeDevices(
  container: Container,
  spec: PodSpec,
  path: string,
): readonly FieldError[] {
  const volumes = new Map((spec.volumes ?? []).map(volume => [volume.name, volume]));
  const mounted = new Set((container.volumeMounts ?? []).map(({ name }) => name));
  return (container.volumeDevices ?? []).flatMap(({ name, devicePath }, i) => {
    const at = `${path}.volumeDevices[${i}]`;
    const volume = volumes.get(name);
    const isClaim = volume?.persistentVolumeClaim !== undefined || volume?.ephemeral !== undefined;
    const detail = 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode';
    return [
      ...(name ? [] : [required(`${at}.name`)]),
      ...(volume === undefined ? [notFound(`${at}.name`, name ?? '')] : []),
      ...(volume !== undefined && !isClaim ? [invalid(`${at}.name`, name, detail)] : []),
      ...(devicePath ? [] : [required(`${at}.devicePath`)]),
      ...(mounted.has(name) ? [invalid(`${at}.name`, name, 'must not already exist in volumeMounts')] : []),
    ];
  });
}

/** A pod that must not be scheduled yet cannot have its node already. */
export function validateScheduling(spec: PodSpec): readonly FieldError[] {
  return spec.nodeName && (spec.schedulingGates ?? []).length > 0
    ? [forbidden('spec.nodeName', 'cannot be set until all schedulingGates have been cleared')]
    : [];
}
