import { type FieldError, forbidden, invalid, notSupported, required } from './field-error.ts';
import type { Container, PodSpec, SeccompProfile } from './types.generated.ts';

/** The highest uid and gid that the API takes. */
export const MAX_ID = 2147483647;

export function validateIds(
  context: { readonly runAsUser?: number; readonly runAsGroup?: number; readonly fsGroup?: number },
  path: string,
): readonly FieldError[] {
  const fields = ['fsGroup', 'runAsUser', 'runAsGroup'] as const;
  return fields.flatMap(field => {
    const id = context[field];
    return id === undefined || (id >= 0 && id <= MAX_ID)
      ? []
      : [invalid(`${path}.${field}`, id, `must be between 0 and ${MAX_ID}, inclusive`)];
  });
}

const SECCOMP_TYPES = ['Localhost', 'RuntimeDefault', 'Unconfined'];

export function validateSeccomp(profile: SeccompProfile | undefined, path: string): readonly FieldError[] {
  if (profile === undefined) return [];
  const { type, localhostProfile } = profile;
  const errors: FieldError[] = [];
  if (!SECCOMP_TYPES.includes(type))
    errors.push(
      type === ''
        ? required(`${path}.type`, 'type is required when seccompProfile is set')
        : notSupported(`${path}.type`, type, SECCOMP_TYPES),
    );
  if (type === 'Localhost' && !localhostProfile)
    errors.push(required(`${path}.localhostProfile`, 'must be set when seccomp type is Localhost'));
  if (type !== 'Localhost' && localhostProfile !== undefined)
    errors.push(
      invalid(`${path}.localhostProfile`, localhostProfile, 'can only be set when seccomp type is Localhost'),
    );
  if (type === 'Localhost' && localhostProfile?.startsWith('/'))
    errors.push(invalid(`${path}.localhostProfile`, localhostProfile, 'must be a relative path'));
  if (type === 'Localhost' && localhostProfile?.split('/').includes('..'))
    errors.push(invalid(`${path}.localhostProfile`, localhostProfile, "must not contain '..'"));
  return errors;
}

/** A container's securityContext (ValidateSecurityContext). */
export function validateSecurityContext(
  container: Container,
  spec: PodSpec,
  path: string,
): readonly FieldError[] {
  const context = container.securityContext;
  if (context === undefined) return [];
  const errors: FieldError[] = [
    ...validateIds(context, path),
    ...validateSeccomp(context.seccompProfile, `${path}.seccompProfile`),
  ];
  if (context.procMount !== undefined && !['Default', 'Unmasked'].includes(context.procMount)) {
    errors.push(notSupported(`${path}.procMount`, context.procMount, ['Default', 'Unmasked']));
  }
  if (context.procMount === 'Unmasked' && spec.hostUsers !== false) {
    errors.push(
      invalid(`${path}.procMount`, context.procMount, '`hostUsers` must be false to use `Unmasked`'),
    );
  }
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged === true)
      errors.push(
        invalid(path, context, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true'),
      );
    // The API server looks for this spelling only, which the runtime does not even take for a capability.
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN'))
      errors.push(
        invalid(
          path,
          context,
          'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN',
        ),
      );
  }
  if (context.windowsOptions !== undefined && spec.os?.name === 'linux')
    errors.push(forbidden(`${path}.windowsOptions`, 'windows options cannot be set for a linux pod'));
  return errors;
}
