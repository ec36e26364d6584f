import { strategicMerge } from '../../agent/api/patch/strategic-merge.ts';
import { type ApiError, alreadyExists, notFound } from '../../agent/api-error.ts';
import { lastApplied, withLastApplied } from '../../agent/apply/last-applied.ts';
import { threeWayPatch } from '../../agent/apply/three-way.ts';
import type { ServedType } from '../../agent/resources.ts';
import { ServerError } from '../../agent/server-error.ts';
import { joinUserErrors, type UserError } from '../../base/errors.ts';
import { printable } from '../../base/printable.ts';
import type { LoadedObject } from '../../kube/manifest.ts';
import { KINDS } from '../../kube/schema.generated.ts';
import { networkObjects } from '../../network/objects.ts';
import { requireNoEscalation } from '../../runtime/authorize.ts';
import { apiVersionOf, keyOf, singularOf } from '../../runtime/kinds.ts';
import { requireServices } from '../../runtime/node-rules.ts';
import { type ObjectKey, ObjectStore } from '../../runtime/object-store.ts';
import { validateObjects, validateUpdate } from '../../runtime/validate-objects.ts';
import { admissionOptions } from '../input.ts';
import { type Args, type Io, text } from '../io.ts';
import { requireRoot } from '../root.ts';
import type { Verb, WriteRequest } from './create.ts';
import { parseOutput } from './output.ts';
import { printObjects } from './print.ts';
import { withDefaults } from './read-objects.ts';
import { requireVerb } from './require-verb.ts';
import { asObject } from './source.ts';
import { isAgents, servedKind } from './types.ts';
import { updateRunningPods } from './update-running-pods.ts';

/** What has become of an object, by whether it was there. */
const DONE = {
  create: ['created', 'created'],
  apply: ['created', 'configured'],
  replace: ['replaced', 'replaced'],
} as const;

/** Writes objects where no agent runs: into the files that it would keep them in. */
export async function storeObjects(
  args: Args,
  io: Io,
  { verb, objects, doing }: WriteRequest,
): Promise<number> {
  const all = objects.map(withDefaults);
  validateObjects(all.filter(object => !isAgents(object)));
  const isDry = (text(args, 'dry-run') ?? 'none') !== 'none';
  const output = parseOutput(text(args, 'output'));
  if (!isDry) {
    requireRoot();
    requireServices(networkObjects(all).services, io.roots);
  }
  const stored = new ObjectStore(io.roots);
  const done: LoadedObject[] = [];
  const errors: UserError[] = [];
  for (const loaded of all) {
    const type = servedKind(loaded.kind);
    const key = keyOf(type, loaded, 'default');
    const before = isAgents(type) ? undefined : stored.get(key);
    const isThere = verb !== 'create' && before !== undefined;
    const asked = isThere ? (verb === 'apply' ? 'patch' : 'update') : 'create';
    requireVerb(args, io, asked, type, isThere ? key : { ...key, name: '' });
    requireNoEscalation(io.roots, admissionOptions(args), loaded);
    const result = isDry
      ? `${DONE[verb][Number(isThere)]} (dry run)`
      : write(stored, verb, type, key, loaded);
    if (typeof result !== 'string') {
      errors.push(
        new ServerError(result.status, doing(verb === 'replace' ? 'replacing' : 'creating', loaded)),
      );
      continue;
    }
    if (output.kind === 'table') io.out(`${singularOf(type)}/${printable(key.name)} ${result}\n`);
    done.push(isDry ? loaded : (stored.get(key) ?? loaded));
  }
  if (done.length > 0 && output.kind !== 'table')
    printObjects(io, done.map(asObject), output, done.length === 1);
  if (!isDry) await updateRunningPods(done);
  // What can be stored is, whatever becomes of the others: as with kubectl.
  if (errors.length > 0) throw joinUserErrors(errors);
  return 0;
}

/** Writes one object; says what has become of it, or why it cannot be. */
function write(
  stored: ObjectStore,
  verb: Verb,
  type: ServedType,
  key: ObjectKey,
  loaded: LoadedObject,
): string | ApiError {
  const apiVersion = apiVersionOf(type);
  // Of several commands at once one makes it.
  if (verb === 'create')
    return stored.create(key, apiVersion, loaded.object) ? 'created' : alreadyExists(type, key.name);
  const before = stored.get(key);
  if (verb === 'replace' && before === undefined) return notFound(type, key.name);
  const after = verb === 'apply' ? applied(loaded, before) : loaded;
  validateUpdate(after, before);
  const change = after === before ? 'unchanged' : stored.apply(key, apiVersion, after.object);
  return verb === 'apply' ? change : 'replaced';
}

/** An object as apply makes it; the one before if there is nothing to do. */
function applied<T extends LoadedObject>(loaded: T, before: LoadedObject | undefined): T | LoadedObject {
  const modified = withLastApplied(asObject(loaded));
  if (before === undefined) return { ...loaded, object: modified };
  const current = asObject(before);
  const patch = threeWayPatch(modified, { original: lastApplied(current) ?? {}, modified, current });
  if (Object.keys(patch).length === 0) return before;
  const definition = KINDS[`${loaded.apiVersion}/${loaded.kind}`];
  return { ...loaded, object: strategicMerge(current, patch, definition) as LoadedObject['object'] };
}
