import { type FieldError, forbidden, invalid, notSupported, required, tooLong } from './field-error.ts';
import { configKeyErrors, subdomainErrors } from './names.ts';
import { exactQuantity } from './quantity-order.ts';
import type {
  ConfigMap,
  ObjectMeta,
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  Secret,
} from './types.generated.ts';

/** MaxSecretSize, also of ConfigMaps. */
const MAX_SIZE = 1 << 20;

type Texts = Readonly<Record<string, string>>;

const sizeOf = (texts: Texts): number =>
  Object.values(texts).reduce((sum, text) => sum + new TextEncoder().encode(text).length, 0);
const decodedSizeOf = (texts: Texts): number =>
  Object.values(texts).reduce(
    (sum, text) => sum + Math.floor((text.replace(/[\s=]/g, '').length * 3) / 4),
    0,
  );

function validateName(metadata: ObjectMeta | undefined): readonly FieldError[] {
  const { name = '', generateName } = metadata ?? {};
  if (name === '')
    return generateName === undefined ? [required('metadata.name', 'name or generateName is required')] : [];
  return subdomainErrors(name).map(detail => invalid('metadata.name', name, detail));
}

const validateKeys = (field: string, texts: Texts): readonly FieldError[] =>
  Object.keys(texts).flatMap(key =>
    configKeyErrors(key).map(detail => invalid(`${field}[${key}]`, key, detail)),
  );

/** Values of bytes; in a Secret they are not to be seen in an error. */
const validateBase64 = (field: string, texts: Texts): readonly FieldError[] =>
  Object.entries(texts).flatMap(([key, text]) =>
    isBase64(text) ? [] : [invalid(`${field}[${key}]`, '<contents redacted>', 'illegal base64 data')],
  );

/** Go's base64.StdEncoding, which passes over line ends. */
function isBase64(text: string): boolean {
  const bare = text.replace(/[\r\n]/g, '');
  return bare.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(bare);
}

/** ValidateConfigMap. */
export function validateConfigMap({
  metadata,
  data = {},
  binaryData = {},
}: ConfigMap): readonly FieldError[] {
  const twice = (field: string, own: Texts, other: Texts, name: string): readonly FieldError[] =>
    Object.keys(own)
      .filter(key => Object.hasOwn(other, key))
      .map(key => invalid(`${field}[${key}]`, key, `duplicate of key present in ${name}`));
  return [
    ...validateName(metadata),
    ...validateKeys('data', data),
    ...twice('data', data, binaryData, 'binaryData'),
    ...validateKeys('binaryData', binaryData),
    ...twice('binaryData', binaryData, data, 'data'),
    ...validateBase64('binaryData', binaryData),
    ...(sizeOf(data) + decodedSizeOf(binaryData) > MAX_SIZE ? [tooLong('', MAX_SIZE)] : []),
  ];
}

/** Keys that a Secret of a type must have; of `kubernetes.io/basic-auth` one is enough. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
};
const BASIC_AUTH = ['username', 'password'];

/** ValidateSecret, of a Secret as {@link setSecretDefaults} makes it. */
export function validateSecret({ metadata, data = {}, type = '' }: Secret): readonly FieldError[] {
  const needed =
    type === 'kubernetes.io/basic-auth' && !BASIC_AUTH.some(key => Object.hasOwn(data, key))
      ? BASIC_AUTH
      : (NEEDED[type] ?? []).filter(key => !Object.hasOwn(data, key));
  return [
    ...validateName(metadata),
    ...validateKeys('data', data),
    ...validateBase64('data', data),
    ...(decodedSizeOf(data) > MAX_SIZE ? [tooLong('data', MAX_SIZE)] : []),
    ...needed.map(key => required(`data[${key}]`)),
  ];
}

/** `stringData` is written only: it goes over `data`, and is never read back. */
export function setSecretDefaults<T extends Secret>({ stringData, ...secret }: T): Secret {
  const bytes = (text: string): string =>
    Array.from(new TextEncoder().encode(text), byte => String.fromCharCode(byte)).join('');
  const texts = Object.entries(stringData ?? {}).map(([key, text]) => [key, btoa(bytes(text))] as const);
  const data = { ...secret.data, ...Object.fromEntries(texts) };
  return { ...secret, ...(Object.keys(data).length === 0 ? {} : { data }), type: secret.type || 'Opaque' };
}

/** What an object that calls itself immutable must keep (ValidateConfigMapUpdate, ValidateSecretUpdate). */
export function validateConfigUpdate(
  before: ConfigMap & Secret,
  after: ConfigMap & Secret,
): readonly FieldError[] {
  const isSame = (field: 'data' | 'binaryData'): boolean =>
    JSON.stringify(sorted(before[field])) === JSON.stringify(sorted(after[field]));
  const detail = 'field is immutable when `immutable` is set';
  const fields = (['data', 'binaryData'] as const).filter(field => !isSame(field));
  return [
    ...((before.type ?? '') === (after.type ?? '')
      ? []
      : [invalid('type', after.type ?? '', 'field is immutable')]),
    ...(before.immutable !== true
      ? []
      : [...(after.immutable === true ? [] : ['immutable']), ...fields].map(field =>
          forbidden(field, detail),
        )),
  ];
}

const sorted = (texts: Texts | undefined): readonly (readonly [string, string])[] =>
  Object.entries(texts ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));

const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
const VOLUME_MODES = ['Block', 'Filesystem'];

/** ValidatePersistentVolumeClaim. */
export function validateClaim({ metadata, spec = {} }: PersistentVolumeClaim): readonly FieldError[] {
  return [...validateName(metadata), ...validateClaimSpec(spec, 'spec')];
}

/** ValidatePersistentVolumeClaimSpec. */
export function validateClaimSpec(spec: PersistentVolumeClaimSpec, path: string): readonly FieldError[] {
  const { accessModes = [], resources, storageClassName, volumeMode } = spec;
  const storage = resources?.requests?.storage;
  const quantity = exactQuantity(storage ?? '');
  const at = `${path}.resources[storage]`;
  return [
    ...(accessModes.length === 0
      ? [required(`${path}.accessModes`, 'at least 1 access mode is required')]
      : []),
    ...accessModes
      .filter(mode => !ACCESS_MODES.includes(mode))
      .map(mode => notSupported(`${path}.accessModes`, mode, ACCESS_MODES)),
    ...(accessModes.includes('ReadWriteOncePod') && accessModes.length > 1
      ? [forbidden(`${path}.accessModes`, 'may not use ReadWriteOncePod with other access modes')]
      : []),
    ...(storage === undefined ? [required(at)] : []),
    ...(storage !== undefined && (quantity === undefined || quantity.nanos <= 0n)
      ? [invalid(at, storage, 'must be greater than zero')]
      : []),
    ...(storageClassName
      ? subdomainErrors(storageClassName).map(detail =>
          invalid(`${path}.storageClassName`, storageClassName, detail),
        )
      : []),
    ...(volumeMode !== undefined && !VOLUME_MODES.includes(volumeMode)
      ? [notSupported(`${path}.volumeMode`, volumeMode, VOLUME_MODES)]
      : []),
  ];
}
