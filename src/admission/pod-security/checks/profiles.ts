import {
  APPARMOR_ANNOTATION,
  SECCOMP_CONTAINER_ANNOTATION,
  SECCOMP_POD_ANNOTATION,
} from '../../../kube/annotations.ts';
import type { PodSpec } from '../../../kube/types.generated.ts';
import { type Check, type CheckPod, exceptWindows, verdict } from '../check.ts';
import { containersOf, contextsOf, type SharedContext, settersWhere, silentAbout } from '../containers.ts';
import { distinct, joinQuote, pluralize } from '../words.ts';

type ProfileField = 'appArmorProfile' | 'seccompProfile';

/** Who sets a type of profile that does not confine, and which. */
function unconfined(
  spec: PodSpec,
  field: ProfileField,
): { readonly setters: string | undefined; readonly types: readonly string[] } {
  const badTypes = (context: SharedContext): readonly string[] => {
    const profile = context[field];
    return profile === undefined || ['RuntimeDefault', 'Localhost'].includes(profile.type)
      ? []
      : [profile.type ?? ''];
  };
  return {
    setters: settersWhere(spec, context => badTypes(context).length > 0),
    types: distinct(contextsOf(spec).flatMap(badTypes)),
  };
}

type Annotations = Readonly<Record<string, string>>;

/** `KEY="VALUE"`, sorted, of the annotations whose values are not good. */
function badAnnotations(
  annotations: Annotations,
  isLookedAt: (key: string) => boolean,
  isGood: (value: string) => boolean,
): readonly string[] {
  return Object.entries(annotations)
    .filter(([key, value]) => isLookedAt(key) && !isGood(value))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .sort();
}

const checkAppArmor: CheckPod = ({ annotations = {} }, spec) => {
  const { setters, types } = unconfined(spec, 'appArmorProfile');
  const bad = badAnnotations(
    annotations,
    key => key.startsWith(APPARMOR_ANNOTATION),
    value => value === '' || value === 'runtime/default' || value.startsWith('localhost/'),
  );
  const who = [setters, bad.length === 0 ? undefined : pluralize('annotation', bad.length)].filter(
    setter => setter !== undefined,
  );
  const what = [...types, ...bad];
  return verdict(
    pluralize('forbidden AppArmor profile', what.length),
    who.length === 0
      ? undefined
      : `${who.join(' and ')} must not set AppArmor profile type to ${joinQuote(what)}`,
  );
};

/** securityContext.appArmorProfile.type of pod and containers, and the annotation of before: not Unconfined. */
export const appArmorProfile: Check = {
  id: 'appArmorProfile',
  level: 'baseline',
  versions: [{ since: 0, check: checkAppArmor }],
};

/** The pod's, and those of containers that exist. */
const checkSeccompAnnotations: CheckPod = ({ annotations = {} }, spec) => {
  const keys = [
    SECCOMP_POD_ANNOTATION,
    ...containersOf(spec).map(({ name }) => SECCOMP_CONTAINER_ANNOTATION + name),
  ];
  const bad = badAnnotations(
    annotations,
    key => keys.includes(key),
    value => value === 'runtime/default' || value === 'docker/default' || value.startsWith('localhost/'),
  );
  return verdict(
    'seccompProfile',
    bad.length === 0 ? undefined : `forbidden ${pluralize('annotation', bad.length)} ${bad.join(', ')}`,
  );
};

const checkSeccomp: CheckPod = (_, spec) => {
  const { setters, types } = unconfined(spec, 'seccompProfile');
  return verdict(
    'seccompProfile',
    setters && `${setters} must not set securityContext.seccompProfile.type to ${joinQuote(types)}`,
  );
};

/** securityContext.seccompProfile.type of pod and containers, before 1.19 the annotations: undefined or not Unconfined. */
export const seccompProfileBaseline: Check = {
  id: 'seccompProfile_baseline',
  level: 'baseline',
  versions: [
    { since: 0, check: checkSeccompAnnotations },
    { since: 19, check: checkSeccomp },
  ],
};

const checkSeccompRestricted: CheckPod = (metadata, spec) => {
  const explicit = checkSeccomp(metadata, spec);
  if (!explicit.allowed) return explicit;
  const silent = silentAbout(spec, 'seccompProfile');
  return verdict(
    'seccompProfile',
    silent && `${silent} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
  );
};

/** The same, and said for every container, by itself or by the pod. */
export const seccompProfileRestricted: Check = {
  id: 'seccompProfile_restricted',
  level: 'restricted',
  versions: [
    { since: 19, overrides: [seccompProfileBaseline.id], check: checkSeccompRestricted },
    { since: 25, overrides: [seccompProfileBaseline.id], check: exceptWindows(checkSeccompRestricted) },
  ],
};
