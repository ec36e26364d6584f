import { stringify } from 'yaml';
import { tableOf } from '../../agent/print/table.ts';
import { printable } from '../../base/printable.ts';
import type { LoadedObject } from '../../kube/manifest.ts';
import type { ObjectMeta } from '../../kube/types.generated.ts';
import { apiVersionOf, singularOf, storedKind } from '../../runtime/kinds.ts';
import type { Io } from '../io.ts';
import { formatTable } from '../table.ts';

export const metadataOf = ({ object }: LoadedObject): ObjectMeta => (object.metadata ?? {}) as ObjectMeta;

/** Prints objects as kubectl does with `-o`: a list of them, or the one. */
export function printObjects(
  io: Io,
  objects: readonly LoadedObject[],
  format: string | undefined,
  isSingle: boolean,
): void {
  if (format === 'name') {
    for (const object of objects) io.out(`${printable(fullName(object))}\n`);
    return;
  }
  const whole = objects.map(asObject);
  const document = isSingle
    ? whole[0]
    : { apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: '' }, items: whole };
  io.out(format === 'yaml' ? stringify(document, YAML) : `${JSON.stringify(document, null, 2)}\n`);
}

/** As kubectl's. What YAML 1.1 would take for another type is quoted: whoever reads it gets back what there was. */
const YAML = { version: '1.1', lineWidth: 0, indentSeq: false, sortMapEntries: true } as const;

/** `clusterrole.rbac.authorization.k8s.io/NAME` */
const fullName = (object: LoadedObject): string =>
  `${singularOf(storedKind(object.kind))}/${metadataOf(object).name ?? ''}`;

/** `apiVersion` and `kind` first. */
function asObject({ kind, object }: LoadedObject): object {
  const { apiVersion: _, kind: __, ...rest } = object;
  return { apiVersion: apiVersionOf(storedKind(kind)), kind, ...rest };
}

/** A table for each kind; of several the names say which. */
export function printTables(
  io: Io,
  objects: readonly LoadedObject[],
  hasKinds: boolean,
  isAllNamespaces: boolean,
): void {
  const kinds = [...new Set(objects.map(({ kind }) => kind))];
  const now = Date.now();
  const tables = kinds.map(kind => {
    const hasNamespace = isAllNamespaces && storedKind(kind).namespaced;
    const ofKind = objects.filter(object => object.kind === kind);
    const { columns, rows } = tableOf(
      kind,
      ofKind.map(({ object }) => object),
      now,
    );
    const shown = columns.flatMap(({ priority }, i) => (priority === 0 ? [i] : []));
    const lines = rows.map(({ cells }, r) => {
      const loaded = ofKind[r] as LoadedObject;
      const [name = '', ...others] = shown.map(i => String(cells[i] ?? ''));
      const own = [hasKinds ? fullName(loaded) : name, ...others];
      return (hasNamespace ? [metadataOf(loaded).namespace ?? '', ...own] : own).map(printable);
    });
    const names = shown.map(i => (columns[i]?.name ?? '').toUpperCase());
    return formatTable([hasNamespace ? ['NAMESPACE', ...names] : names, ...lines]);
  });
  io.out(tables.join('\n'));
}
