import { UserError } from '../../base/errors.ts';
import { removeClaim } from '../../runtime/claims.ts';
import { keyOf, pluralOf, singularOf, storedKind } from '../../runtime/kinds.ts';
import { type ObjectKey, ObjectStore } from '../../runtime/object-store.ts';
import { type Args, type Io, text, texts } from '../io.ts';
import { requireRoot } from '../root.ts';
import { placed, readObjects } from './read-objects.ts';
import { requireVerb } from './require-verb.ts';
import { updateRunningPods } from './update-running-pods.ts';
import { askedObjects } from './words.ts';

/** `delete TYPE NAME…`, `delete TYPE/NAME…`, `delete -f FILE`. */
export async function remove(args: Args, io: Io): Promise<number> {
  requireRoot();
  const words = texts(args, 'object');
  const file = text(args, 'filename');
  if (file !== undefined && words.length > 0) throw new UserError(`unexpected argument "${words[0]}"`);
  const namespace = text(args, 'namespace');
  const keys = file === undefined ? keysOfWords(words, namespace) : keysOfFile(file, namespace);
  const store = new ObjectStore(io.roots);
  const absent: string[] = [];
  for (const key of keys) {
    const type = storedKind(key.kind);
    requireVerb(args, io, 'delete', type, key);
    if (removeAll(io, store, key)) io.out(`${singularOf(type)} ${JSON.stringify(key.name)} deleted\n`);
    else absent.push(`${pluralOf(type)} ${JSON.stringify(key.name)} not found`);
  }
  await updateRunningPods(keys);
  if (absent.length > 0) throw new UserError(absent.join('\n'));
  return 0;
}

/** A claim goes with its data, also one that only manifests have. */
function removeAll({ roots }: Io, store: ObjectStore, key: ObjectKey): boolean {
  const { kind, namespace = 'default', name } = key;
  const had = kind === 'PersistentVolumeClaim' && removeClaim(roots, namespace, name);
  return store.remove(key) || had;
}

function keysOfWords(words: readonly string[], namespace = 'default'): readonly ObjectKey[] {
  if (words.length === 0)
    throw new UserError('nothing to delete', { hint: 'podspace delete TYPE NAME, or -f FILE' });
  return askedObjects(words).flatMap(({ type, names }) => {
    if (names.length === 0)
      throw new UserError('resource(s) were provided, but no name was specified', {
        hint: 'podspace delete TYPE NAME, or -f FILE',
      });
    const where = type.namespaced ? namespace : undefined;
    return names.map(name => ({ kind: type.kind, namespace: where, name }));
  });
}

function keysOfFile(file: string, namespace: string | undefined): readonly ObjectKey[] {
  return readObjects(file).map(object => {
    const { kind, ...loaded } = placed(object, namespace);
    return keyOf(storedKind(kind), loaded, 'default');
  });
}
