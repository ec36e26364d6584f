import type { Container, Pod, PodSpec, SecurityContext } from '../../kube/types.generated.ts';
import type { PolicyError } from './policy-error.ts';

/** What a policy says about one subject of the pod as a whole. */
export interface PodRule {
  /** Sets what the pod leaves open; the same pod if there is nothing to set. */
  readonly mutate?: (pod: Pod) => Pod;
  readonly validate: (pod: Pod) => readonly PolicyError[];
}

/** What a policy says about one subject of each container. */
export interface ContainerRule {
  /** What is to be set in the container's securityContext; nothing that is set already. */
  readonly mutate?: (context: ContainerContext) => SecurityContext;
  readonly validate: (context: ContainerContext) => readonly PolicyError[];
}

/** Why a policy has no rule for a subject: the policy cannot be used at all. */
export interface Unusable {
  readonly error: string;
}

export interface ContainerContext {
  readonly pod: Pod;
  readonly container: Container;
  /** `spec.containers[0]` */
  readonly path: string;
}

/** In the order in which the API server visits them. */
const LISTS = ['initContainers', 'containers', 'ephemeralContainers'] as const satisfies (keyof PodSpec)[];

export function containersOf(pod: Pod): readonly ContainerContext[] {
  return LISTS.flatMap(list =>
    (pod.spec?.[list] ?? []).map((container, i) => ({ pod, container, path: `spec.${list}[${i}]` })),
  );
}

/** Adds to the containers' securityContext; the same pod if there is nothing to add. */
export function addToContainers(pod: Pod, additions: (context: ContainerContext) => SecurityContext): Pod {
  const { spec } = pod;
  if (spec === undefined) return pod;
  const lists = LISTS.flatMap(list => {
    const before: readonly Container[] = spec[list] ?? [];
    const after = before.map((container, i) => {
      const added = additions({ pod, container, path: `spec.${list}[${i}]` });
      if (Object.keys(added).length === 0) return container;
      return { ...container, securityContext: { ...container.securityContext, ...added } };
    });
    return after.every((container, i) => container === before[i]) ? [] : [[list, after] as const];
  });
  return lists.length === 0 ? pod : { ...pod, spec: { ...spec, ...Object.fromEntries(lists) } };
}

/** Adds to the pod's securityContext. */
export function addToPod(pod: Pod, added: NonNullable<PodSpec['securityContext']>): Pod {
  const spec = pod.spec ?? { containers: [] };
  return { ...pod, spec: { ...spec, securityContext: { ...spec.securityContext, ...added } } };
}

export function addAnnotations(pod: Pod, added: Readonly<Record<string, string>>): Pod {
  return {
    ...pod,
    metadata: { ...pod.metadata, annotations: { ...pod.metadata?.annotations, ...added } },
  };
}

/** What a container takes from the pod unless it has its own. */
type InheritedField = 'runAsUser' | 'runAsGroup' | 'runAsNonRoot' | 'seLinuxOptions';

export function effective<Field extends InheritedField>(
  { pod, container }: ContainerContext,
  field: Field,
): SecurityContext[Field] {
  const inherited: Pick<SecurityContext, InheritedField> = pod.spec?.securityContext ?? {};
  return container.securityContext?.[field] ?? inherited[field];
}

/** Where the effective value is written; if it is nowhere, where the container would have it. */
export function placeOf({ pod, container, path }: ContainerContext, field: InheritedField): string {
  const isInherited =
    container.securityContext?.[field] === undefined && pod.spec?.securityContext?.[field] !== undefined;
  return `${isInherited ? 'spec' : path}.securityContext.${field}`;
}
