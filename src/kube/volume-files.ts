import { downwardFile } from './downward-api.ts';
import { type ConfigError, fromBase64, isReferred, type PodObjects } from './environment.ts';
import type { NodeCapacity } from './resources.ts';
import type { DownwardAPIVolumeFile, KeyToPath, Pod, Volume, VolumeProjection } from './types.generated.ts';

/** The files of a volume that the kubelet writes. */
export interface VolumeFiles {
  readonly files: readonly { readonly path: string; readonly mode: number; readonly data: Uint8Array }[];
}

type Files = VolumeFiles['files'];

/** Whether a volume's files are written by the kubelet: then it is read-only, and changes with what it is made of. */
export function hasWrittenFiles({ configMap, secret, downwardAPI, projected }: Volume): boolean {
  return [configMap, secret, downwardAPI, projected].some(source => source !== undefined);
}

/** What a configMap, secret, downwardAPI or projected volume holds; the error texts are the kubelet's. */
export function volumeFiles(
  pod: Pod,
  volume: Volume,
  objects: PodObjects,
  capacity: NodeCapacity,
): VolumeFiles | ConfigError {
  const { configMap, secret, downwardAPI, projected } = volume;
  const { defaultMode = 0o644 } = configMap ?? secret ?? downwardAPI ?? projected ?? {};
  const all = projectionsOf(volume).map(source => filesOf(pod, source, objects, defaultMode, capacity));
  const errors = [...new Set(all.flatMap(each => ('error' in each ? [each.error] : [])))];
  // As k8s.io/apimachinery's Aggregate prints.
  if (errors.length > 0) return { error: errors.length === 1 ? (errors[0] ?? '') : `[${errors.join(', ')}]` };
  // A later source wins where two have one path.
  const byPath = new Map(
    all.flatMap(each => ('error' in each ? [] : each.files.map(file => [clean(file.path), file] as const))),
  );
  return { files: [...byPath].map(([path, file]) => ({ ...file, path })) };
}

/** Every volume of written files as the sources of a projected one. */
export function projectionsOf({
  configMap,
  secret,
  downwardAPI,
  projected,
}: Volume): readonly VolumeProjection[] {
  if (projected !== undefined) return projected.sources ?? [];
  if (configMap !== undefined) return [{ configMap }];
  if (downwardAPI !== undefined) return [{ downwardAPI }];
  if (secret === undefined) return [];
  const { secretName, ...rest } = secret;
  return [{ secret: { ...rest, ...(secretName === undefined ? {} : { name: secretName }) } }];
}

function filesOf(
  pod: Pod,
  { configMap, secret, downwardAPI }: VolumeProjection,
  objects: PodObjects,
  mode: number,
  capacity: NodeCapacity,
): VolumeFiles | ConfigError {
  if (configMap !== undefined) {
    const { name = '', optional = false } = configMap;
    const found = objects.configMaps.find(map => isReferred(map, pod, name));
    if (found === undefined && !optional) return { error: `configmap "${name}" not found` };
    const data = dataOf(found?.data, found?.binaryData);
    return select(data, configMap, mode, 'configmap references non-existent config key');
  }
  if (secret !== undefined) {
    const { name = '', optional = false } = secret;
    const found = objects.secrets.find(each => isReferred(each, pod, name));
    if (found === undefined && !optional) return { error: `secret "${name}" not found` };
    const data = dataOf(found?.stringData, found?.data);
    return select(data, secret, mode, 'references non-existent secret key');
  }
  return downwardFiles(pod, downwardAPI?.items ?? [], mode, capacity);
}

function downwardFiles(
  pod: Pod,
  items: readonly DownwardAPIVolumeFile[],
  defaultMode: number,
  capacity: NodeCapacity,
): VolumeFiles | ConfigError {
  const encoder = new TextEncoder();
  const files: Files[number][] = [];
  for (const item of items) {
    const text = downwardFile(pod, item, capacity);
    if (typeof text !== 'string') return text;
    files.push({ path: item.path, mode: item.mode ?? defaultMode, data: encoder.encode(text) });
  }
  return { files };
}

/** filepath.Clean of a path that has no `..`. */
const clean = (path: string): string =>
  path
    .split('/')
    .filter(part => part !== '' && part !== '.')
    .join('/');

type Data = ReadonlyMap<string, Uint8Array>;

function dataOf(
  text: Readonly<Record<string, string>> | undefined,
  base64: Readonly<Record<string, string>> | undefined,
): Data {
  const encoder = new TextEncoder();
  return new Map([
    ...Object.entries(base64 ?? {}).map(([key, value]) => [key, fromBase64(value)] as const),
    ...Object.entries(text ?? {}).map(([key, value]) => [key, encoder.encode(value)] as const),
  ]);
}

/** MakePayload of the kubelet's configMap and secret volumes. */
function select(
  data: Data,
  { items = [], optional = false }: { readonly items?: readonly KeyToPath[]; readonly optional?: boolean },
  defaultMode: number,
  missing: string,
): VolumeFiles | ConfigError {
  const wanted: readonly KeyToPath[] =
    items.length > 0 ? items : [...data.keys()].sort().map(key => ({ key, path: key }));
  const files: Files[number][] = [];
  for (const { key, path, mode } of wanted) {
    const bytes = data.get(key);
    if (bytes !== undefined) files.push({ path, mode: mode ?? defaultMode, data: bytes });
    else if (!optional) return { error: `${missing}: ${key}` };
  }
  return { files };
}
