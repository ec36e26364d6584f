import type { ApiObject } from '../../agent/objects.ts';
import { joinUserErrors, UserError } from '../../base/errors.ts';
import { type Args, flag, type Io } from '../io.ts';
import { GrowingTable } from '../table.ts';
import type { Output } from './output.ts';
import { printObjects, type TableOptions, tableRows } from './print.ts';
import { type ObjectSource, selectionOf } from './source.ts';
import type { Asked } from './words.ts';

export interface Watched {
  readonly source: ObjectSource;
  readonly asked: readonly Asked[];
  readonly namespace: string | undefined;
  readonly output: Output;
  readonly options: TableOptions;
  readonly errors: readonly UserError[];
}

/** `get -w`: what there is, and then each change, until the agent or the user ends it. */
export async function watchObjects(args: Args, io: Io, watched: Watched): Promise<number> {
  const { source, asked, namespace, errors, output } = watched;
  const [only, ...others] = asked;
  if (only === undefined || others.length > 0 || only.names.length > 1)
    throw new UserError('watch is only supported on individual resources and resource collections');
  if (errors.length > 0) throw joinUserErrors(errors);
  if (source.client === undefined)
    throw new UserError('there is no agent whose changes could be watched', { hint: 'podspace agent start' });
  const table = new GrowingTable(text => io.out(text), args.values.headers !== false);
  const print = (list: readonly ApiObject[]): void => {
    if (output.kind !== 'table') for (const object of list) printObjects(io, [object], output, true);
    else if (list.length > 0) table.print(tableRows(only.type.kind, list, watched.options));
  };
  const [name] = only.names;
  const named = name === undefined ? {} : { fieldSelector: `metadata.name=${name}` };
  const selection = { ...selectionOf(args), ...named };
  const { items, metadata } = await source.client.list(only.type, namespace, selection);
  if (!flag(args, 'watch-only')) print(items);
  const query = { ...selection, resourceVersion: metadata.resourceVersion };
  const { signal } = new AbortController();
  for await (const { type, object } of source.client.watch(only.type, namespace, query, signal))
    if (type !== 'BOOKMARK') print([object]);
  return 0;
}
