import { UserError } from '../../base/errors.ts';
import { type LoadedObject, loadManifest } from '../../kube/manifest.ts';
import type { Secret } from '../../kube/types.generated.ts';
import { setSecretDefaults } from '../../kube/validate-config.ts';
import { withObjectName } from '../../runtime/admission.ts';
import { keyOf, storedKind } from '../../runtime/kinds.ts';
import { readManifest } from '../../runtime/read-manifest.ts';
import { metadataOf } from './print.ts';

/** The objects of a file, all of kinds that are kept. Throws a UserError for others: nothing is passed over. */
export function readObjects(file: string): readonly LoadedObject[] {
  const name = file === '-' ? '(stdin)' : file;
  const { pods, objects } = loadManifest([{ file: name, text: readManifest(file) }]);
  if (pods.length > 0)
    throw new UserError(`${name}: pods are not kept by podspace`, { hint: 'podspace run runs them' });
  for (const { kind } of objects) storedKind(kind);
  return objects.map(withDefaults);
}

/** A Secret's `stringData` is for writing: what is kept is `data`. */
function withDefaults(loaded: LoadedObject): LoadedObject {
  if (loaded.kind !== 'Secret') return loaded;
  return { ...loaded, object: setSecretDefaults(loaded.object as Secret) as LoadedObject['object'] };
}

/**
 * An object as it would be stored: with a name, and in a namespace if its kind has them, the one of `--namespace` or
 * `default` if it says none itself.
 */
export function placed(loaded: LoadedObject, asked: string | undefined): LoadedObject {
  const named = withObjectName(loaded);
  const { namespace: own, ...metadata } = metadataOf(named);
  const { namespace } = keyOf(storedKind(named.kind), named, asked ?? 'default');
  if (namespace !== undefined && asked !== undefined && own !== undefined && own !== asked)
    throw new UserError(
      `the namespace from the provided object ${JSON.stringify(own)} does not match the namespace ${JSON.stringify(asked)}. You must pass '--namespace=${own}' to perform this operation.`,
    );
  const scoped = namespace === undefined ? metadata : { ...metadata, namespace };
  return { ...named, object: { ...named.object, metadata: scoped } };
}
