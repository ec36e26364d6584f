import { UserError } from '../../base/errors.ts';
import type { LoadedObject } from '../../kube/manifest.ts';
import { pluralOf, storedType } from '../../runtime/kinds.ts';
import { ObjectStore } from '../../runtime/object-store.ts';
import { type Args, flag, type Io, text, texts } from '../io.ts';
import { metadataOf, printObjects, printTable } from './print.ts';

/** `get KIND [NAME…]`, `get KIND/NAME`. */
export function get(args: Args, io: Io): number {
  const [first = '', ...rest] = texts(args, 'object');
  const [word = '', ...slash] = first.split('/');
  const type = storedType(word);
  const names = [...slash, ...rest];
  const isAll = flag(args, 'all-namespaces');
  const namespace = text(args, 'namespace') ?? 'default';
  const store = new ObjectStore(io.roots);
  const all = store
    .list(type.kind)
    .filter(object => !type.namespaced || isAll || metadataOf(object).namespace === namespace);
  const missing = names.filter(name => !all.some(object => metadataOf(object).name === name));
  const found: readonly LoadedObject[] =
    names.length === 0 ? all : names.flatMap(name => all.filter(object => metadataOf(object).name === name));
  const format = text(args, 'output');
  if (found.length > 0) {
    if (format === undefined) printTable(io, type.kind, found, type.namespaced && isAll);
    else printObjects(io, found, format);
  } else if (names.length === 0) {
    if (format === undefined)
      io.err(
        type.namespaced && !isAll
          ? `No resources found in ${namespace} namespace.\n`
          : 'No resources found\n',
      );
    else if (format !== 'name') printObjects(io, [], format);
  }
  const [absent] = missing;
  if (absent !== undefined) throw new UserError(`${pluralOf(type)} ${JSON.stringify(absent)} not found`);
  return 0;
}
