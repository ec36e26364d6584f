import type { ApiObject } from '../../agent/objects.ts';
import { eventInterval, newestLast } from '../../agent/print/describe/events.ts';
import type { Event } from '../../agent/print/event-row.ts';
import { servedKind } from '../../agent/resources.ts';
import { UserError } from '../../base/errors.ts';
import { printable } from '../../base/printable.ts';
import { type Args, flag, type Io, text } from '../io.ts';
import { parseOutput } from '../objects/output.ts';
import { printObjects } from '../objects/print.ts';
import { askedObjects } from '../objects/words.ts';
import { GrowingTable } from '../table.ts';
import { agent } from './connection.ts';

const TYPES = ['Normal', 'Warning'];

/** `events [--for TYPE/NAME] [--types=Warning] [-w]`: the newest at the end. */
export async function events(args: Args, io: Io): Promise<number> {
  const isAll = flag(args, 'all-namespaces');
  const namespace = isAll ? undefined : (text(args, 'namespace') ?? 'default');
  const isWanted = filterOf(args);
  const output = parseOutput(text(args, 'output'));
  const client = await agent(args, io);
  const type = servedKind('Event');
  const { items, metadata } = await client.list(type, namespace);
  const table = new GrowingTable(line => io.out(line), args.values.headers !== false);
  const print = (list: readonly ApiObject[]): void => {
    const found = newestLast(list as readonly Event[]).filter(isWanted);
    if (output.kind !== 'table')
      printObjects(io, found as unknown as readonly ApiObject[], output, flag(args, 'watch'));
    else if (found.length > 0) table.print([header(isAll), ...found.map(event => row(event, isAll))]);
    else if (!flag(args, 'watch'))
      io.err(isAll ? 'No events found.\n' : `No events found in ${namespace} namespace.\n`);
  };
  if (!flag(args, 'watch') || items.length > 0) print(items);
  if (!flag(args, 'watch')) return 0;
  const query = { resourceVersion: metadata.resourceVersion };
  for await (const event of client.watch(type, namespace, query, new AbortController().signal))
    if (event.type === 'ADDED' || event.type === 'MODIFIED') print([event.object]);
  return 0;
}

function filterOf(args: Args): (event: Event) => boolean {
  const types = text(args, 'types')?.split(',') ?? TYPES;
  const wrong = types.find(type => !TYPES.some(each => each.toLowerCase() === type.toLowerCase()));
  if (wrong !== undefined) throw new UserError('valid --types are Normal or Warning');
  const isOfType = ({ type = '' }: Event): boolean =>
    types.some(each => each.toLowerCase() === type.toLowerCase());
  const about = text(args, 'for');
  if (about === undefined) return isOfType;
  if (!about.includes('/'))
    throw new UserError('--for must be in resource/name form', { hint: 'podspace events --for pod/web' });
  const [asked] = askedObjects([about]);
  return event => {
    const { kind, name = '' } = event.involvedObject ?? {};
    return isOfType(event) && kind === asked?.type.kind && asked?.names.includes(name) === true;
  };
}

const header = (hasNamespace: boolean): readonly string[] => [
  ...(hasNamespace ? ['NAMESPACE'] : []),
  'LAST SEEN',
  'TYPE',
  'REASON',
  'OBJECT',
  'MESSAGE',
];

function row(event: Event, hasNamespace: boolean): readonly string[] {
  const { kind = '', name = '', namespace = '' } = event.involvedObject ?? {};
  return [
    ...(hasNamespace ? [namespace] : []),
    eventInterval(event, Date.now()),
    event.type ?? '',
    event.reason ?? '',
    `${kind}/${name}`,
    (event.message ?? '').trim(),
  ].map(printable);
}
