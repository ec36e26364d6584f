import { RESOURCES, type ResourceType, resourceFor } from '../admission/rbac/resources.ts';
import { UserError } from '../base/errors.ts';
import type { LoadedObject } from '../kube/manifest.ts';
import type { ObjectMeta } from '../kube/types.generated.ts';
import { NETWORK_KINDS } from '../network/objects.ts';
import { ADMISSION_KINDS } from './admission.ts';
import type { ObjectKey } from './object-store.ts';
import { POD_KINDS } from './pod-objects.ts';

/** Kinds of objects that can be stored: what decides about pods, who may talk to whom, and what pods take something from. */
const STORED_KINDS: readonly string[] = [
  ...new Set([...Object.keys(ADMISSION_KINDS), ...NETWORK_KINDS, ...POD_KINDS]),
];

/** Whether commands keep objects of a kind themselves, without the agent. */
export const isStoredKind = (kind: string): boolean => STORED_KINDS.includes(kind);

/** The type of a kind that is stored, by a word as kubectl takes it: `psp`, `clusterroles`, `role.rbac.authorization.k8s.io`. */
export function storedType(word: string): ResourceType {
  const [resource = '', ...group] = word.split('.');
  const type = resourceFor({ resource, group: group.join('.') });
  if (type === undefined)
    throw new UserError(`the server doesn't have a resource type ${JSON.stringify(word)}`, {
      hint: storedHint(),
    });
  return storedKind(type.kind);
}

/** The type of a kind. Throws a UserError for one that is not stored. */
export function storedKind(kind: string): ResourceType {
  const type = RESOURCES.find(each => each.kind === kind);
  if (type === undefined || !STORED_KINDS.includes(kind))
    throw new UserError(`objects of kind ${kind} are not kept by podspace`, { hint: storedHint() });
  return type;
}

const storedHint = (): string => `kept are: ${STORED_KINDS.join(', ')}`;

/** `podsecuritypolicies.policy`, as errors name a type. */
export const pluralOf = ({ resource, group }: ResourceType): string =>
  group === '' ? resource : `${resource}.${group}`;

/** `podsecuritypolicy.policy`, as what has been done names it. */
export const singularOf = ({ kind, group }: ResourceType): string =>
  group === '' ? kind.toLowerCase() : `${kind.toLowerCase()}.${group}`;

export const apiVersionOf = ({ group, version }: ResourceType): string =>
  group === '' ? version : `${group}/${version}`;

/** Where an object is stored; one without a namespace in that of the request. */
export function keyOf(
  type: ResourceType,
  { object }: Pick<LoadedObject, 'object'>,
  namespace: string,
): ObjectKey {
  const metadata = (object.metadata ?? {}) as ObjectMeta;
  return {
    kind: type.kind,
    namespace: type.namespaced ? (metadata.namespace ?? namespace) : undefined,
    name: metadata.name ?? '',
  };
}
