import { type FieldError, invalid, notSupported } from '../../kube/field-error.ts';
import type { IDRange, SELinuxStrategyOptions } from '../../kube/types.generated.ts';
import { GROUP_STRATEGIES } from './groups.ts';
import { type PolicyError, policyError } from './policy-error.ts';
import type { StrategyOptions } from './ranges.ts';
import { SE_LINUX_STRATEGIES } from './se-linux.ts';
import { USER_STRATEGIES } from './user.ts';

const GROUP_RULES = Object.keys(GROUP_STRATEGIES);

/** MustRunAs without ranges is valid here; the policy is then skipped by the admission (createProvider). */
export function validateRunAsUser(options: StrategyOptions): readonly PolicyError[] {
  return validateStrategy('spec.runAsUser', options, Object.keys(USER_STRATEGIES));
}

export function validateGroups(
  field: 'supplementalGroups' | 'fsGroup',
  options: StrategyOptions,
): readonly PolicyError[] {
  return validateStrategy(`spec.${field}`, options, GROUP_RULES);
}

export function validateSELinux({ rule = '' }: SELinuxStrategyOptions): readonly PolicyError[] {
  return validateStrategy('spec.seLinux', { rule }, Object.keys(SE_LINUX_STRATEGIES));
}

function validateStrategy(
  path: string,
  { rule = '', ranges = [] }: StrategyOptions,
  rules: readonly string[],
): readonly PolicyError[] {
  const isKnown = rules.includes(rule);
  return [
    ...(isKnown ? [] : [policyError(notSupported(`${path}.rule`, rule, rules))]),
    ...validateRanges(path, ranges),
  ];
}

/** The youngest of the strategies is checked more closely, and its rules are named in the order of its own. */
export function validateRunAsGroup(options: StrategyOptions | undefined): readonly PolicyError[] {
  if (options === undefined) return [];
  const path = 'spec.runAsGroup';
  const { rule = '', ranges } = options;
  if (!GROUP_RULES.includes(rule)) {
    const detail = `supported values: ${GROUP_RULES.map(name => `"${name}"`).join(', ')}`;
    return [policyError({ type: 'notSupported', path: `${path}.rule`, badValue: rule, detail })];
  }
  const isAny = rule === 'RunAsAny';
  const isEmpty = ranges === undefined || ranges.length === 0;
  if (isAny) return isEmpty ? [] : [rangesError(path, ranges, 'Ranges must be empty')];
  return isEmpty
    ? [rangesError(path, ranges, 'must provide at least one range')]
    : validateRanges(path, ranges);
}

function rangesError(path: string, ranges: readonly IDRange[] | undefined, detail: string): PolicyError {
  const value = ranges?.map(({ min, max }) => ({ min, max }));
  return policyError(invalid(`${path}.ranges`, value, detail), { goType: '[]policy.IDRange' });
}

function validateRanges(path: string, ranges: readonly IDRange[]): readonly PolicyError[] {
  const errors = ranges.flatMap(({ min, max }, i) => {
    const at = `${path}.ranges[${i}]`;
    const found: FieldError[] = [];
    if (min < 0) found.push(invalid(`${at}.min`, min, 'min cannot be negative'));
    if (max < 0) found.push(invalid(`${at}.max`, max, 'max cannot be negative'));
    if (min > max) found.push(invalid(`${at}.min`, min, 'min cannot be greater than max'));
    return found;
  });
  return errors.map(error => policyError(error));
}
