import { invalid } from '../../kube/field-error.ts';
import type { IDRange } from '../../kube/types.generated.ts';
import { type PolicyError, policyError } from './policy-error.ts';
import { formatRanges, isInRanges, type StrategyOptions } from './ranges.ts';
import { addToPod, type ContainerRule, effective, type PodRule, placeOf, type Unusable } from './rule.ts';

/** One strategy serves three fields: runAsGroup, supplementalGroups and fsGroup (podsecuritypolicy/group). */
interface GroupStrategy {
  /** The group that is set where none is. */
  readonly default?: number;
  /** `groups` is undefined where the pod has none; an empty list was written down. */
  readonly validate: (
    path: string,
    groups: readonly number[] | undefined,
    manifestPath: string,
  ) => readonly PolicyError[];
}

/** In the order in which the API server names them for runAsGroup. */
export const GROUP_STRATEGIES = {
  MustRunAs: mustRunAs,
  RunAsAny: (): GroupStrategy => ({ validate: () => [] }),
  MayRunAs: mayRunAs,
} as const satisfies Record<string, (ranges: readonly IDRange[]) => GroupStrategy | Unusable>;

function createStrategy({ rule = '', ranges = [] }: StrategyOptions, name: string): GroupStrategy | Unusable {
  if (!Object.hasOwn(GROUP_STRATEGIES, rule)) return { error: `Unrecognized ${name} strategy type ${rule}` };
  return GROUP_STRATEGIES[rule as keyof typeof GROUP_STRATEGIES](ranges);
}

function mustRunAs(ranges: readonly IDRange[]): GroupStrategy | Unusable {
  const [first] = ranges;
  if (first === undefined) return { error: 'ranges must be supplied for MustRunAs' };
  return {
    default: first.min,
    validate: (path, groups, manifestPath) => {
      if (groups !== undefined && groups.length > 0) return outside(ranges, path, groups, manifestPath);
      const detail = 'unable to validate empty groups against required ranges';
      return [policyError(invalid(path, groups, detail), { manifestPath, goType: '[]int64' })];
    },
  };
}

function mayRunAs(ranges: readonly IDRange[]): GroupStrategy | Unusable {
  if (ranges.length === 0) return { error: 'ranges must be supplied for MayRunAs' };
  return { validate: (path, groups = [], manifestPath) => outside(ranges, path, groups, manifestPath) };
}

function outside(
  ranges: readonly IDRange[],
  path: string,
  groups: readonly number[],
  manifestPath: string,
): readonly PolicyError[] {
  return groups
    .filter(group => !isInRanges(group, ranges))
    .map(group => {
      const detail = `group ${group} must be in the ranges: ${formatRanges(ranges)}`;
      return policyError(invalid(path, groups, detail), { manifestPath, goType: '[]int64' });
    });
}

export function createFSGroupRule(options: StrategyOptions): PodRule | Unusable {
  const strategy = createStrategy(options, 'FSGroup');
  if ('error' in strategy) return strategy;
  const path = 'spec.securityContext.fsGroup';
  return {
    mutate: pod =>
      strategy.default === undefined || pod.spec?.securityContext?.fsGroup !== undefined
        ? pod
        : addToPod(pod, { fsGroup: strategy.default }),
    validate: pod => {
      const group = pod.spec?.securityContext?.fsGroup;
      return strategy.validate(path, group === undefined ? undefined : [group], path);
    },
  };
}

export function createSupplementalGroupsRule(options: StrategyOptions): PodRule | Unusable {
  const strategy = createStrategy(options, 'SupplementalGroups');
  if ('error' in strategy) return strategy;
  const path = 'spec.securityContext.supplementalGroups';
  return {
    mutate: pod =>
      strategy.default === undefined || pod.spec?.securityContext?.supplementalGroups !== undefined
        ? pod
        : addToPod(pod, { supplementalGroups: [strategy.default] }),
    validate: pod => strategy.validate(path, pod.spec?.securityContext?.supplementalGroups, path),
  };
}

/** A policy from before there was such a field says nothing about it. */
export function createRunAsGroupRule(
  options: StrategyOptions = { rule: 'RunAsAny' },
): ContainerRule | Unusable {
  const strategy = createStrategy(options, 'RunAsGroup');
  if ('error' in strategy) return strategy;
  return {
    mutate: context =>
      strategy.default === undefined || effective(context, 'runAsGroup') !== undefined
        ? {}
        : { runAsGroup: strategy.default },
    validate: context => {
      const group = effective(context, 'runAsGroup');
      // Upstream leaves the field's own name out.
      const path = `${context.path}.securityContext`;
      const groups = group === undefined ? undefined : [group];
      return strategy.validate(path, groups, placeOf(context, 'runAsGroup'));
    },
  };
}
