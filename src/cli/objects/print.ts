import { stringify } from 'yaml';
import type { ApiObject } from '../../agent/objects.ts';
import { customCells } from '../../agent/print/custom-columns.ts';
import { evaluateTemplate, renderTemplate } from '../../agent/print/jsonpath/evaluate.ts';
import { formatLabels, NONE } from '../../agent/print/row.ts';
import { tableOf } from '../../agent/print/table.ts';
import { printable } from '../../base/printable.ts';
import { singularOf } from '../../runtime/kinds.ts';
import type { Io } from '../io.ts';
import { formatTable } from '../table.ts';
import type { Output } from './output.ts';
import { servedKind } from './types.ts';

/** Prints objects as kubectl does with `-o`: a list of them, or the one. */
export function printObjects(
  io: Io,
  objects: readonly ApiObject[],
  output: Exclude<Output, { kind: 'table' }>,
  isSingle: boolean,
): void {
  if (output.kind === 'columns') {
    const header = output.columns.map(each => each.header);
    io.out(
      formatTable([header, ...objects.map(object => customCells(output.columns, object).map(printable))]),
    );
    return;
  }
  if (output.kind === 'name') {
    for (const object of objects) io.out(`${printable(fullName(object))}\n`);
    return;
  }
  const list = { apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: '' }, items: objects };
  const document = isSingle ? objects[0] : list;
  io.out(documentText(document, output));
}

type Document = Extract<Output, { kind: 'json' | 'yaml' | 'jsonpath' }>;

function documentText(document: unknown, output: Document): string {
  if (output.kind === 'yaml') return stringify(document, YAML);
  if (output.kind === 'json') return `${JSON.stringify(document, null, 2)}\n`;
  if (!output.isJson) return renderTemplate(output.template, document);
  return `${JSON.stringify(evaluateTemplate(output.template, document), null, 4)}\n`;
}

/** As kubectl's. What YAML 1.1 would take for another type is quoted: whoever reads it gets back what there was. */
const YAML = { version: '1.1', lineWidth: 0, indentSeq: false, sortMapEntries: true } as const;

const nameOf = ({ metadata }: ApiObject): string => metadata.name ?? '';

/** `clusterrole.rbac.authorization.k8s.io/NAME` */
export const fullName = (object: ApiObject): string =>
  `${singularOf(servedKind(object.kind))}/${nameOf(object)}`;

export interface TableOptions {
  readonly isWide: boolean;
  readonly isAllNamespaces: boolean;
  /** Names say of what kind they are. */
  readonly hasKinds: boolean;
  readonly hasLabels: boolean;
  /** Labels that have a column. */
  readonly labelColumns: readonly string[];
}

export const PLAIN_TABLE: TableOptions = {
  isWide: false,
  isAllNamespaces: false,
  hasKinds: false,
  hasLabels: false,
  labelColumns: [],
};

/** The header and the rows of objects of one kind. */
export function tableRows(
  kind: string,
  objects: readonly ApiObject[],
  { isWide, isAllNamespaces, hasKinds, hasLabels, labelColumns }: TableOptions,
): readonly (readonly string[])[] {
  const { columns, rows } = tableOf(kind, objects, Date.now());
  const hasNamespace = isAllNamespaces && servedKind(kind).namespaced;
  const shown = columns.flatMap(({ priority }, i) => (priority === 0 || isWide ? [i] : []));
  const header = [
    ...(hasNamespace ? ['NAMESPACE'] : []),
    ...shown.map(i => (columns[i]?.name ?? '').toUpperCase()),
    ...labelColumns.map(label => (label.split('/').at(-1) ?? '').toUpperCase()),
    ...(hasLabels ? ['LABELS'] : []),
  ];
  const lines = rows.map(({ cells, object }) => {
    const { namespace = '', labels = {} } = object.metadata;
    const own = shown.map(i =>
      hasKinds && columns[i]?.format === 'name' ? fullName(object) : String(cells[i] ?? ''),
    );
    const line = [
      ...(hasNamespace ? [namespace] : []),
      ...own,
      ...labelColumns.map(label => labels[label] ?? NONE),
      ...(hasLabels ? [formatLabels(labels)] : []),
    ];
    return line.map(printable);
  });
  return [header, ...lines];
}

/** A table for each kind; of several the names say which. */
export function printTables(
  io: Io,
  objects: readonly ApiObject[],
  options: TableOptions,
  hasHeaders = true,
): void {
  const kinds = [...new Set(objects.map(({ kind }) => kind))];
  const tables = kinds.map(kind => {
    const rows = tableRows(
      kind,
      objects.filter(object => object.kind === kind),
      options,
    );
    return formatTable(hasHeaders ? rows : rows.slice(1));
  });
  io.out(tables.join('\n'));
}
