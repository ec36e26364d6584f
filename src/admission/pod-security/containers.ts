import type {
  Container,
  EphemeralContainer,
  PodSecurityContext,
  PodSpec,
  SecurityContext,
} from '../../kube/types.generated.ts';
import { distinct, named } from './words.ts';

export type AnyContainer = Container | EphemeralContainer;

/** What may be said for the pod, and for a container alone. */
export type SharedContext = Pick<SecurityContext, keyof SecurityContext & keyof PodSecurityContext>;

/** All that a pod may run, in upstream's order. */
export function containersOf(spec: PodSpec): readonly AnyContainer[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])];
}

/** `container "a"`, of which something is so; undefined where it is of none. */
export function containersWhere(
  spec: PodSpec,
  isSo: (container: AnyContainer) => boolean,
): string | undefined {
  const names = containersOf(spec)
    .filter(isSo)
    .map(({ name }) => name);
  return names.length === 0 ? undefined : named('container', names);
}

/** Who has bad values, in the given order, and all of these as a set; undefined where nobody has. */
export function offenders<T extends { readonly name: string }>(
  items: readonly T[],
  badValues: (item: T) => readonly string[],
): { readonly names: readonly string[]; readonly values: readonly string[] } | undefined {
  const names = items.filter(item => badValues(item).length > 0).map(({ name }) => name);
  return names.length === 0 ? undefined : { names, values: distinct(items.flatMap(badValues)) };
}

/** The security contexts of the pod and of its containers. */
export function contextsOf(spec: PodSpec): readonly SharedContext[] {
  return [spec, ...containersOf(spec)].map(({ securityContext }) => securityContext ?? {});
}

/** Who says something for itself that is so: `pod`, `containers "a", "b"`, `pod and container "a"`; undefined for nobody. */
export function settersWhere(spec: PodSpec, isSo: (context: SharedContext) => boolean): string | undefined {
  const pod = isSo(spec.securityContext ?? {}) ? 'pod' : undefined;
  const containers = containersWhere(spec, ({ securityContext }) => isSo(securityContext ?? {}));
  return pod && containers ? `${pod} and ${containers}` : (pod ?? containers);
}

/** `pod or container "a"`: where something is said neither by the container nor for it by the pod; undefined if nowhere. */
export function silentAbout(spec: PodSpec, field: keyof SharedContext): string | undefined {
  if (spec.securityContext?.[field] !== undefined) return undefined;
  const containers = containersWhere(spec, ({ securityContext }) => securityContext?.[field] === undefined);
  return containers && `pod or ${containers}`;
}
