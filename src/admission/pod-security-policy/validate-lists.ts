import { quote } from '../../base/go-quote.ts';
import { duplicate, invalid, notSupported, required, tooLong } from '../../kube/field-error.ts';
import { subdomainErrors } from '../../kube/names.ts';
import type {
  AllowedCSIDriver,
  AllowedFlexVolume,
  AllowedHostPath,
  RuntimeClassStrategyOptions,
} from '../../kube/types.generated.ts';
import { ALL_CAPABILITIES, type CapabilityLists } from './capabilities.ts';
import { type PolicyError, policyError } from './policy-error.ts';
import { ANY_RUNTIME_CLASS } from './runtime-class.ts';
import { ALL_VOLUMES, VOLUME_TYPES } from './volumes.ts';

export function validateVolumeTypes(volumes: readonly string[]): readonly PolicyError[] {
  const known: readonly string[] = [ALL_VOLUMES, ...VOLUME_TYPES];
  return volumes.flatMap((type, i) =>
    known.includes(type)
      ? []
      : [policyError(notSupported('spec.volumes', type, known), { manifestPath: `spec.volumes[${i}]` })],
  );
}

/** The paths of these begin at the lists themselves: so it is in the API server. */
export function validateCapabilities(lists: CapabilityLists): readonly PolicyError[] {
  const { requiredDropCapabilities: drops, allowedCapabilities } = lists;
  const errors: PolicyError[] = [];
  if (drops.length > 0 && allowedCapabilities.includes(ALL_CAPABILITIES)) {
    const detail = 'must be empty when all capabilities are allowed by a wildcard';
    errors.push(
      policyError(invalid('requiredDropCapabilities', drops, detail), {
        manifestPath: 'spec.requiredDropCapabilities',
        goType: '[]core.Capability',
      }),
    );
  }
  for (const list of ['defaultAddCapabilities', 'allowedCapabilities'] as const)
    for (const [i, name] of lists[list].entries()) {
      if (!drops.includes(name)) continue;
      const detail = `capability is listed in ${list} and requiredDropCapabilities`;
      errors.push(policyError(invalid(list, name, detail), { manifestPath: `spec.${list}[${i}]` }));
    }
  return errors;
}

export function validateDefaultAllowPrivilegeEscalation(spec: {
  readonly defaultAllowPrivilegeEscalation?: boolean;
  readonly allowPrivilegeEscalation: boolean;
}): readonly PolicyError[] {
  if (spec.defaultAllowPrivilegeEscalation !== true || spec.allowPrivilegeEscalation) return [];
  const detail =
    'Cannot set DefaultAllowPrivilegeEscalation to true without also setting AllowPrivilegeEscalation to true';
  return [policyError(invalid('spec.defaultAllowPrivilegeEscalation', true, detail))];
}

const PROC_MOUNT_TYPES = ['Default', 'Unmasked'];

export function validateProcMountTypes(types: readonly string[]): readonly PolicyError[] {
  return types.flatMap((type, i) =>
    PROC_MOUNT_TYPES.includes(type)
      ? []
      : [policyError(notSupported(`spec.allowedProcMountTypes[${i}]`, type, PROC_MOUNT_TYPES))],
  );
}

/** After a path that is empty the API server looks no further. */
export function validateAllowedHostPaths(paths: readonly AllowedHostPath[]): readonly PolicyError[] {
  const errors: PolicyError[] = [];
  for (const [i, { pathPrefix = '' }] of paths.entries()) {
    const path = `spec.allowedHostPaths[${i}]`;
    const manifestPath = `${path}.pathPrefix`;
    if (pathPrefix === '') return [...errors, policyError(required(path, 'is required'), { manifestPath })];
    if (pathPrefix.split('/').includes('..'))
      errors.push(policyError(invalid(path, pathPrefix, "must not contain '..'"), { manifestPath }));
  }
  return errors;
}

export function validateAllowedFlexVolumes(volumes: readonly AllowedFlexVolume[]): readonly PolicyError[] {
  return volumes.flatMap(({ driver = '' }, i) =>
    driver === ''
      ? [
          policyError(
            required(`spec.allowedFlexVolumes.allowedFlexVolumes[${i}].driver`, 'must specify a driver'),
            { manifestPath: `spec.allowedFlexVolumes[${i}].driver` },
          ),
        ]
      : [],
  );
}

const DRIVER_NAME_MAX_LENGTH = 63;

/** ValidateCSIDriverName: of a name that is missing, also that it is no DNS name. */
export function validateAllowedCSIDrivers(drivers: readonly AllowedCSIDriver[]): readonly PolicyError[] {
  return drivers.flatMap(({ name = '' }, i) => {
    const path = `spec.allowedCSIDrivers.allowedCSIDriver[${i}].name`;
    const errors = [
      ...(name === '' ? [required(path)] : []),
      ...(name.length > DRIVER_NAME_MAX_LENGTH ? [tooLong(path, DRIVER_NAME_MAX_LENGTH)] : []),
      ...subdomainErrors(name.toLowerCase()).map(detail => invalid(path, name, detail)),
    ];
    const manifestPath = `spec.allowedCSIDrivers[${i}].name`;
    return errors.map(error => policyError(error, { manifestPath }));
  });
}

export function validateRuntimeClass(
  options: RuntimeClassStrategyOptions | undefined,
): readonly PolicyError[] {
  if (options === undefined) return [];
  const { allowedRuntimeClassNames: allowed = [], defaultRuntimeClassName } = options;
  const path = 'spec.runtimeClass.allowedRuntimeClassNames';
  const names = allowed.flatMap((name, i) => {
    const at = `${path}[${i}]`;
    const errors =
      name === ANY_RUNTIME_CLASS ? [] : subdomainErrors(name).map(text => invalid(at, name, text));
    return allowed.indexOf(name) === i ? errors : [...errors, duplicate(at, name)];
  });
  const errors = [...names, ...defaultErrors(defaultRuntimeClassName, allowed, path)].map(error =>
    policyError(error),
  );
  if (!allowed.includes(ANY_RUNTIME_CLASS) || allowed.length === 1) return errors;
  const detail = "if '*' is present, must not specify other RuntimeClass names";
  return [...errors, policyError(invalid(path, allowed, detail), { goType: '[]string' })];
}

function defaultErrors(name: string | undefined, allowed: readonly string[], path: string) {
  if (name === undefined) return [];
  const isAllowed = allowed.includes(name) || allowed.includes(ANY_RUNTIME_CLASS);
  return [
    ...subdomainErrors(name).map(text => invalid('spec.runtimeClass.defaultRuntimeClassName', name, text)),
    ...(isAllowed ? [] : [required(path, `default ${quote(name)} must be allowed`)]),
  ];
}
