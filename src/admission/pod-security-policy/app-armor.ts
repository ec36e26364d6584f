import { quote } from '../../base/go-quote.ts';
import { APPARMOR_ANNOTATION } from '../../kube/annotations.ts';
import { forbidden } from '../../kube/field-error.ts';
import { policyError } from './policy-error.ts';
import { containerProfile, type NamedProfile } from './profiles.ts';
import {
  addAnnotations,
  type ContainerContext,
  type ContainerRule,
  containersOf,
  type PodRule,
} from './rule.ts';

/** On a policy. */
export const ALLOWED_APP_ARMOR = 'apparmor.security.beta.kubernetes.io/allowedProfileNames';
export const DEFAULT_APP_ARMOR = 'apparmor.security.beta.kubernetes.io/defaultProfileName';
const containerKey = (name: string): string => `${APPARMOR_ANNOTATION}${name}`;

type Annotations = Readonly<Record<string, string>>;

/**
 * AppArmor, by the policy's annotations (podsecuritypolicy/apparmor). The fields are younger than policies; they count
 * as the annotations of the same meaning do, lest they be a way around a policy.
 */
export function createAppArmorRules(annotations: Annotations): {
  readonly pod: PodRule;
  readonly container: ContainerRule;
} {
  const { [ALLOWED_APP_ARMOR]: list, [DEFAULT_APP_ARMOR]: defaultProfile = '' } = annotations;
  return {
    pod: {
      mutate: pod => {
        if (defaultProfile === '') return pod;
        const open = containersOf(pod).filter(context => profileOf(context).name === '');
        const added = open.map(({ container }) => [containerKey(container.name), defaultProfile] as const);
        return added.length === 0 ? pod : addAnnotations(pod, Object.fromEntries(added));
      },
      validate: () => [],
    },
    container: {
      validate: context => {
        if (list === undefined) return [];
        const { name, manifestPath } = profileOf(context);
        if (name !== '' && list.split(',').includes(name)) return [];
        const detail =
          name === ''
            ? 'AppArmor profile must be set'
            : `${name} is not an allowed profile. Allowed values: ${quote(list)}`;
        const path = `pod.metadata.annotations[${containerKey(context.container.name)}]`;
        return [policyError(forbidden(path, detail), { manifestPath })];
      },
    },
  };
}

/** An empty annotation is none. */
function profileOf(context: ContainerContext): NamedProfile {
  const profile = containerProfile(context, 'appArmorProfile', containerKey(context.container.name));
  return profile ?? { name: '', manifestPath: `${context.path}.securityContext` };
}
