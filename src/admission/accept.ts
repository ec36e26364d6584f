import { setDefaults } from '../kube/defaults.ts';
import { InvalidObjectError, invalidFields } from '../kube/invalid-object.ts';
import type { LoadedPod } from '../kube/manifest.ts';
import { checkSupport } from '../kube/support.ts';
import type { Pod } from '../kube/types.generated.ts';
import { validatePod } from '../kube/validate.ts';
import type { admitByNamespace, admitByPolicy, Decision } from './admission.ts';
import { ForbiddenPodError } from './forbidden.ts';

const WITHOUT = '--validate=warn runs the pod without what is not supported yet';

/** What decides about pods beside their own validity: admission/admission.ts, with the objects that it goes by. */
export interface Admission {
  admitByPolicy(pod: Pod): ReturnType<typeof admitByPolicy>;
  admitByNamespace(pod: Pod): ReturnType<typeof admitByNamespace>;
}

export interface AcceptedPod {
  readonly pod: Pod;
  readonly warnings: readonly string[];
  /** Where there is somebody to decide. */
  readonly decision: Decision | undefined;
}

export interface AcceptOptions {
  /** Fields that podspace does not support are passed over, with a warning. */
  readonly isLenient?: boolean;
  readonly admission?: Admission | undefined;
  /** It is kept, and its containers are started again: not one run of it. */
  readonly isKept?: boolean;
}

/**
 * The API server's part: defaults, admission by policy, validation, admission by namespace; and what podspace itself cannot
 * do yet. Throws InvalidObjectError and ForbiddenPodError.
 */
export function acceptPod(
  loaded: LoadedPod,
  uid: string,
  { isLenient = false, admission, isKept = false }: AcceptOptions = {},
): AcceptedPod {
  const { pod: written, source } = loaded;
  const defaulted = setDefaults(written);
  const asked = { ...defaulted, metadata: { ...defaulted.metadata, uid } };
  const byPolicy = admission?.admitByPolicy(asked) ?? { pod: asked, policy: undefined };
  if ('denial' in byPolicy) throw new ForbiddenPodError(loaded, asked, byPolicy);
  const { pod, policy } = byPolicy;
  const object = { kind: 'Pod', name: pod.metadata?.name ?? '', source };
  const errors = validatePod(pod);
  if (errors.length > 0) throw new InvalidObjectError(object, invalidFields(errors));
  const byNamespace = admission?.admitByNamespace(pod);
  if (byNamespace !== undefined && 'denial' in byNamespace)
    throw new ForbiddenPodError(loaded, asked, byNamespace);
  const support = checkSupport(pod);
  if (support.errors.length > 0 && !isLenient)
    throw new InvalidObjectError(object, invalidFields(support.errors), WITHOUT);
  const ignored = isLenient ? support.errors.map(({ path, detail }) => `${path} is ignored: ${detail}`) : [];
  // Only where it is said: it is also the default.
  const always =
    written.spec?.restartPolicy === 'Always' && !isKept
      ? ['spec.restartPolicy Always has no effect: an attached run starts each container once']
      : [];
  return {
    pod,
    warnings: [
      ...templateWarnings(loaded),
      ...(byNamespace?.warnings ?? []),
      ...support.warnings,
      ...ignored,
      ...always,
    ],
    decision: byNamespace && { policy, enforced: byNamespace.enforced, warnings: byNamespace.warnings },
  };
}

function templateWarnings({ owner }: LoadedPod): readonly string[] {
  if (owner === undefined) return [];
  return [
    `${owner.kind} "${owner.name}": its pod template runs once; replicas, roll-out and restarts by the controller belong to a cluster`,
  ];
}
