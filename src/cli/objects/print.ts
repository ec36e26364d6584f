import { stringify } from 'yaml';
import { printable } from '../../base/printable.ts';
import { formatSelector } from '../../kube/label-selector.ts';
import type { LoadedObject } from '../../kube/manifest.ts';
import type {
  NetworkPolicy,
  ObjectMeta,
  PersistentVolumeClaim,
  Service,
  ServiceSpec,
} from '../../kube/types.generated.ts';
import { apiVersionOf, singularOf, storedKind } from '../../runtime/kinds.ts';
import type { Io } from '../io.ts';
import { formatTable } from '../table.ts';
import { age } from './age.ts';

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

type Row = (object: LoadedObject) => readonly string[];

interface Columns {
  readonly names: readonly string[];
  readonly row: Row;
}

const text = (value: unknown): string => (value === undefined || value === '' ? '' : String(value));
const list = (value: unknown): string => (Array.isArray(value) ? value.join(',') : '');
type Fields = Readonly<Record<string, { readonly rule?: string } | undefined>>;

const NONE = '<none>';
const nameOf = (object: LoadedObject): string => metadataOf(object).name ?? '';
const ageOf = (object: LoadedObject): string => age(metadataOf(object).creationTimestamp);
const countOf = (...maps: readonly unknown[]): string =>
  String(maps.reduce<number>((sum, map) => sum + Object.keys(map ?? {}).length, 0));

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

/** getServiceExternalIP: nobody here gives a load balancer an address. */
function externalIP({ type, externalIPs = [], externalName = '' }: ServiceSpec): string {
  if (type === 'ExternalName') return externalName;
  if (externalIPs.length > 0) return externalIPs.join(',');
  return type === 'LoadBalancer' ? '<pending>' : NONE;
}

/** GetAccessModesAsString of kubectl. */
const ACCESS_MODES: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
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
  NetworkPolicy: {
    names: ['NAME', 'POD-SELECTOR', 'AGE'],
    row: loaded => {
      const { podSelector = {} } = (loaded.object as unknown as NetworkPolicy).spec ?? {};
      return [nameOf(loaded), formatSelector(podSelector) || NONE, age(metadataOf(loaded).creationTimestamp)];
    },
  },
  Service: {
    names: ['NAME', 'TYPE', 'CLUSTER-IP', 'EXTERNAL-IP', 'PORT(S)', 'AGE'],
    row: loaded => {
      const { spec = {} } = loaded.object as unknown as Service;
      const ports = (spec.ports ?? []).map(
        ({ port, nodePort, protocol }) => `${port}${nodePort ? `:${nodePort}` : ''}/${protocol ?? 'TCP'}`,
      );
      return [
        nameOf(loaded),
        spec.type ?? 'ClusterIP',
        spec.clusterIP ?? NONE,
        externalIP(spec),
        ports.join(',') || NONE,
        age(metadataOf(loaded).creationTimestamp),
      ];
    },
  },
  ConfigMap: {
    names: ['NAME', 'DATA', 'AGE'],
    row: loaded => [nameOf(loaded), countOf(loaded.object.data, loaded.object.binaryData), ageOf(loaded)],
  },
  Secret: {
    names: ['NAME', 'TYPE', 'DATA', 'AGE'],
    row: loaded => [nameOf(loaded), text(loaded.object.type), countOf(loaded.object.data), ageOf(loaded)],
  },
  PersistentVolumeClaim: {
    names: [
      'NAME',
      'STATUS',
      'VOLUME',
      'CAPACITY',
      'ACCESS MODES',
      'STORAGECLASS',
      'VOLUMEATTRIBUTESCLASS',
      'AGE',
    ],
    row: loaded => {
      const { spec = {}, status = {} } = loaded.object as unknown as PersistentVolumeClaim;
      const { accessModes = [], capacity = {}, phase = 'Pending' } = status;
      return [
        nameOf(loaded),
        phase,
        text(spec.volumeName),
        text(capacity.storage),
        accessModes.map(mode => ACCESS_MODES[mode] ?? mode).join(','),
        text(spec.storageClassName),
        text(spec.volumeAttributesClassName) || '<unset>',
        ageOf(loaded),
      ];
    },
  },
  ClusterRole: createdAt,
  Role: createdAt,
  ClusterRoleBinding: roleOf,
  RoleBinding: roleOf,
};

/** A table for each kind; of several the names say which. */
export function printTables(
  io: Io,
  objects: readonly LoadedObject[],
  hasKinds: boolean,
  isAllNamespaces: boolean,
): void {
  const kinds = [...new Set(objects.map(({ kind }) => kind))];
  const tables = kinds.map(kind => {
    const columns = COLUMNS[kind];
    if (columns === undefined) throw new Error(`bug in podspace: no columns for ${kind}`);
    const hasNamespace = isAllNamespaces && storedKind(kind).namespaced;
    const rows = objects
      .filter(object => object.kind === kind)
      .map(object => {
        const [name = '', ...cells] = columns.row(object);
        const own = [hasKinds ? fullName(object) : name, ...cells];
        return (hasNamespace ? [metadataOf(object).namespace ?? '', ...own] : own).map(printable);
      });
    return formatTable([hasNamespace ? ['NAMESPACE', ...columns.names] : columns.names, ...rows]);
  });
  io.out(tables.join('\n'));
}
