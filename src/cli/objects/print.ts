import { stringify } from 'yaml';
import type { LoadedObject } from '../../kube/manifest.ts';
import type { ObjectMeta } from '../../kube/types.generated.ts';
import { apiVersionOf, singularOf, storedKind } from '../../runtime/kinds.ts';
import type { Io } from '../io.ts';
import { formatTable } from '../table.ts';
import { age } from './age.ts';

export const metadataOf = ({ object }: LoadedObject): ObjectMeta => (object.metadata ?? {}) as ObjectMeta;

/** Prints objects as kubectl does with `-o`. */
export function printObjects(io: Io, objects: readonly LoadedObject[], format: string | undefined): void {
  if (format === 'name') {
    for (const object of objects)
      io.out(`${singularOf(storedKind(object.kind))}/${metadataOf(object).name ?? ''}\n`);
    return;
  }
  const whole = objects.map(asObject);
  const document = whole.length === 1 ? whole[0] : { apiVersion: 'v1', kind: 'List', items: whole };
  io.out(
    format === 'yaml' ? stringify(document, { lineWidth: 0 }) : `${JSON.stringify(document, null, 2)}\n`,
  );
}

/** `apiVersion` and `kind` first. */
function asObject({ kind, object }: LoadedObject): object {
  const { apiVersion: _, kind: __, ...rest } = object;
  return { apiVersion: apiVersionOf(storedKind(kind)), kind, ...rest };
}

type Row = (object: LoadedObject) => readonly string[];

interface Columns {
  readonly names: readonly string[];
  readonly row: Row;
}

const text = (value: unknown): string => (value === undefined || value === '' ? '' : String(value));
const list = (value: unknown): string => (Array.isArray(value) ? value.join(',') : '');
type Fields = Readonly<Record<string, { readonly rule?: string } | undefined>>;

const createdAt: Columns = {
  names: ['NAME', 'CREATED AT'],
  row: object => [metadataOf(object).name ?? '', text(metadataOf(object).creationTimestamp)],
};
const roleOf: Columns = {
  names: ['NAME', 'ROLE', 'AGE'],
  row: loaded => {
    const { kind = '', name = '' } = (loaded.object.roleRef ?? {}) as { kind?: string; name?: string };
    return [metadataOf(loaded).name ?? '', `${kind}/${name}`, age(metadataOf(loaded).creationTimestamp)];
  },
};

/** kubectl's columns (pkg/printers/internalversion). */
const COLUMNS: Readonly<Record<string, Columns>> = {
  Namespace: {
    names: ['NAME', 'STATUS', 'AGE'],
    row: object => [metadataOf(object).name ?? '', 'Active', age(metadataOf(object).creationTimestamp)],
  },
  PodSecurityPolicy: {
    names: [
      'NAME',
      'PRIV',
      'CAPS',
      'SELINUX',
      'RUNASUSER',
      'FSGROUP',
      'SUPGROUP',
      'READONLYROOTFS',
      'VOLUMES',
    ],
    row: loaded => {
      const spec = (loaded.object.spec ?? {}) as Record<string, unknown>;
      const rules = spec as Fields;
      return [
        metadataOf(loaded).name ?? '',
        String(spec.privileged === true),
        list(spec.allowedCapabilities),
        ...['seLinux', 'runAsUser', 'fsGroup', 'supplementalGroups'].map(field => text(rules[field]?.rule)),
        String(spec.readOnlyRootFilesystem === true),
        list(spec.volumes),
      ];
    },
  },
  ClusterRole: createdAt,
  Role: createdAt,
  ClusterRoleBinding: roleOf,
  RoleBinding: roleOf,
};

/** A table of objects of one kind. */
export function printTable(
  io: Io,
  kind: string,
  objects: readonly LoadedObject[],
  hasNamespace: boolean,
): void {
  const columns = COLUMNS[kind];
  if (columns === undefined) throw new Error(`bug in podspace: no columns for ${kind}`);
  const names = hasNamespace ? ['NAMESPACE', ...columns.names] : columns.names;
  const rows = objects.map(object =>
    hasNamespace ? [metadataOf(object).namespace ?? '', ...columns.row(object)] : columns.row(object),
  );
  io.out(formatTable([names, ...rows]));
}
