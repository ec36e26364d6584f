import { UserError } from '../../base/errors.ts';
import type { LoadedObject } from '../../kube/manifest.ts';
import { agent, runningAgent } from '../agent/connection.ts';
import { writeWithAgent } from '../agent/write-objects.ts';
import { type Args, type Io, text, texts } from '../io.ts';
import { builtObject } from './built-objects.ts';
import { type FiledObject, placed, readObjects } from './read-objects.ts';
import { storeObjects } from './store-objects.ts';
import { isAgents } from './types.ts';

/** What is to become of objects. */
export type Verb = 'create' | 'apply' | 'replace';

/** How a failure is told: `error when creating "pod.yaml"`. */
export type Doing = (verb: string, object: FiledObject) => string;

export interface WriteRequest {
  readonly verb: Verb;
  readonly objects: readonly FiledObject[];
  readonly doing: Doing;
}

const inFile: Doing = (verb, { file }) => `error when ${verb} ${JSON.stringify(file)}`;
const fromFlags: Doing = (_verb, { kind }) => `failed to create ${kind.toLowerCase()}`;

/** `create -f FILE`, or `create clusterrole NAME --verb=…`. */
export async function create(args: Args, io: Io): Promise<number> {
  const words = texts(args, 'object');
  if (texts(args, 'filename').length > 0) {
    if (words.length > 0) throw new UserError(`unexpected argument "${words[0]}"`);
    return write(args, io, { verb: 'create', objects: objectsOf(args, io, 'create'), doing: inFile });
  }
  return write(args, io, { verb: 'create', objects: [builtObject(args, io, words)], doing: fromFlags });
}

/** `apply -f FILE`: what is not there is created, what is there becomes what the file says. */
export async function apply(args: Args, io: Io): Promise<number> {
  return write(args, io, { verb: 'apply', objects: objectsOf(args, io, 'apply'), doing: inFile });
}

/** `replace -f FILE`: what is there becomes what the file says, and nothing else. */
export async function replace(args: Args, io: Io): Promise<number> {
  return write(args, io, { verb: 'replace', objects: objectsOf(args, io, 'replace'), doing: inFile });
}

function objectsOf(args: Args, io: Io, verb: Verb): readonly FiledObject[] {
  const files = texts(args, 'filename');
  if (files.length === 0) throw new UserError('must specify -f', { hint: `podspace ${verb} -f FILE` });
  const objects = readObjects(args, io);
  if (objects.length === 0)
    throw new UserError(
      `${files.map(file => (file === '-' ? '(stdin)' : file)).join(', ')}: no objects passed to ${verb}`,
    );
  if (verb === 'apply') objects.forEach(requireName);
  return objects;
}

function requireName({ object }: LoadedObject): void {
  const { name, generateName = '' } = (object.metadata ?? {}) as { name?: string; generateName?: string };
  if (name === undefined && generateName !== '')
    throw new UserError(`from ${generateName}: cannot use generate name with apply`);
}

/** With the agent if one runs, or if only that takes objects of these kinds. */
async function write(args: Args, io: Io, request: WriteRequest): Promise<number> {
  const namespace = text(args, 'namespace');
  const objects = request.objects.map(object => placed(object, namespace));
  const needsAgent = objects.some(isAgents) && text(args, 'dry-run') !== 'client';
  const client = await (needsAgent ? agent(args, io) : runningAgent(args, io));
  const placedRequest = { ...request, objects };
  return client === undefined
    ? storeObjects(args, io, placedRequest)
    : writeWithAgent(client, args, io, placedRequest);
}
