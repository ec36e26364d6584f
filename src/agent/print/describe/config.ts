import { fromBase64 } from '../../../kube/environment.ts';
import type {
  ConfigMap,
  Namespace,
  PersistentVolumeClaim,
  Pod,
  Secret,
  ServiceAccount,
} from '../../../kube/types.generated.ts';
import { age } from '../age.ts';
import { formatAccessModes, phaseOf } from '../config-rows.ts';
import { NONE, nameOf } from '../row.ts';
import { eventLines } from './events.ts';
import { type Describer, field, goList, head, multiline, optional, type Related } from './lines.ts';

const SERVICE_ACCOUNT_TOKEN = 'kubernetes.io/service-account-token';

const sortedKeys = (map: object): readonly string[] => Object.keys(map).sort();

function describeConfigMap(map: ConfigMap, { events }: Related, now: number): readonly string[] {
  const { data = {}, binaryData = {} } = map;
  return [
    ...head(map.metadata),
    '',
    'Data',
    '====',
    ...sortedKeys(data).flatMap(key => [`${key}:`, '----', ...(data[key] ?? '').split('\n'), '']),
    '',
    'BinaryData',
    '====',
    ...sortedKeys(binaryData).map(key => `${key}: ${fromBase64(binaryData[key] ?? '').length} bytes`),
    '',
    ...eventLines(events, now),
  ];
}

/** The values are not shown, but for a service account's token. */
function describeSecret(secret: Secret): readonly string[] {
  const { data = {}, type = '' } = secret;
  return [
    ...head(secret.metadata),
    '',
    field('Type', type),
    '',
    'Data',
    '====',
    ...sortedKeys(data).map(key => {
      const value = fromBase64(data[key] ?? '');
      return type === SERVICE_ACCOUNT_TOKEN && key === 'token'
        ? field(key, new TextDecoder().decode(value))
        : field(key, `${value.length} bytes`);
    }),
  ];
}

function describeNamespace(namespace: Namespace): readonly string[] {
  return [
    ...head(namespace.metadata, false),
    field('Status', phaseOf(namespace, 'Active')),
    '',
    'No resource quota.',
    '',
    'No LimitRange resource.',
  ];
}

function describeServiceAccount(
  account: ServiceAccount,
  { events }: Related,
  now: number,
): readonly string[] {
  const names = (list: readonly { readonly name?: string }[] = []): readonly string[] =>
    list.map(({ name = '' }) => name);
  return [
    ...head(account.metadata),
    ...multiline('Image pull secrets', names(account.imagePullSecrets)),
    ...multiline('Mountable secrets', names(account.secrets)),
    field('Tokens', NONE),
    ...eventLines(events, now),
  ];
}

function usersOf(claim: PersistentVolumeClaim, pods: readonly Pod[] = []): readonly string[] {
  return pods
    .filter(({ spec }) =>
      spec?.volumes?.some(volume => volume.persistentVolumeClaim?.claimName === nameOf(claim)),
    )
    .map(nameOf)
    .sort();
}

function describeClaim(
  claim: PersistentVolumeClaim,
  { events, pods }: Related,
  now: number,
): readonly string[] {
  const { metadata = {}, spec = {}, status = {} } = claim;
  const { deletionTimestamp } = metadata;
  const [, , ...labelsAndAnnotations] = head(metadata);
  const source = spec.dataSource;
  return [
    field('Name', metadata.name ?? ''),
    field('Namespace', metadata.namespace ?? ''),
    field('StorageClass', spec.storageClassName ?? ''),
    field(
      'Status',
      deletionTimestamp === undefined
        ? phaseOf(claim, 'Pending')
        : `Terminating (lasts ${age(deletionTimestamp, now)})`,
    ),
    field('Volume', spec.volumeName ?? ''),
    ...labelsAndAnnotations,
    field('Finalizers', goList(metadata.finalizers)),
    field('Capacity', status.capacity?.storage ?? (spec.volumeName === undefined ? '' : 0)),
    field('Access Modes', formatAccessModes(status.accessModes)),
    ...optional('VolumeMode', spec.volumeMode),
    ...(source === undefined
      ? []
      : [
          'DataSource:',
          ...optional('APIGroup', source.apiGroup, 1),
          field('Kind', source.kind ?? '', 1),
          field('Name', source.name ?? '', 1),
        ]),
    ...multiline('Used By', usersOf(claim, pods as readonly Pod[] | undefined)),
    ...eventLines(events, now),
  ];
}

export const CONFIG_DESCRIBERS = {
  ConfigMap: describeConfigMap,
  Secret: describeSecret,
  Namespace: describeNamespace,
  ServiceAccount: describeServiceAccount,
  PersistentVolumeClaim: describeClaim,
} as const satisfies Readonly<Record<string, Describer>>;
