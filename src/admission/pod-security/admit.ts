import { evaluatePod, formatViolations, type PodOrTemplate } from './evaluate.ts';
import { formatLevelVersion, type LevelVersion, type NamespacePodSecurity } from './levels.ts';

/** What the PodSecurity admission plugin has to say. */
export interface PodSecurityDecision {
  /** Why the pod is refused: what follows `pods "NAME" is forbidden: `. */
  readonly denial?: string;
  /** What kubectl prints after `Warning: `. */
  readonly warnings: readonly string[];
  /** The audit annotation `pod-security.kubernetes.io/audit-violations`. */
  readonly audit: string | undefined;
}

/**
 * Judges a pod that is created, after defaults and validation (Admission.ValidatePod). No pod is exempt for what it is:
 * upstream's exemptions are a cluster's configuration, and a namespace without labels enforces nothing.
 */
export function admitByPodSecurity(security: NamespacePodSecurity, pod: PodOrTemplate): PodSecurityDecision {
  const violated = describe(security.enforce, pod);
  if (violated === undefined) return admitTemplateByPodSecurity(security, pod);
  // Who is refused need not be warned.
  return { ...admitTemplateByPodSecurity(security, pod), denial: `violates ${violated}`, warnings: [] };
}

/**
 * Judges the template of a Deployment or another workload (Admission.ValidatePodController): its pods may be denied later,
 * it never is.
 */
export function admitTemplateByPodSecurity(
  security: NamespacePodSecurity,
  template: PodOrTemplate,
): PodSecurityDecision {
  const [audit, warning] = [security.audit, security.warn].map(policy => {
    const violated = describe(policy, template);
    return violated && `would violate ${violated}`;
  });
  return { warnings: warning === undefined ? [] : [warning], audit };
}

/** `PodSecurity "baseline:latest": REASON (DETAIL), …`; undefined if nothing is violated. */
function describe(policy: LevelVersion, pod: PodOrTemplate): string | undefined {
  const violations = evaluatePod(policy, pod);
  if (violations.length === 0) return undefined;
  return `PodSecurity "${formatLevelVersion(policy)}": ${formatViolations(violations)}`;
}
