import { SECCOMP_CONTAINER_ANNOTATION, SECCOMP_POD_ANNOTATION } from '../../kube/annotations.ts';
import { forbidden } from '../../kube/field-error.ts';
import type { Pod, SeccompProfile } from '../../kube/types.generated.ts';
import { type PolicyError, policyError } from './policy-error.ts';
import {
  annotated,
  containerProfile,
  LOCALHOST_PREFIX,
  type NamedProfile,
  podField,
  RUNTIME_DEFAULT,
  UNCONFINED,
} from './profiles.ts';
import {
  addAnnotations,
  addToContainers,
  addToPod,
  type ContainerContext,
  type ContainerRule,
  type PodRule,
} from './rule.ts';

/** On a policy: which profiles a pod may have, and which one it gets. */
export const ALLOWED_SECCOMP = 'seccomp.security.alpha.kubernetes.io/allowedProfileNames';
export const DEFAULT_SECCOMP = 'seccomp.security.alpha.kubernetes.io/defaultProfileName';
export const ANY_SECCOMP = '*';
/** What RuntimeDefault was called first. */
export const DOCKER_DEFAULT = 'docker/default';

const containerKey = (name: string): string => `${SECCOMP_CONTAINER_ANNOTATION}${name}`;

type Annotations = Readonly<Record<string, string>>;

/** seccomp, by the policy's annotations (podsecuritypolicy/seccomp of 1.19 and later, which knows the fields too). */
export function createSeccompRules(annotations: Annotations): {
  readonly pod: PodRule;
  readonly container: ContainerRule;
} {
  const validate = (profile: NamedProfile, key: string): readonly PolicyError[] => {
    const detail = refusal(profile.name, annotations[ALLOWED_SECCOMP]);
    const { manifestPath } = profile;
    if (detail === undefined) return [];
    return [policyError(forbidden(`pod.metadata.annotations[${key}]`, detail), { manifestPath })];
  };
  return {
    pod: {
      mutate: pod => annotate(pod, annotations[DEFAULT_SECCOMP] ?? ''),
      validate: pod =>
        validate(
          podProfile(pod) ?? { name: '', manifestPath: 'spec.securityContext' },
          SECCOMP_POD_ANNOTATION,
        ),
    },
    container: {
      validate: context => {
        const key = containerKey(context.container.name);
        return validate(profileOf(context, key), key);
      },
    },
  };
}

/** Why a profile (`''`: none) may not be used; undefined if it may. A policy without a list allows no profile at all. */
function refusal(profile: string, list: string | undefined): string | undefined {
  const names = list?.split(',') ?? [];
  if (names.includes(ANY_SECCOMP)) return undefined;
  if (names.length === 0) return profile === '' ? undefined : 'seccomp may not be set';
  const synonyms = [RUNTIME_DEFAULT, DOCKER_DEFAULT];
  const isAllowed =
    names.includes(profile) ||
    (synonyms.includes(profile) && synonyms.some(synonym => names.includes(synonym)));
  return isAllowed ? undefined : `${profile} is not an allowed seccomp profile. Valid values are ${list}`;
}

/** The annotation is written even where only the field is set, so that older nodes know: that too is a mutation. */
function annotate(pod: Pod, defaultProfile: string): Pod {
  if (annotated(pod, SECCOMP_POD_ANNOTATION)?.name) return pod;
  const profile = podField(pod, 'seccompProfile')?.name ?? defaultProfile;
  return profile === '' ? pod : addAnnotations(pod, { [SECCOMP_POD_ANNOTATION]: profile });
}

function podProfile(pod: Pod): NamedProfile | undefined {
  const annotation = annotated(pod, SECCOMP_POD_ANNOTATION);
  const field = podField(pod, 'seccompProfile');
  // Where the annotation is only the field's, it is the field that is written down.
  return annotation?.name && annotation.name !== field?.name ? annotation : (field ?? annotation);
}

function profileOf(context: ContainerContext, key: string): NamedProfile {
  const { pod, path } = context;
  return (
    containerProfile(context, 'seccompProfile', key) ??
    annotated(pod, SECCOMP_POD_ANNOTATION) ?? { name: '', manifestPath: `${path}.securityContext` }
  );
}

/**
 * Turns annotations into fields where those are not set, as the API server did before it stored a pod
 * (applySeccompVersionSkew): nodes look at the fields only, and a policy's default is an annotation.
 */
export function setSeccompFields(pod: Pod): Pod {
  const ofPod = fieldOf(annotated(pod, SECCOMP_POD_ANNOTATION)?.name);
  const isOpen = pod.spec?.securityContext?.seccompProfile === undefined;
  const own = isOpen && ofPod !== undefined ? addToPod(pod, { seccompProfile: ofPod }) : pod;
  return addToContainers(own, ({ container }) => {
    const profile = fieldOf(annotated(pod, containerKey(container.name))?.name);
    const isSet = container.securityContext?.seccompProfile !== undefined;
    return isSet || profile === undefined ? {} : { seccompProfile: profile };
  });
}

function fieldOf(name = ''): SeccompProfile | undefined {
  if (name === UNCONFINED) return { type: 'Unconfined' };
  if (name === RUNTIME_DEFAULT || name === DOCKER_DEFAULT) return { type: 'RuntimeDefault' };
  if (!name.startsWith(LOCALHOST_PREFIX) || name === LOCALHOST_PREFIX) return undefined;
  return { type: 'Localhost', localhostProfile: name.slice(LOCALHOST_PREFIX.length) };
}
