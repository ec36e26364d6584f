import type {
  ConfigMap,
  Namespace,
  PersistentVolumeClaim,
  Secret,
  ServiceAccount,
} from '../../kube/types.generated.ts';
import { AGE, ageOf, column, NAME, nameOf, type RowPrinter, UNSET, wideColumn } from './row.ts';

const countOf = (...maps: readonly unknown[]): number =>
  maps.reduce<number>((sum, map) => sum + Object.keys(map ?? {}).length, 0);

/** GetAccessModesAsString of kubectl. */
const ACCESS_MODES: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};

export const formatAccessModes = (modes: readonly string[] = []): string =>
  modes.map(mode => ACCESS_MODES[mode] ?? mode).join(',');

/** `Active`, `Terminating` and the claim's words. */
export const phaseOf = (
  {
    metadata,
    status,
  }: {
    readonly metadata?: { readonly deletionTimestamp?: string };
    readonly status?: { readonly phase?: string };
  },
  initial: string,
): string => (metadata?.deletionTimestamp === undefined ? (status?.phase ?? initial) : 'Terminating');

/** Namespaces, and what pods take something from. */
export const CONFIG_ROWS = {
  Namespace: {
    columns: [NAME, column('Status', 'Whether objects can be made in the namespace.'), AGE],
    cells: (namespace: Namespace, now) => [
      nameOf(namespace),
      phaseOf(namespace, 'Active'),
      ageOf(namespace, now),
    ],
  },
  ConfigMap: {
    columns: [NAME, column('Data', 'How many keys it has.', { type: 'integer' }), AGE],
    cells: (map: ConfigMap, now) => [nameOf(map), countOf(map.data, map.binaryData), ageOf(map, now)],
  },
  Secret: {
    columns: [
      NAME,
      column('Type', 'What the data is for.'),
      column('Data', 'How many keys it has.', { type: 'integer' }),
      AGE,
    ],
    cells: (secret: Secret, now) => [
      nameOf(secret),
      secret.type ?? '',
      countOf(secret.data),
      ageOf(secret, now),
    ],
  },
  ServiceAccount: {
    columns: [NAME, column('Secrets', 'How many secrets its pods may use.', { type: 'integer' }), AGE],
    cells: (account: ServiceAccount, now) => [
      nameOf(account),
      account.secrets?.length ?? 0,
      ageOf(account, now),
    ],
  },
  PersistentVolumeClaim: {
    columns: [
      NAME,
      column('Status', 'Whether the claim has a volume.'),
      column('Volume', 'The volume that the claim has.'),
      column('Capacity', 'The size of the volume.'),
      column('Access Modes', 'How the volume can be mounted.'),
      column('StorageClass', 'The storage class that is asked for.'),
      column('VolumeAttributesClass', 'The attributes of the volume that are asked for.'),
      AGE,
      wideColumn('VolumeMode', 'What of the volume a pod gets: a file system or a device.'),
    ],
    cells: (claim: PersistentVolumeClaim, now) => {
      const { spec = {}, status = {} } = claim;
      return [
        nameOf(claim),
        phaseOf(claim, 'Pending'),
        spec.volumeName ?? '',
        String(status.capacity?.storage ?? ''),
        formatAccessModes(status.accessModes),
        spec.storageClassName ?? '',
        spec.volumeAttributesClassName || UNSET,
        ageOf(claim, now),
        spec.volumeMode ?? UNSET,
      ];
    },
  },
} as const satisfies Readonly<Record<string, RowPrinter>>;
