import { UserError } from '../../base/errors.ts';
import type { LoadedObject } from '../../kube/manifest.ts';
import { qualifiedName } from '../../network/state.ts';
import { withStatus } from '../../runtime/claims.ts';
import { pluralOf } from '../../runtime/kinds.ts';
import { readNodeState } from '../../runtime/node-rules.ts';
import { ObjectStore } from '../../runtime/object-store.ts';
import { type Args, flag, type Io, text, texts } from '../io.ts';
import { metadataOf, printObjects, printTables } from './print.ts';
import { requireVerb } from './require-verb.ts';
import { type Asked, askedObjects } from './words.ts';

/** `get TYPE[,TYPE…] [NAME…]`, `get TYPE/NAME…`. */
export function get(args: Args, io: Io): number {
  const asked = askedObjects(texts(args, 'object'));
  const isAll = flag(args, 'all-namespaces');
  const namespace = text(args, 'namespace') ?? 'default';
  const isNamed = asked.some(({ names }) => names.length > 0);
  if (isNamed && isAll) throw new UserError('a resource cannot be retrieved by name across all namespaces');
  for (const { type, names } of asked) {
    const where = type.namespaced && !isAll ? namespace : undefined;
    if (names.length === 0) requireVerb(args, io, 'list', type, { namespace: where, name: '' });
    for (const name of names) requireVerb(args, io, 'get', type, { namespace: where, name });
  }
  const store = new ObjectStore(io.roots);
  const results = asked.map(each => find(io, store, each, isAll ? undefined : namespace));
  const found = results.flatMap(result => result.found);
  const format = text(args, 'output');
  if (found.length > 0 && format === undefined) printTables(io, found, asked.length > 1, isAll);
  else if (found.length > 0 || (!isNamed && format !== undefined && format !== 'name'))
    printObjects(io, found, format, isNamed && found.length === 1);
  else if (!isNamed) {
    const isInNamespace = !isAll && asked.every(({ type }) => type.namespaced);
    io.err(isInNamespace ? `No resources found in ${namespace} namespace.\n` : 'No resources found\n');
  }
  const absent = results.flatMap(({ missing }, i) => missing.map(name => notFound(asked[i], name)));
  if (absent.length > 0) throw new UserError(absent.join('\n'));
  return 0;
}

const notFound = (asked: Asked | undefined, name: string): string =>
  `${asked === undefined ? '' : pluralOf(asked.type)} ${JSON.stringify(name)} not found`;

/** What of an object only the machine knows. */
function withFacts(io: Io, objects: readonly LoadedObject[]): readonly LoadedObject[] {
  return withAddresses(io, objects).map(loaded =>
    loaded.kind === 'PersistentVolumeClaim'
      ? { ...loaded, object: withStatus(io.roots, loaded.object) as LoadedObject['object'] }
      : loaded,
  );
}

/** Services with the addresses and node ports that the node gives them. */
function withAddresses({ roots }: Io, objects: readonly LoadedObject[]): readonly LoadedObject[] {
  if (!objects.some(({ kind }) => kind === 'Service')) return objects;
  const { services } = readNodeState(roots, process.geteuid?.() === 0 ? undefined : []);
  const served = new Map(services.map(service => [qualifiedName(service), service]));
  return objects.map(loaded => {
    const service = loaded.kind === 'Service' ? served.get(qualifiedName(loaded.object)) : undefined;
    return service?.spec === undefined
      ? loaded
      : { ...loaded, object: { ...loaded.object, spec: service.spec } };
  });
}

/** The objects of a type, in one namespace if the type has them and one is given. */
function find(
  io: Io,
  store: ObjectStore,
  { type, names }: Asked,
  namespace: string | undefined,
): { readonly found: readonly LoadedObject[]; readonly missing: readonly string[] } {
  if (names.length === 0) {
    const isThere = (object: LoadedObject): boolean =>
      !type.namespaced || namespace === undefined || metadataOf(object).namespace === namespace;
    return { found: withFacts(io, store.list(type.kind).filter(isThere)), missing: [] };
  }
  const where = type.namespaced ? namespace : undefined;
  const objects = names.map(name => [name, store.get({ kind: type.kind, namespace: where, name })] as const);
  return {
    found: withFacts(
      io,
      objects.flatMap(([, object]) => object ?? []),
    ),
    missing: objects.flatMap(([name, object]) => (object === undefined ? [name] : [])),
  };
}
