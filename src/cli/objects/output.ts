import { type CustomColumn, parseColumnsFile, parseCustomColumns } from '../../agent/print/custom-columns.ts';
import { UserError } from '../../base/errors.ts';
import { readManifest } from '../../runtime/read-manifest.ts';

/** How objects are printed. */
export type Output =
  | { readonly kind: 'table'; readonly isWide: boolean }
  | { readonly kind: 'json' }
  | { readonly kind: 'yaml' }
  | { readonly kind: 'name' }
  | { readonly kind: 'jsonpath'; readonly template: string; readonly isJson: boolean }
  | { readonly kind: 'columns'; readonly columns: readonly CustomColumn[] };

const FORMATS: Readonly<Record<string, (value: string) => Output>> = {
  'custom-columns': value => ({ kind: 'columns', columns: parseCustomColumns(value) }),
  'custom-columns-file': value => ({ kind: 'columns', columns: parseColumnsFile(readManifest(value)) }),
  json: () => ({ kind: 'json' }),
  jsonpath: value => ({ kind: 'jsonpath', template: template(value), isJson: false }),
  'jsonpath-as-json': value => ({ kind: 'jsonpath', template: template(value), isJson: true }),
  'jsonpath-file': value => ({
    kind: 'jsonpath',
    template: readManifest(value).replace(/\n$/, ''),
    isJson: false,
  }),
  name: () => ({ kind: 'name' }),
  wide: () => ({ kind: 'table', isWide: true }),
  yaml: () => ({ kind: 'yaml' }),
};

/** The output that `-o` asks for: `wide`, `jsonpath={.metadata.name}`. Throws a UserError. */
export function parseOutput(text: string | undefined): Output {
  if (text === undefined) return { kind: 'table', isWide: false };
  const equals = text.indexOf('=');
  const name = equals === -1 ? text : text.slice(0, equals);
  const format = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
  const takesValue = /^(custom-columns|jsonpath)/.test(name);
  if (format === undefined || (equals !== -1 && !takesValue))
    throw new UserError(
      `unable to match a printer suitable for the output format ${JSON.stringify(text)}, allowed formats are: ${Object.keys(FORMATS).join(',')}`,
    );
  return format(equals === -1 ? '' : text.slice(equals + 1));
}

function template(value: string): string {
  if (value === '') throw new UserError('template format specified but no template given');
  return value;
}
