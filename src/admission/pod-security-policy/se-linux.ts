import { invalid, required } from '../../kube/field-error.ts';
import type { SELinuxOptions, SELinuxStrategyOptions } from '../../kube/types.generated.ts';
import { type PolicyError, policyError } from './policy-error.ts';
import { addToPod, type ContainerRule, effective, type PodRule, placeOf, type Unusable } from './rule.ts';

/** The pod's options are looked at, and then what each container makes of them. */
export interface SELinuxRules {
  readonly pod: PodRule;
  readonly container: ContainerRule;
}

/** seLinux, by its rule (podsecuritypolicy/selinux). */
export const SE_LINUX_STRATEGIES = {
  MustRunAs: mustRunAs,
  RunAsAny: (): SELinuxRules => ({ pod: { validate: () => [] }, container: { validate: () => [] } }),
} as const satisfies Record<string, (options: SELinuxOptions | undefined) => SELinuxRules | Unusable>;

export function createSELinuxRules({
  rule = '',
  seLinuxOptions,
}: SELinuxStrategyOptions): SELinuxRules | Unusable {
  if (!Object.hasOwn(SE_LINUX_STRATEGIES, rule))
    return { error: `Unrecognized SELinuxContext strategy type ${rule}` };
  return SE_LINUX_STRATEGIES[rule as keyof typeof SE_LINUX_STRATEGIES](seLinuxOptions);
}

function mustRunAs(expected: SELinuxOptions | undefined): SELinuxRules | Unusable {
  if (expected === undefined) return { error: 'MustRunAs requires SELinuxOptions' };
  const path = 'spec.securityContext.seLinuxOptions';
  return {
    pod: {
      mutate: pod =>
        pod.spec?.securityContext?.seLinuxOptions === undefined
          ? addToPod(pod, { seLinuxOptions: expected })
          : pod,
      validate: pod => compare(expected, pod.spec?.securityContext?.seLinuxOptions, path, path),
    },
    container: {
      validate: context =>
        compare(
          expected,
          effective(context, 'seLinuxOptions'),
          `${context.path}.securityContext.seLinuxOptions`,
          placeOf(context, 'seLinuxOptions'),
        ),
    },
  };
}

const FIELDS = ['level', 'role', 'type', 'user'] as const;

function compare(
  expected: SELinuxOptions,
  actual: SELinuxOptions | undefined,
  path: string,
  manifestPath: string,
): readonly PolicyError[] {
  if (actual === undefined) return [policyError(required(path), { manifestPath })];
  return FIELDS.flatMap(field => {
    const [wanted = '', found = ''] = [expected[field], actual[field]];
    if (wanted === found || (field === 'level' && isSameLevel(wanted, found))) return [];
    const error = invalid(`${path}.${field}`, found, `must be ${wanted}`);
    return [policyError(error, { manifestPath: `${manifestPath}.${field}` })];
  });
}

/** `s0:c6,c0` is `s0:c0,c6`: categories are a set. */
function isSameLevel(one: string, other: string): boolean {
  const parts = [one, other].map(level => {
    const colon = level.indexOf(':');
    if (colon === -1) return undefined;
    return JSON.stringify([
      level.slice(0, colon),
      level
        .slice(colon + 1)
        .split(',')
        .sort(),
    ]);
  });
  return parts[0] !== undefined && parts[0] === parts[1];
}
