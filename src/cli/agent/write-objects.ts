import { lastApplied, withLastApplied } from '../../agent/apply/last-applied.ts';
import { threeWayPatch } from '../../agent/apply/three-way.ts';
import type { AgentClient, RequestOptions } from '../../agent/client.ts';
import type { ApiObject } from '../../agent/objects.ts';
import { LAST_APPLIED } from '../../agent/print/describe/lines.ts';
import type { ServedType } from '../../agent/resources.ts';
import { ServerError } from '../../agent/server-error.ts';
import { joinUserErrors, UserError } from '../../base/errors.ts';
import { printable } from '../../base/printable.ts';
import { keyOf, singularOf } from '../../runtime/kinds.ts';
import { type Args, flag, type Io, text } from '../io.ts';
import type { Doing, Verb, WriteRequest } from '../objects/create.ts';
import { parseOutput } from '../objects/output.ts';
import { printObjects } from '../objects/print.ts';
import type { FiledObject } from '../objects/read-objects.ts';
import { asObject } from '../objects/source.ts';
import { servedKind } from '../objects/types.ts';
import { untilGone } from './until.ts';

/** How nothing is changed: not at all, not by us, or not by the agent, which only says what it would do. */
type DryRun = 'none' | 'client' | 'server';

interface Write {
  readonly client: AgentClient;
  readonly io: Io;
  readonly loaded: FiledObject;
  readonly object: ApiObject;
  readonly type: ServedType;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly doing: Doing;
  readonly dryRun: DryRun;
  readonly query: RequestOptions['query'];
  readonly isForced: boolean;
}

interface Written {
  readonly object: ApiObject;
  readonly result: string;
}

const WRITERS: Readonly<Record<Verb, (write: Write) => Promise<Written>>> = { create, apply, replace };

const NOTES: Readonly<Record<DryRun, string>> = {
  none: '',
  client: ' (dry run)',
  server: ' (server dry run)',
};

/** Writes objects through the agent, one after the other; one that is refused does not keep the others back. */
export async function writeWithAgent(
  client: AgentClient,
  args: Args,
  io: Io,
  { verb, objects, doing }: WriteRequest,
): Promise<number> {
  const dryRun = (text(args, 'dry-run') ?? 'none') as DryRun;
  const output = parseOutput(text(args, 'output'));
  const done: ApiObject[] = [];
  const errors: UserError[] = [];
  for (const loaded of objects) {
    const type = servedKind(loaded.kind);
    const { namespace, name } = keyOf(type, loaded, 'default');
    try {
      const { object, result } = await WRITERS[verb]({
        client,
        io,
        loaded,
        object: asObject(loaded),
        type,
        namespace,
        name,
        doing,
        dryRun,
        query: dryRun === 'server' ? { dryRun: 'All' } : {},
        isForced: flag(args, 'force'),
      });
      const shown = printable(object.metadata.name ?? name);
      if (output.kind === 'table') io.out(`${singularOf(type)}/${shown} ${result}${NOTES[dryRun]}\n`);
      done.push(object);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      errors.push(error);
    }
  }
  if (done.length > 0 && output.kind !== 'table') printObjects(io, done, output, done.length === 1);
  if (errors.length > 0) throw joinUserErrors(errors);
  return 0;
}

/** Says of what the agent refuses what was tried. */
async function trying<T>({ doing, loaded }: Write, verb: string, body: Promise<T>): Promise<T> {
  try {
    return await body;
  } catch (error) {
    throw error instanceof ServerError ? error.when(doing(verb, loaded)) : error;
  }
}

async function create(write: Write): Promise<Written> {
  const { client, type, namespace, object, query, dryRun } = write;
  if (dryRun === 'client') return { object, result: 'created' };
  return {
    object: await trying(write, 'creating', client.create(type, namespace, object, query)),
    result: 'created',
  };
}

async function apply(write: Write): Promise<Written> {
  const { client, io, type, namespace, name, query, dryRun } = write;
  const current = await trying(write, 'retrieving', client.find(type, namespace, name));
  const object = withLastApplied(write.object);
  if (current === undefined) return create({ ...write, object });
  const original = lastApplied(current);
  if (original === undefined)
    io.err(
      `Warning: resource ${type.resource}/${printable(name)} is missing the ${LAST_APPLIED} annotation which is required by podspace apply. podspace apply should only be used on resources created declaratively by podspace apply. The missing annotation will be patched automatically.\n`,
    );
  const patch = threeWayPatch(object, { original: original ?? {}, modified: object, current });
  if (Object.keys(patch).length === 0) return { object: current, result: 'unchanged' };
  if (current.metadata.deletionTimestamp !== undefined)
    io.err(`Warning: Detected changes to resource ${printable(name)} which is currently being deleted.\n`);
  if (dryRun === 'client') return { object: current, result: 'configured' };
  const patched = await trying(write, 'patching', client.patch(type, namespace, name, patch, query));
  return { object: patched, result: 'configured' };
}

async function replace(write: Write): Promise<Written> {
  const { client, type, namespace, name, object, query, dryRun, isForced } = write;
  const current = await trying(write, 'replacing', client.get(type, namespace, name));
  if (dryRun === 'client') return { object, result: 'replaced' };
  if (isForced && dryRun === 'none') {
    await trying(write, 'deleting', client.delete(type, namespace, name, { gracePeriodSeconds: 0 }));
    await untilGone(client, { type, namespace, name, uid: current.metadata.uid });
    const made = await trying(write, 'creating', client.create(type, namespace, object, query));
    return { object: made, result: 'replaced' };
  }
  const { resourceVersion } = current.metadata;
  const versioned = { ...object, metadata: { resourceVersion, ...object.metadata } };
  const replaced = await trying(write, 'replacing', client.replace(type, namespace, name, versioned, query));
  return { object: replaced, result: 'replaced' };
}
