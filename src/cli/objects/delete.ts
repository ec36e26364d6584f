import { UserError } from '../../base/errors.ts';
import { loadManifest } from '../../kube/manifest.ts';
import { keyOf, pluralOf, singularOf, storedKind, storedType } from '../../runtime/kinds.ts';
import { type ObjectKey, ObjectStore } from '../../runtime/object-store.ts';
import { readManifest } from '../input.ts';
import { type Args, type Io, text, texts } from '../io.ts';
import { requireRoot } from '../root.ts';

/** `delete KIND NAME…`, `delete KIND/NAME`, `delete -f FILE`. */
export function remove(args: Args, io: Io): number {
  requireRoot();
  const namespace = text(args, 'namespace') ?? 'default';
  const file = text(args, 'filename');
  const keys =
    file === undefined ? keysOfWords(texts(args, 'object'), namespace) : keysOfFile(file, namespace);
  const store = new ObjectStore(io.roots);
  let absent: string | undefined;
  for (const key of keys) {
    const type = storedKind(key.kind);
    if (store.remove(key)) io.out(`${singularOf(type)} ${JSON.stringify(key.name)} deleted\n`);
    else absent ??= `${pluralOf(type)} ${JSON.stringify(key.name)} not found`;
  }
  if (absent !== undefined) throw new UserError(absent);
  return 0;
}

function keysOfWords([first = '', ...rest]: readonly string[], namespace: string): readonly ObjectKey[] {
  const [word = '', ...slash] = first.split('/');
  const names = [...slash, ...rest];
  if (word === '' || names.length === 0)
    throw new UserError('nothing to delete', { hint: 'podspace delete KIND NAME, or -f FILE' });
  const type = storedType(word);
  return names.map(name => ({
    kind: type.kind,
    namespace: type.namespaced ? namespace : undefined,
    name,
  }));
}

function keysOfFile(file: string, namespace: string): readonly ObjectKey[] {
  const name = file === '-' ? '(stdin)' : file;
  const { others } = loadManifest([{ file: name, text: readManifest(file) }]);
  return others.map(object => keyOf(storedKind(object.kind), object, namespace));
}
