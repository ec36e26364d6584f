import type { AgentClient } from '../../agent/client.ts';
import type { ApiObject } from '../../agent/objects.ts';
import { DESCRIBED_WITH_PODS, describeObject } from '../../agent/print/describe/describe.ts';
import type { Related } from '../../agent/print/describe/lines.ts';
import type { Event } from '../../agent/print/event-row.ts';
import type { Endpoints } from '../../agent/print/network-rows.ts';
import { type ServedType, servedKind } from '../../agent/resources.ts';
import { joinUserErrors, UserError } from '../../base/errors.ts';
import { keyOf } from '../../runtime/kinds.ts';
import { type Args, flag, type Io, text, texts } from '../io.ts';
import { isMissing } from '../objects/get.ts';
import { placed, readObjects } from '../objects/read-objects.ts';
import { type ObjectSource, objectSource, selectionOf } from '../objects/source.ts';
import { servedKind as askedKind } from '../objects/types.ts';
import { type Asked, askedObjects } from '../objects/words.ts';

/** `describe TYPE [NAME|PREFIX…]`, `describe TYPE/NAME…`, `describe -f FILE`. */
export async function describe(args: Args, io: Io): Promise<number> {
  const isFile = texts(args, 'filename').length > 0;
  const words = texts(args, 'object');
  if (!isFile && words.length === 0)
    throw new UserError('you must specify the type of resource to describe', {
      hint: 'podspace describe TYPE [NAME]',
    });
  const asked: readonly Placed[] = isFile ? ofFiles(args, io) : askedObjects(words);
  const types = asked.map(({ type }) => type);
  const source = await objectSource(args, io, types);
  const given = flag(args, 'all-namespaces') ? undefined : (text(args, 'namespace') ?? 'default');
  const found: ApiObject[] = [];
  const errors: UserError[] = [];
  for (const { namespace = given, ...each } of asked)
    try {
      found.push(...(await find(args, source, each, namespace)));
    } catch (error) {
      if (!(error instanceof UserError) || !isMissing(error)) throw error;
      errors.push(error);
    }
  const descriptions: string[] = [];
  for (const object of found) {
    const related = await relatedTo(source.client, object, args.values['show-events'] !== false);
    descriptions.push(describeObject(object.kind, object, related, Date.now()));
  }
  io.out(descriptions.join('\n\n'));
  if (found.length === 0 && errors.length === 0)
    io.err(given === undefined ? 'No resources found\n' : `No resources found in ${given} namespace.\n`);
  if (errors.length > 0) throw joinUserErrors(errors);
  return 0;
}

/** With the namespace that a file says. */
type Placed = Asked & { readonly namespace?: string | undefined };

const ofFiles = (args: Args, io: Io): readonly Placed[] =>
  readObjects(args, io).map(object => {
    const type = askedKind(object.kind);
    const { namespace, name } = keyOf(type, placed(object, text(args, 'namespace')), 'default');
    return { type, names: [name], namespace };
  });

async function find(
  args: Args,
  source: ObjectSource,
  { type, names }: Asked,
  namespace: string | undefined,
): Promise<readonly ApiObject[]> {
  if (names.length === 0) return source.list(type, namespace, selectionOf(args));
  const found = await Promise.all(names.map(name => byNameOrPrefix(source, type, namespace, name)));
  return found.flat();
}

/** One of that name, or else all whose names begin so. */
async function byNameOrPrefix(
  source: ObjectSource,
  type: ServedType,
  namespace: string | undefined,
  name: string,
): Promise<readonly ApiObject[]> {
  try {
    return [await source.get(type, namespace, name)];
  } catch (error) {
    if (!(error instanceof UserError) || !isMissing(error)) throw error;
    const all = await source.list(type, namespace, {});
    const begun = all.filter(({ metadata }) => metadata.name?.startsWith(name));
    if (begun.length === 0) throw error;
    return begun;
  }
}

const HAVE_NO_EVENTS = [
  'Secret',
  'NetworkPolicy',
  'Role',
  'ClusterRole',
  'RoleBinding',
  'ClusterRoleBinding',
  'Event',
];

/** What the description of an object needs beside it; of events only the agent knows. */
async function relatedTo(
  client: AgentClient | undefined,
  object: ApiObject,
  hasEvents: boolean,
): Promise<Related> {
  const { kind, metadata } = object;
  const isShown = hasEvents && !HAVE_NO_EVENTS.includes(kind);
  if (client === undefined) return isShown ? { events: [] } : {};
  const { name = '', namespace } = metadata;
  const about = [
    `involvedObject.name=${name}`,
    ...(namespace === undefined ? [] : [`involvedObject.namespace=${namespace}`]),
    `involvedObject.kind=${kind}`,
    `involvedObject.uid=${metadata.uid ?? ''}`,
  ];
  const eventsOf = async (): Promise<readonly Event[]> => {
    const { items } = await client.list(servedKind('Event'), namespace, { fieldSelector: about.join(',') });
    return items as readonly Event[];
  };
  const [events, pods, endpoints] = await Promise.all([
    isShown ? eventsOf() : undefined,
    DESCRIBED_WITH_PODS.includes(kind) ? client.list(servedKind('Pod'), namespace) : undefined,
    kind === 'Service' ? client.find(servedKind('Endpoints'), namespace, name) : undefined,
  ]);
  return {
    events,
    endpoints: endpoints as Endpoints | undefined,
    ...(pods === undefined ? {} : { pods: pods.items }),
  };
}
