import type { AppArmorProfile, Pod, SeccompProfile } from '../../kube/types.generated.ts';
import type { ContainerContext } from './rule.ts';

/** The annotations' way to name a profile, the same for seccomp and AppArmor. */
export const RUNTIME_DEFAULT = 'runtime/default';
export const UNCONFINED = 'unconfined';
export const LOCALHOST_PREFIX = 'localhost/';

/** The annotation's name of what a field says (SeccompAnnotationForField); `''` if it says nothing that has a name. */
export function profileName({ type, localhostProfile }: SeccompProfile | AppArmorProfile): string {
  if (type === 'RuntimeDefault') return RUNTIME_DEFAULT;
  if (type === 'Unconfined') return UNCONFINED;
  return localhostProfile === undefined ? '' : `${LOCALHOST_PREFIX}${localhostProfile}`;
}

/** A profile, and where it is written; `''` if there is none. */
export interface NamedProfile {
  readonly name: string;
  readonly manifestPath: string;
}

type ProfileField = 'seccompProfile' | 'appArmorProfile';

/** The container's field, its annotation, the pod's field, in this order. */
export function containerProfile(
  { pod, container, path }: ContainerContext,
  field: ProfileField,
  annotation: string,
): NamedProfile | undefined {
  const own = container.securityContext?.[field];
  if (own !== undefined) return { name: profileName(own), manifestPath: `${path}.securityContext.${field}` };
  return annotated(pod, annotation) ?? podField(pod, field);
}

export function annotated(pod: Pod, annotation: string): NamedProfile | undefined {
  const annotations = pod.metadata?.annotations ?? {};
  if (!Object.hasOwn(annotations, annotation)) return undefined;
  return { name: annotations[annotation] ?? '', manifestPath: `metadata.annotations[${annotation}]` };
}

export function podField(pod: Pod, field: ProfileField): NamedProfile | undefined {
  const profile = pod.spec?.securityContext?.[field];
  if (profile === undefined) return undefined;
  return { name: profileName(profile), manifestPath: `spec.securityContext.${field}` };
}
