import type { ApiObject } from '../../agent/objects.ts';
import { sortBy } from '../../agent/print/sort-by.ts';
import { ServerError } from '../../agent/server-error.ts';
import { joinUserErrors, UserError } from '../../base/errors.ts';
import { type Args, flag, type Io, text, texts } from '../io.ts';
import { parseOutput } from './output.ts';
import { printObjects, printTables, type TableOptions } from './print.ts';
import { type ObjectSource, objectSource, selectionOf } from './source.ts';
import { watchObjects } from './watch.ts';
import { type Asked, askedObjects } from './words.ts';

/** `get TYPE[,TYPE…] [NAME…]`, `get TYPE/NAME…`. */
export async function get(args: Args, io: Io): Promise<number> {
  const asked = askedObjects(texts(args, 'object'));
  const output = parseOutput(text(args, 'output'));
  const isAll = flag(args, 'all-namespaces');
  const namespace = isAll ? undefined : (text(args, 'namespace') ?? 'default');
  const isNamed = asked.some(({ names }) => names.length > 0);
  checkOptions(args, isNamed);
  const source = await objectSource(
    args,
    io,
    asked.map(({ type }) => type),
  );
  const { found, errors } = await find(args, source, asked, namespace);
  const order = text(args, 'sort-by');
  const objects = order === undefined ? found : sortBy(found, order);
  const options: TableOptions = {
    isWide: output.kind === 'table' && output.isWide,
    isAllNamespaces: isAll,
    hasKinds: asked.length > 1 || flag(args, 'show-kind'),
    hasLabels: flag(args, 'show-labels'),
    labelColumns: texts(args, 'label-columns').flatMap(labels => labels.split(',')),
  };
  if (flag(args, 'watch') || flag(args, 'watch-only'))
    return watchObjects(args, io, { source, asked, namespace, output, options, errors });
  if (output.kind !== 'table') {
    const isPrinted =
      objects.length > 0 || (!isNamed && ['json', 'yaml', 'jsonpath', 'columns'].includes(output.kind));
    if (isPrinted) printObjects(io, objects, output, isNamed && objects.length === 1);
  } else if (objects.length > 0) printTables(io, objects, options, args.values.headers !== false);
  else if (!isNamed && !flag(args, 'ignore-not-found')) {
    const isInNamespace = !isAll && asked.every(({ type }) => type.namespaced);
    io.err(isInNamespace ? `No resources found in ${namespace} namespace.\n` : 'No resources found\n');
  }
  if (errors.length > 0) throw joinUserErrors(errors);
  return 0;
}

function checkOptions(args: Args, isNamed: boolean): void {
  if (!isNamed) return;
  if (flag(args, 'all-namespaces'))
    throw new UserError('a resource cannot be retrieved by name across all namespaces');
  if (text(args, 'selector') !== undefined)
    throw new UserError('name cannot be provided when a selector is specified');
}

interface Found {
  readonly found: readonly ApiObject[];
  readonly errors: readonly UserError[];
}

/** What is there is printed, whatever else is asked for. */
async function find(
  args: Args,
  source: ObjectSource,
  asked: readonly Asked[],
  namespace: string | undefined,
): Promise<Found> {
  const found: ApiObject[] = [];
  const errors: UserError[] = [];
  for (const { type, names } of asked) {
    if (names.length === 0) found.push(...(await source.list(type, namespace, selectionOf(args))));
    for (const name of names)
      try {
        found.push(await source.get(type, namespace, name));
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        if (!isMissing(error)) throw error;
        if (!flag(args, 'ignore-not-found')) errors.push(error);
      }
  }
  return { found, errors };
}

/** Everything else than an absent object ends the command. */
export const isMissing = (error: UserError): boolean =>
  error instanceof ServerError && error.reason === 'NotFound';
