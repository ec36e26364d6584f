import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from './field-error.ts';
import { SYSCTL_MAX_LENGTH, SYSCTL_REGEX, sysctlNamespace } from './sysctls.ts';
import type { AppArmorProfile, PodSpec } from './types.generated.ts';

const PATH = 'spec.securityContext';

/** Words of the pod's securityContext. */
const WORDS = {
  fsGroupChangePolicy: ['Always', 'OnRootMismatch'],
  seLinuxChangePolicy: ['MountOption', 'Recursive'],
} as const;

/** What the pod's securityContext says beyond ids and seccomp (validatePodSpecSecurityContext). */
export function validatePodSecurity(spec: PodSpec): readonly FieldError[] {
  const context = spec.securityContext ?? {};
  const errors: FieldError[] = [...validateSysctls(spec)];
  for (const field of ['fsGroupChangePolicy', 'seLinuxChangePolicy'] as const) {
    const value = context[field];
    if (value !== undefined && !(WORDS[field] as readonly string[]).includes(value))
      errors.push(notSupported(`${PATH}.${field}`, value, WORDS[field]));
  }
  if (context.windowsOptions !== undefined && spec.os?.name === 'linux')
    errors.push(forbidden(`${PATH}.windowsOptions`, 'windows options cannot be set for a linux pod'));
  return [...errors, ...validateAppArmor(context.appArmorProfile, `${PATH}.appArmorProfile`)];
}

function validateSysctls(spec: PodSpec): readonly FieldError[] {
  const seen = new Set<string>();
  return (spec.securityContext?.sysctls ?? []).flatMap(({ name = '' }, i) => {
    const at = `${PATH}.sysctls[${i}].name`;
    const errors: FieldError[] = [];
    if (name === '') errors.push(required(at));
    else if (name.length > SYSCTL_MAX_LENGTH || !new RegExp(SYSCTL_REGEX).test(name))
      errors.push(
        invalid(
          at,
          name,
          `must have at most ${SYSCTL_MAX_LENGTH} characters and match regex ${SYSCTL_REGEX}`,
        ),
      );
    else if (seen.has(name)) errors.push(duplicate(at, name));
    seen.add(name);
    const namespace = sysctlNamespace(name);
    if (spec.hostNetwork === true && namespace === 'net')
      errors.push(invalid(at, name, "may not be specified when 'hostNetwork' is true"));
    if (spec.hostIPC === true && namespace === 'ipc')
      errors.push(invalid(at, name, "may not be specified when 'hostIPC' is true"));
    return errors;
  });
}

const APPARMOR_TYPES = ['Localhost', 'RuntimeDefault', 'Unconfined'];

/** ValidateAppArmorProfileField. */
export function validateAppArmor(profile: AppArmorProfile | undefined, path: string): readonly FieldError[] {
  if (profile === undefined) return [];
  const { type, localhostProfile } = profile;
  const at = `${path}.localhostProfile`;
  if (!type) return [required(`${path}.type`, 'type is required when appArmorProfile is set')];
  if (!APPARMOR_TYPES.includes(type)) return [notSupported(`${path}.type`, type, APPARMOR_TYPES)];
  if (type !== 'Localhost')
    return localhostProfile === undefined
      ? []
      : [invalid(at, localhostProfile, 'can only be set when AppArmor type is Localhost')];
  const name = localhostProfile?.trim() ?? '';
  if (name !== (localhostProfile ?? ''))
    return [invalid(at, localhostProfile, 'must not be padded with whitespace')];
  return name === '' ? [required(at, 'must be set when AppArmor type is Localhost')] : [];
}
