import type { FieldError } from '../kube/field-error.ts';
import { InvalidObjectError, invalidFields } from '../kube/invalid-object.ts';
import type { LoadedObject } from '../kube/manifest.ts';
import type { Namespace, NetworkPolicy, ObjectMeta, Service } from '../kube/types.generated.ts';
import { setNetworkPolicyDefaults, validateNetworkPolicy } from '../kube/validate-network-policy.ts';
import { setServiceDefaults, validateService } from '../kube/validate-service.ts';
import { type NetworkNamespace, qualifiedName } from './state.ts';

/** Objects that say who may talk to whom, valid and with their defaults. */
export interface NetworkObjects {
  readonly policies: readonly NetworkPolicy[];
  readonly services: readonly Service[];
  readonly namespaces: readonly NetworkNamespace[];
}

export const NO_OBJECTS: NetworkObjects = { policies: [], services: [], namespaces: [] };

/** The kinds that count for the network. */
export const NETWORK_KINDS: readonly string[] = ['NetworkPolicy', 'Service', 'Namespace'];

/** Reads them from a manifest or the store. Throws an InvalidObjectError for one that the API server would refuse. */
export function networkObjects(objects: readonly LoadedObject[]): NetworkObjects {
  const read = <T extends { readonly metadata?: ObjectMeta }>(
    kind: string,
    setDefaults: (object: T) => T,
    validate: (object: T) => readonly FieldError[],
  ): readonly T[] =>
    objects
      .filter(object => object.kind === kind)
      .map(({ object, source }) => {
        const { namespace = 'default', ...metadata } = (object.metadata ?? {}) as ObjectMeta;
        const complete = setDefaults({ ...object, metadata: { ...metadata, namespace } } as unknown as T);
        const errors = validate(complete);
        if (errors.length > 0)
          throw new InvalidObjectError({ kind, name: metadata.name ?? '', source }, invalidFields(errors));
        return complete;
      });
  return {
    policies: read<NetworkPolicy>('NetworkPolicy', setNetworkPolicyDefaults, validateNetworkPolicy),
    services: read<Service>('Service', setServiceDefaults, validateService),
    namespaces: objects
      .filter(({ kind }) => kind === 'Namespace')
      .map(({ object }) => {
        const { metadata } = object as unknown as Namespace;
        return { name: metadata?.name ?? '', labels: metadata?.labels ?? {} };
      }),
  };
}

/** Several lots as one: a later object takes the place of one of the same name before it. */
export function mergeObjects(all: readonly NetworkObjects[]): NetworkObjects {
  const latest = <T>(items: readonly T[], key: (item: T) => string): readonly T[] => [
    ...new Map(items.map(item => [key(item), item])).values(),
  ];
  return {
    policies: latest(
      all.flatMap(({ policies }) => policies),
      qualifiedName,
    ),
    services: latest(
      all.flatMap(({ services }) => services),
      qualifiedName,
    ),
    namespaces: latest(
      all.flatMap(({ namespaces }) => namespaces),
      ({ name }) => name,
    ),
  };
}
