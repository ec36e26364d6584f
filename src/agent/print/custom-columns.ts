import { UserError } from '../../base/errors.ts';
import { findAll } from './jsonpath/evaluate.ts';
import { parseRelaxed, type Step } from './jsonpath/parse.ts';
import { NONE } from './row.ts';

/** A column of `-o custom-columns`. */
export interface CustomColumn {
  readonly header: string;
  readonly path: readonly Step[];
}

/** `NAME:.metadata.name,IMAGE:.spec.containers[*].image`. Throws a UserError. */
export function parseCustomColumns(spec: string): readonly CustomColumn[] {
  if (spec === '') throw new UserError('custom-columns format specified but no custom columns given');
  return splitOutside(spec).map(part => {
    const colon = part.indexOf(':');
    if (colon === -1)
      throw new UserError(`unexpected custom-columns spec: ${part}, expected <header>:<json-path-expr>`);
    return { header: part.slice(0, colon), path: parseRelaxed(part.slice(colon + 1)) };
  });
}

/** A file of `-o custom-columns-file`: a line of headers, and one of paths below them. */
export function parseColumnsFile(text: string): readonly CustomColumn[] {
  const [headers = [], paths = []] = text
    .split('\n')
    .map(line => line.split(/\s+/).filter(word => word !== ''));
  if (headers.length === 0)
    throw new UserError('custom-columns format specified but no custom columns given');
  if (headers.length !== paths.length)
    throw new UserError(
      `number of headers (${headers.length}) and field specifications (${paths.length}) don't match`,
    );
  return headers.map((header, i) => ({ header, path: parseRelaxed(paths[i] ?? '') }));
}

/** At commas that stand in no brackets: `.a[0,1]` has one of its own. */
function splitOutside(spec: string): readonly string[] {
  return spec.split(/,(?![^[\]]*\])/);
}

/** A cell for each column; several values with commas between. */
export function customCells(columns: readonly CustomColumn[], object: unknown): readonly string[] {
  return columns.map(({ path }) => findAll(path, object).map(goText).join(',') || NONE);
}

/** A value as Go's `%v` prints it. */
function goText(value: unknown): string {
  if (value === null || value === undefined) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`;
  if (typeof value !== 'object') return String(value);
  const map = value as Readonly<Record<string, unknown>>;
  const entries = Object.keys(map)
    .sort()
    .map(key => `${key}:${goText(map[key])}`);
  return `map[${entries.join(' ')}]`;
}
