import { invalid, required } from '../../kube/field-error.ts';
import type { IDRange } from '../../kube/types.generated.ts';
import { type PolicyError, policyError } from './policy-error.ts';
import { formatRanges, isInRanges, type StrategyOptions } from './ranges.ts';
import { type ContainerContext, type ContainerRule, effective, placeOf, type Unusable } from './rule.ts';

/** runAsUser, by its rule (podsecuritypolicy/user). */
export const USER_STRATEGIES = {
  MustRunAs: mustRunAs,
  MustRunAsNonRoot: mustRunAsNonRoot,
  RunAsAny: (): ContainerRule => ({ validate: () => [] }),
} as const satisfies Record<string, (ranges: readonly IDRange[]) => ContainerRule | Unusable>;

export function createUserRule({ rule = '', ranges = [] }: StrategyOptions): ContainerRule | Unusable {
  if (!Object.hasOwn(USER_STRATEGIES, rule)) return { error: `Unrecognized RunAsUser strategy type ${rule}` };
  return USER_STRATEGIES[rule as keyof typeof USER_STRATEGIES](ranges);
}

/** The user is set on the container itself, so the image's USER does not count, whatever the range. */
function mustRunAs(ranges: readonly IDRange[]): ContainerRule | Unusable {
  const [first] = ranges;
  if (first === undefined) return { error: 'MustRunAs requires at least one range' };
  return {
    mutate: context => (effective(context, 'runAsUser') === undefined ? { runAsUser: first.min } : {}),
    validate: context => {
      const user = effective(context, 'runAsUser');
      const path = `${context.path}.securityContext.runAsUser`;
      if (user === undefined) return [policyError(required(path))];
      if (isInRanges(user, ranges)) return [];
      const detail = `must be in the ranges: ${formatRanges(ranges)}`;
      return [policyError(invalid(path, user, detail), { manifestPath: placeOf(context, 'runAsUser') })];
    },
  };
}

/** Who the image's user is, only the kubelet finds out: it is told to look. */
function mustRunAsNonRoot(): ContainerRule {
  return {
    mutate: context =>
      effective(context, 'runAsNonRoot') === undefined && effective(context, 'runAsUser') === undefined
        ? { runAsNonRoot: true }
        : {},
    validate: validateNonRoot,
  };
}

function validateNonRoot(context: ContainerContext): readonly PolicyError[] {
  const runAsNonRoot = effective(context, 'runAsNonRoot');
  const user = effective(context, 'runAsUser');
  const path = `${context.path}.securityContext`;
  if (runAsNonRoot === undefined && user === undefined)
    return [policyError(required(`${path}.runAsNonRoot`, 'must be true'))];
  if (runAsNonRoot === false)
    return [
      policyError(invalid(`${path}.runAsNonRoot`, false, 'must be true'), {
        manifestPath: placeOf(context, 'runAsNonRoot'),
      }),
    ];
  if (user !== 0) return [];
  return [
    policyError(invalid(`${path}.runAsUser`, 0, 'running with the root UID is forbidden'), {
      manifestPath: placeOf(context, 'runAsUser'),
    }),
  ];
}
