import { quote } from '../../base/go-quote.ts';
import { type FieldError, invalid } from '../../kube/field-error.ts';
import { ALLOWED_APP_ARMOR, DEFAULT_APP_ARMOR } from './app-armor.ts';
import { type PolicyError, policyError } from './policy-error.ts';
import { LOCALHOST_PREFIX, RUNTIME_DEFAULT, UNCONFINED } from './profiles.ts';
import { ALLOWED_SECCOMP, ANY_SECCOMP, DEFAULT_SECCOMP, DOCKER_DEFAULT } from './seccomp.ts';

type Annotations = Readonly<Record<string, string>>;

/** ValidatePodSecurityPolicySpecificAnnotations: the profiles of AppArmor and seccomp, which have no fields. */
export function validatePolicyAnnotations(annotations: Annotations): readonly PolicyError[] {
  const textOf = (key: string): string => annotations[key] ?? '';
  const namesOf = (key: string): readonly string[] => (textOf(key) === '' ? [] : textOf(key).split(','));
  const pathOf = (key: string): string => `metadata.annotations[${key}]`;
  const appArmor = (key: string, name: string): readonly FieldError[] => {
    const detail = appArmorError(name);
    return detail === undefined ? [] : [invalid(pathOf(key), textOf(key), detail)];
  };
  const errors = [
    ...appArmor(DEFAULT_APP_ARMOR, textOf(DEFAULT_APP_ARMOR)),
    ...namesOf(ALLOWED_APP_ARMOR).flatMap(name => appArmor(ALLOWED_APP_ARMOR, name)),
    ...(textOf(DEFAULT_SECCOMP) === '' ? [] : [textOf(DEFAULT_SECCOMP)]).flatMap(name =>
      seccompErrors(name, pathOf(DEFAULT_SECCOMP)),
    ),
    ...namesOf(ALLOWED_SECCOMP)
      .filter(name => name !== ANY_SECCOMP)
      .flatMap(name => seccompErrors(name, pathOf(ALLOWED_SECCOMP))),
  ];
  return errors.map(error => policyError(error));
}

function appArmorError(name: string): string | undefined {
  const isKnown = ['', RUNTIME_DEFAULT, UNCONFINED].includes(name) || name.startsWith(LOCALHOST_PREFIX);
  return isKnown ? undefined : `invalid AppArmor profile name: ${quote(name)}`;
}

function seccompErrors(name: string, path: string): readonly FieldError[] {
  if ([RUNTIME_DEFAULT, DOCKER_DEFAULT, UNCONFINED].includes(name)) return [];
  if (!name.startsWith(LOCALHOST_PREFIX)) return [invalid(path, name, 'must be a valid seccomp profile')];
  const file = name.slice(LOCALHOST_PREFIX.length);
  return [
    ...(file.startsWith('/') ? [invalid(path, file, 'must be a relative path')] : []),
    ...(file.split('/').includes('..') ? [invalid(path, file, "must not contain '..'")] : []),
  ];
}
