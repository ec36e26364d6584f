import { type Built, failed, nameError } from '../../admission/rbac/create.ts';
import {
  type ClusterRoleBindingFlags,
  createClusterRoleBinding,
  createRoleBinding,
  type RoleBindingFlags,
} from '../../admission/rbac/create-binding.ts';
import { type ClusterRoleFlags, createClusterRole, createRole } from '../../admission/rbac/create-role.ts';
import type { RbacObject } from '../../admission/rbac/objects.ts';
import { UserError } from '../../base/errors.ts';
import { printable } from '../../base/printable.ts';
import type { LoadedObject } from '../../kube/manifest.ts';
import type { Namespace } from '../../kube/types.generated.ts';
import { networkObjects } from '../../network/objects.ts';
import { requireNoEscalation } from '../../runtime/authorize.ts';
import { apiVersionOf, keyOf, pluralOf, singularOf, storedKind } from '../../runtime/kinds.ts';
import { requireServices } from '../../runtime/node-rules.ts';
import { ObjectStore } from '../../runtime/object-store.ts';
import { validateObjects, validateUpdate } from '../../runtime/validate-objects.ts';
import { admissionOptions } from '../input.ts';
import { type Args, type Io, text, texts } from '../io.ts';
import { requireRoot } from '../root.ts';
import { printObjects } from './print.ts';
import { placed, readObjects } from './read-objects.ts';
import { requireVerb } from './require-verb.ts';
import { updateRunningPods } from './update-running-pods.ts';

type Flags = ClusterRoleFlags & ClusterRoleBindingFlags & RoleBindingFlags;

/** Objects that are made from flags. */
const BUILDERS: Readonly<
  Record<string, readonly [kind: string, build: (flags: Flags) => Built<RbacObject | Namespace>]>
> = {
  namespace: ['Namespace', createNamespace],
  ns: ['Namespace', createNamespace],
  clusterrole: ['ClusterRole', createClusterRole],
  role: ['Role', createRole],
  clusterrolebinding: ['ClusterRoleBinding', createClusterRoleBinding],
  rolebinding: ['RoleBinding', createRoleBinding],
};

function createNamespace({ names }: Flags): Built<Namespace> {
  const error = nameError(names);
  if (error !== undefined) return failed(error);
  return {
    object: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: names[0] ?? '' } },
    warnings: [],
  };
}

/** `create -f FILE`, or `create clusterrole NAME --verb=…`. */
export function create(args: Args, io: Io): Promise<number> {
  const words = texts(args, 'object');
  const file = text(args, 'filename');
  if (file !== undefined && words.length > 0) throw new UserError(`unexpected argument "${words[0]}"`);
  if (file === undefined) return createFromFlags(args, io, words);
  const name = JSON.stringify(file === '-' ? '(stdin)' : file);
  return store(args, io, objectsOf(file, 'create'), why => `error when creating ${name}: ${why}`);
}

/** `apply -f FILE`: what is not there is created, what is there becomes what the file says. */
export function apply(args: Args, io: Io): Promise<number> {
  const file = text(args, 'filename');
  if (file === undefined) throw new UserError('must specify -f', { hint: 'podspace apply -f FILE' });
  return store(args, io, objectsOf(file, 'apply'));
}

function objectsOf(file: string, verb: string): readonly LoadedObject[] {
  const objects = readObjects(file);
  if (objects.length === 0)
    throw new UserError(`${file === '-' ? '(stdin)' : file}: no objects passed to ${verb}`);
  return objects;
}

function createFromFlags(args: Args, io: Io, [word = '', ...names]: readonly string[]): Promise<number> {
  const builder = Object.hasOwn(BUILDERS, word) ? BUILDERS[word] : undefined;
  if (builder === undefined)
    throw new UserError(word === '' ? 'must specify -f, or what to create' : `unknown object "${word}"`, {
      hint: `podspace create ${Object.keys(BUILDERS).join('|')} NAME, or -f FILE`,
    });
  const [kind, build] = builder;
  const namespace = text(args, 'namespace');
  const one = (option: string): object => {
    const value = text(args, option);
    return value === undefined ? {} : { [option]: value };
  };
  const built = build({
    names,
    verb: texts(args, 'verb'),
    resource: texts(args, 'resource'),
    resourceName: texts(args, 'resource-name'),
    nonResourceUrl: texts(args, 'non-resource-url'),
    aggregationRule: texts(args, 'aggregation-rule'),
    user: texts(args, 'user'),
    group: texts(args, 'group'),
    serviceaccount: texts(args, 'serviceaccount'),
    ...one('clusterrole'),
    ...one('role'),
    ...(namespace === undefined ? {} : { namespace }),
  });
  for (const warning of built.warnings) io.err(`${warning}\n`);
  if ('error' in built) throw new UserError(built.error, { hint: `podspace create --help` });
  const { apiVersion = '' } = built.object;
  const object = built.object as unknown as LoadedObject['object'];
  const source = { file: '(flags)', locate: () => ({ line: 1, column: 1 }) };
  const loaded = { apiVersion, kind, object, source };
  return store(args, io, [loaded], why => `failed to create ${kind.toLowerCase()}: ${why}`);
}

/** `exists` says what is wrong with an object that is there already; without it such a one is changed. */
async function store(
  args: Args,
  io: Io,
  objects: readonly LoadedObject[],
  exists?: (why: string) => string,
): Promise<number> {
  const namespace = text(args, 'namespace');
  const all = objects.map(object => placed(object, namespace));
  validateObjects(all);
  const isDry = text(args, 'dry-run') === 'client';
  const format = text(args, 'output');
  if (!isDry) {
    requireRoot();
    requireServices(networkObjects(all).services, io.roots);
  }
  const stored = new ObjectStore(io.roots);
  const done: LoadedObject[] = [];
  const errors: string[] = [];
  for (const loaded of all) {
    const type = storedKind(loaded.kind);
    const key = keyOf(type, loaded, 'default');
    const isChanged = exists === undefined && stored.get(key) !== undefined;
    if (isChanged) validateUpdate(loaded, stored.get(key));
    requireVerb(args, io, isChanged ? 'patch' : 'create', type, isChanged ? key : { ...key, name: '' });
    requireNoEscalation(io.roots, admissionOptions(args), loaded);
    let result = `${isChanged ? 'configured' : 'created'} (dry run)`;
    if (!isDry) {
      if (exists === undefined) result = stored.apply(key, apiVersionOf(type), loaded.object);
      else if (stored.create(key, apiVersionOf(type), loaded.object)) result = 'created';
      else {
        errors.push(exists(`${pluralOf(type)} ${JSON.stringify(key.name)} already exists`));
        continue;
      }
    }
    if (format === undefined) io.out(`${singularOf(type)}/${printable(key.name)} ${result}\n`);
    done.push(isDry ? loaded : (stored.get(key) ?? loaded));
  }
  if (done.length > 0 && format !== undefined) printObjects(io, done, format, done.length === 1);
  if (!isDry) await updateRunningPods(done);
  // What can be stored is, whatever becomes of the others: as with kubectl.
  if (errors.length > 0) throw new UserError(errors.join('\n'));
  return 0;
}
