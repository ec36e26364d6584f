import type { ObjectMeta, PodSpec } from '../../kube/types.generated.ts';
import type { Level } from './levels.ts';

/** `reason` is what kind of thing is wrong, `detail` where. */
export type CheckResult =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly reason: string; readonly detail: string };

export type CheckPod = (metadata: ObjectMeta, spec: PodSpec) => CheckResult;

export interface VersionedCheck {
  /** The minor version of Kubernetes whose policy has it first; it holds until the next one of the same check. */
  readonly since: number;
  /** Checks of the baseline that this one of the restricted level says better. */
  readonly overrides?: readonly string[];
  readonly check: CheckPod;
}

/** One rule of the Pod Security Standards, in all its versions, the oldest first. */
export interface Check {
  readonly id: string;
  readonly level: Exclude<Level, 'privileged'>;
  readonly versions: readonly VersionedCheck[];
}

const ALLOWED: CheckResult = { allowed: true };

/** Allowed, unless there is something to say. */
export function verdict(reason: string, detail: string | undefined): CheckResult {
  return detail === undefined ? ALLOWED : { allowed: false, reason, detail };
}

/** From 1.25 on, checks of what only Linux knows leave out a pod that says it is for Windows. */
export const exceptWindows =
  (check: CheckPod): CheckPod =>
  (metadata, spec) =>
    spec.os?.name === 'windows' ? ALLOWED : check(metadata, spec);

/** From 1.35 on, root in a user namespace of the pod's own is nobody outside (KEP-127). */
export const exceptUserNamespaces =
  (check: CheckPod): CheckPod =>
  (metadata, spec) =>
    spec.hostUsers === false ? ALLOWED : check(metadata, spec);

/**
 * The versions of a check that lets some names through, each of them since a minor version: one for each version that
 * added some.
 */
export function versionsOf(
  since: Readonly<Record<string, number>>,
  checkAllowing: (isAllowed: (name: string) => boolean) => CheckPod,
): readonly VersionedCheck[] {
  const names = Object.entries(since);
  return [...new Set(Object.values(since))]
    .sort((a, b) => a - b)
    .map(minor => {
      const allowed = new Set(names.filter(([, first]) => first <= minor).map(([name]) => name));
      return { since: minor, check: checkAllowing(name => allowed.has(name)) };
    });
}
