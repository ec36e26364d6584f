import { type FieldError, forbidden, invalid } from '../../kube/field-error.ts';
import { SYSCTL_MAX_LENGTH, SYSCTL_PATTERN_REGEX } from '../../kube/sysctls.ts';
import { type PolicyError, policyError } from './policy-error.ts';
import type { SysctlLists } from './sysctls.ts';

const PATTERN = new RegExp(`^${SYSCTL_PATTERN_REGEX}$`);

/** Each list by itself, and that no sysctl is in both. */
export function validateSysctlLists({
  allowedUnsafeSysctls,
  forbiddenSysctls,
}: SysctlLists): readonly PolicyError[] {
  return [
    ...validateList('spec.allowedUnsafeSysctls', allowedUnsafeSysctls),
    ...validateList('spec.forbiddenSysctls', forbiddenSysctls),
    ...overlaps(allowedUnsafeSysctls, forbiddenSysctls),
  ];
}

function validateList(path: string, patterns: readonly string[]): readonly PolicyError[] {
  const errors = patterns.flatMap((pattern, i): FieldError[] => {
    if (pattern === '') return [invalid(`${path}[${i}]`, pattern, 'empty sysctl not allowed')];
    if (pattern.length <= SYSCTL_MAX_LENGTH && PATTERN.test(pattern)) return [];
    const detail = `must have at most ${SYSCTL_MAX_LENGTH} characters and match regex ${SYSCTL_PATTERN_REGEX}`;
    return [invalid(`${path}[${i}]`, pattern, detail)];
  });
  const coversAll = patterns.includes('*') && patterns.length > 1;
  return [
    ...errors.map(error => policyError(error)),
    ...(coversAll
      ? [
          policyError(forbidden(`${path}.items`, "if '*' is present, must not specify other sysctls"), {
            manifestPath: path,
          }),
        ]
      : []),
  ];
}

/** The narrower one of each two that overlap is at fault. */
function overlaps(allowed: readonly string[], forbiddenOnes: readonly string[]): readonly PolicyError[] {
  return allowed.flatMap((one, i) =>
    forbiddenOnes.flatMap((other, j) => {
      if (covers(other, one)) return [overlap(`spec.allowedUnsafeSysctls[${i}]`, one, other)];
      return covers(one, other) ? [overlap(`spec.forbiddenSysctls[${j}]`, other, one)] : [];
    }),
  );
}

const overlap = (path: string, pattern: string, by: string): PolicyError =>
  policyError(invalid(path, pattern, `sysctl overlaps with ${by}`));

const covers = (pattern: string, other: string): boolean =>
  pattern.endsWith('*') ? other.replace(/\*$/, '').startsWith(pattern.slice(0, -1)) : pattern === other;
