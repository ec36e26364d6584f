import { notFound } from '../../agent/api-error.ts';
import type { ServedType } from '../../agent/resources.ts';
import { ServerError } from '../../agent/server-error.ts';
import { joinUserErrors, UserError } from '../../base/errors.ts';
import { removeClaim } from '../../runtime/claims.ts';
import { keyOf, singularOf } from '../../runtime/kinds.ts';
import { type ObjectKey, ObjectStore } from '../../runtime/object-store.ts';
import { agent, runningAgent } from '../agent/connection.ts';
import { deleteWithAgent } from '../agent/delete-objects.ts';
import { type Args, flag, type Io, text, texts } from '../io.ts';
import { requireRoot } from '../root.ts';
import { type FiledObject, placed, readObjects } from './read-objects.ts';
import { requireVerb } from './require-verb.ts';
import { type ObjectSource, objectSource, selectionOf } from './source.ts';
import { isAgents, servedKind } from './types.ts';
import { updateRunningPods } from './update-running-pods.ts';
import { askedObjects } from './words.ts';

/** An object that is to go. */
export interface Doomed {
  readonly type: ServedType;
  readonly key: ObjectKey;
}

/** `delete TYPE NAME…`, `delete TYPE/NAME…`, `delete TYPE -l SELECTOR|--all`, `delete -f FILE`. */
export async function remove(args: Args, io: Io): Promise<number> {
  const words = texts(args, 'object');
  const isFile = texts(args, 'filename').length > 0;
  if (isFile && words.length > 0) throw new UserError(`unexpected argument "${words[0]}"`);
  const objects = isFile ? readObjects(args, io) : [];
  requireRoot();
  const doomed = isFile ? ofFiles(args, objects) : await ofWords(args, io, words);
  if (doomed.length === 0) {
    io.out('No resources found\n');
    return 0;
  }
  const needsAgent = doomed.some(({ type }) => isAgents(type));
  const client = await (needsAgent ? agent(args, io) : runningAgent(args, io));
  return client === undefined ? removeStored(args, io, doomed) : deleteWithAgent(client, args, io, doomed);
}

const ofFiles = (args: Args, objects: readonly FiledObject[]): readonly Doomed[] =>
  objects.map(object => {
    const type = servedKind(object.kind);
    return { type, key: keyOf(type, placed(object, text(args, 'namespace')), 'default') };
  });

async function ofWords(args: Args, io: Io, words: readonly string[]): Promise<readonly Doomed[]> {
  if (words.length === 0)
    throw new UserError('nothing to delete', { hint: 'podspace delete TYPE NAME, or -f FILE' });
  const asked = askedObjects(words);
  const { labelSelector, fieldSelector } = selectionOf(args);
  const isSelected = labelSelector !== undefined || fieldSelector !== undefined;
  const isAll = flag(args, 'all');
  if (asked.some(({ names }) => names.length > 0 && (isSelected || isAll)))
    throw new UserError('name cannot be provided when a selector is specified');
  if (!isSelected && !isAll && asked.some(({ names }) => names.length === 0))
    throw new UserError('resource(s) were provided, but no name was specified', {
      hint: 'podspace delete TYPE NAME, or -f FILE; --all for every one',
    });
  const namespace = flag(args, 'all-namespaces') ? undefined : (text(args, 'namespace') ?? 'default');
  const types = asked.map(({ type }) => type);
  const source = isSelected || isAll ? await objectSource(args, io, types) : undefined;
  const groups = asked.map(async ({ type, names }): Promise<readonly Doomed[]> => {
    if (source !== undefined) return selected(args, source, type, namespace);
    const where = type.namespaced ? namespace : undefined;
    return names.map(name => ({ type, key: { kind: type.kind, namespace: where, name } }));
  });
  return (await Promise.all(groups)).flat();
}

async function selected(
  args: Args,
  source: ObjectSource,
  type: ServedType,
  namespace: string | undefined,
): Promise<readonly Doomed[]> {
  const objects = await source.list(type, namespace, selectionOf(args));
  return objects.map(({ metadata: { name = '', namespace: own } }) => ({
    type,
    key: { kind: type.kind, namespace: type.namespaced ? own : undefined, name },
  }));
}

async function removeStored(args: Args, io: Io, doomed: readonly Doomed[]): Promise<number> {
  const store = new ObjectStore(io.roots);
  const errors: UserError[] = [];
  for (const { type, key } of doomed) {
    requireVerb(args, io, 'delete', type, key);
    if (removeAll(io, store, key)) io.out(deletedLine(args, type, key.name, 'deleted'));
    else if (!flag(args, 'ignore-not-found')) errors.push(new ServerError(notFound(type, key.name).status));
  }
  await updateRunningPods(doomed.map(({ key }) => key));
  if (errors.length > 0) throw joinUserErrors(errors);
  return 0;
}

/** `pod "web" deleted`; with `-o name` only which. */
export function deletedLine(args: Args, type: ServedType, name: string, done: string): string {
  if (text(args, 'output') === 'name') return `${singularOf(type)}/${name}\n`;
  return `${singularOf(type)} ${JSON.stringify(name)} ${done}\n`;
}

/** A claim goes with its data, also one that only manifests have. */
function removeAll({ roots }: Io, store: ObjectStore, key: ObjectKey): boolean {
  const { kind, namespace = 'default', name } = key;
  const had = kind === 'PersistentVolumeClaim' && removeClaim(roots, namespace, name);
  return store.remove(key) || had;
}
