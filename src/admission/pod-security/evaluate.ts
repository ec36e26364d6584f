import type { Pod } from '../../kube/types.generated.ts';
import type { Check, CheckPod } from './check.ts';
import { CHECKS } from './checks.ts';
import type { LevelVersion } from './levels.ts';

/** A Pod, or the template of one. */
export type PodOrTemplate = Pick<Pod, 'metadata' | 'spec'>;

export interface Violation {
  /** Of the check that failed. */
  readonly id: string;
  readonly reason: string;
  readonly detail: string;
}

/**
 * What a pod violates of a policy, in upstream's order; nothing when it is allowed. A version that is newer than the
 * newest known one is taken for that.
 */
export function evaluatePod(
  policy: LevelVersion,
  { metadata = {}, spec = { containers: [] } }: PodOrTemplate,
): readonly Violation[] {
  return checksOf(policy).flatMap(({ id, check }) => {
    const result = check(metadata, spec);
    return result.allowed ? [] : [{ id, reason: result.reason, detail: result.detail }];
  });
}

/** Which checks a policy is made of, in upstream's order. */
export const checkIdsOf = (policy: LevelVersion): readonly string[] => checksOf(policy).map(({ id }) => id);

/** The restricted level is the baseline and its own checks, without those of the baseline that these say better. */
function checksOf({
  level,
  version,
}: LevelVersion): readonly { readonly id: string; readonly check: CheckPod }[] {
  if (level === 'privileged') return [];
  const minor = version === 'latest' ? Number.POSITIVE_INFINITY : version;
  const current = CHECKS.filter(check => check.level === 'baseline' || level === 'restricted').flatMap(
    check => atVersion(check, minor),
  );
  const overridden = new Set(current.flatMap(({ overrides = [] }) => overrides));
  return current.filter(({ id }) => !overridden.has(id));
}

function atVersion({ id, versions }: Check, minor: number) {
  const version = versions.findLast(({ since }) => since <= minor);
  return version === undefined ? [] : [{ id, ...version }];
}

/** `REASON (DETAIL), REASON (DETAIL)`. */
export function formatViolations(violations: readonly Violation[]): string {
  return violations
    .map(({ reason, detail }) => (detail === '' ? reason : `${reason} (${detail})`))
    .join(', ');
}
