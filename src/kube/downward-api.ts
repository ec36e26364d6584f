import { quote } from '../base/go-quote.ts';
import type { ConfigError } from './environment.ts';
import { type NodeCapacity, resourceField } from './resources.ts';
import type { DownwardAPIVolumeFile, Pod } from './types.generated.ts';

/** The text of a file of a downwardAPI volume (collectDownwardAPIData of the kubelet). */
export function downwardFile(
  pod: Pod,
  { fieldRef, resourceFieldRef }: DownwardAPIVolumeFile,
  capacity: NodeCapacity,
): string | ConfigError {
  if (fieldRef !== undefined) return metadataField(pod, fieldRef.fieldPath);
  const { containerName = '', resource = '', divisor } = resourceFieldRef ?? {};
  const all = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const container = all.find(({ name }) => name === containerName);
  if (container === undefined) return { error: `container ${containerName} not found` };
  return resourceField(container, resource, divisor, capacity);
}

/** ExtractFieldPathAsString of pkg/fieldpath: what of a pod a volume can show. */
function metadataField({ metadata = {} }: Pod, path: string): string | ConfigError {
  const subscript = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path);
  if (subscript !== null) {
    const map = metadata[subscript[1] as 'labels' | 'annotations'] ?? {};
    const key = subscript[2] ?? '';
    return Object.hasOwn(map, key) ? (map[key] ?? '') : '';
  }
  const values: Readonly<Record<string, string | undefined>> = {
    'metadata.annotations': formatMap(metadata.annotations ?? {}),
    'metadata.labels': formatMap(metadata.labels ?? {}),
    'metadata.name': metadata.name,
    'metadata.namespace': metadata.namespace,
    'metadata.uid': metadata.uid,
  };
  return (
    (Object.hasOwn(values, path) ? values[path] : undefined) ?? { error: `unsupported fieldPath: ${path}` }
  );
}

/** FormatMap: `key="value"` by line, keys in order, no line end after the last. */
function formatMap(map: Readonly<Record<string, string>>): string {
  return Object.keys(map)
    .sort()
    .map(key => `${key}=${quote(map[key] ?? '')}`)
    .join('\n');
}
