import { type ConfigError, fromBase64, isReferred, type PodObjects } from './environment.ts';
import type { KeyToPath, Pod, Volume } from './types.generated.ts';

/** The files of a configMap or secret volume. */
export interface VolumeFiles {
  readonly files: readonly { readonly path: string; readonly mode: number; readonly data: Uint8Array }[];
}

/** What a configMap or secret volume holds; the error texts are the kubelet's. */
export function volumeFiles(pod: Pod, volume: Volume, objects: PodObjects): VolumeFiles | ConfigError {
  if (volume.configMap !== undefined) {
    const { name = '', items, optional = false, defaultMode = 0o644 } = volume.configMap;
    const found = objects.configMaps.find(map => isReferred(map, pod, name));
    if (found === undefined) return optional ? { files: [] } : { error: `configmap "${name}" not found` };
    return select(
      dataOf(found.data, found.binaryData),
      items,
      optional,
      defaultMode,
      'configmap references non-existent config key',
    );
  }
  const { secretName = '', items, optional = false, defaultMode = 0o644 } = volume.secret ?? {};
  const found = objects.secrets.find(secret => isReferred(secret, pod, secretName));
  if (found === undefined) return optional ? { files: [] } : { error: `secret "${secretName}" not found` };
  return select(
    dataOf(found.stringData, found.data),
    items,
    optional,
    defaultMode,
    'references non-existent secret key',
  );
}

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

function select(
  data: Data,
  items: readonly KeyToPath[] | undefined,
  optional: boolean,
  defaultMode: number,
  missing: string,
): VolumeFiles | ConfigError {
  const wanted = items ?? [...data.keys()].sort().map(key => ({ key, path: key }) as KeyToPath);
  const files: { path: string; mode: number; data: Uint8Array }[] = [];
  for (const { key, path, mode } of wanted) {
    const bytes = data.get(key);
    if (bytes !== undefined) files.push({ path, mode: mode ?? defaultMode, data: bytes });
    else if (!optional) return { error: `${missing}: ${key}` };
  }
  return { files };
}
