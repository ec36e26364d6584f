import { expand } from './expand.ts';
import { type NodeCapacity, resourceField } from './resources.ts';
import type { ConfigMap, Container, EnvVar, PersistentVolumeClaim, Pod, Secret } from './types.generated.ts';

/** The objects a pod can refer to: those of its own file, and of the store. */
export interface PodObjects {
  readonly configMaps: readonly ConfigMap[];
  readonly secrets: readonly Secret[];
  readonly claims?: readonly PersistentVolumeClaim[];
}

/** What `fieldRef` can ask for and only the runtime knows. */
export interface EnvironmentFacts {
  readonly podIPs: readonly string[];
  readonly hostIP: string;
  readonly nodeName: string;
  readonly capacity: NodeCapacity;
}

export interface Environment {
  readonly env: readonly (readonly [name: string, value: string])[];
  readonly warnings: readonly string[];
}

/** Why the container cannot be configured: the kubelet's message of a `CreateContainerConfigError`. */
export interface ConfigError {
  readonly error: string;
}

class ConfigProblem extends Error {}

/** The container's own variables, in order: `envFrom` first, then `env`, each able to use those before it. */
export function resolveEnvironment(
  pod: Pod,
  container: Container,
  objects: PodObjects,
  facts: EnvironmentFacts,
): Environment | ConfigError {
  const values = new Map<string, string>();
  const warnings: string[] = [];
  try {
    for (const [name, value] of fromSources(pod, container, objects, warnings)) values.set(name, value);
    for (const variable of container.env ?? []) {
      const value = variableValue(pod, container, variable, objects, facts, values);
      if (value !== undefined) {
        // A later definition takes the place of the earlier one, in the order of the last.
        values.delete(variable.name);
        values.set(variable.name, value);
      }
    }
  } catch (error) {
    if (error instanceof ConfigProblem) return { error: error.message };
    throw error;
  }
  return { env: [...values], warnings };
}

/** Environment names in a ConfigMap that no shell could use are left out, with a warning, as the kubelet does. */
const ENV_NAME = /^[ -<>-~]+$/;

function* fromSources(
  pod: Pod,
  container: Container,
  objects: PodObjects,
  warnings: string[],
): Generator<readonly [string, string]> {
  for (const source of container.envFrom ?? []) {
    const [ref, kind] =
      source.configMapRef === undefined
        ? [source.secretRef, 'secret' as const]
        : [source.configMapRef, 'configmap' as const];
    if (ref === undefined) continue;
    const data =
      kind === 'configmap'
        ? configMapData(pod, objects, ref.name ?? '')
        : secretData(pod, objects, ref.name ?? '');
    if (data === undefined) {
      if (ref.optional === true) continue;
      throw new ConfigProblem(`${kind} "${ref.name ?? ''}" not found`);
    }
    for (const [key, value] of data) {
      const name = `${source.prefix ?? ''}${key}`;
      if (ENV_NAME.test(name)) yield [name, value];
      else
        warnings.push(
          `container "${container.name}": key "${key}" of ${kind} "${ref.name ?? ''}" is no name for an environment variable and is left out`,
        );
    }
  }
}

function variableValue(
  pod: Pod,
  container: Container,
  variable: EnvVar,
  objects: PodObjects,
  facts: EnvironmentFacts,
  before: ReadonlyMap<string, string>,
): string | undefined {
  const from = variable.valueFrom;
  if (from === undefined) return expand(variable.value ?? '', name => before.get(name));
  if (from.resourceFieldRef !== undefined) {
    const { containerName = container.name, resource, divisor } = from.resourceFieldRef;
    const all = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
    const named = all.find(({ name }) => name === (containerName || container.name));
    if (named === undefined) throw new ConfigProblem(`container ${containerName} not found`);
    return resourceField(named, resource, divisor, facts.capacity);
  }
  if (from.fieldRef !== undefined) return fieldValue(pod, from.fieldRef.fieldPath, facts);
  if (from.configMapKeyRef !== undefined)
    return keyOf(
      configMapData(pod, objects, from.configMapKeyRef.name ?? ''),
      from.configMapKeyRef,
      pod,
      'configmap',
    );
  if (from.secretKeyRef !== undefined)
    return keyOf(secretData(pod, objects, from.secretKeyRef.name ?? ''), from.secretKeyRef, pod, 'secret');
  throw new ConfigProblem(`env "${variable.name}": valueFrom has no source that podspace knows`);
}

const OBJECT_WORDS = { configmap: 'ConfigMap', secret: 'Secret' } as const;

function keyOf(
  data: ReadonlyMap<string, string> | undefined,
  ref: { readonly name?: string; readonly key: string; readonly optional?: boolean },
  pod: Pod,
  kind: keyof typeof OBJECT_WORDS,
): string | undefined {
  const value = data?.get(ref.key);
  if (value !== undefined || ref.optional === true) return value;
  if (data === undefined) throw new ConfigProblem(`${kind} "${ref.name ?? ''}" not found`);
  throw new ConfigProblem(
    `couldn't find key ${ref.key} in ${OBJECT_WORDS[kind]} ${pod.metadata?.namespace ?? 'default'}/${ref.name ?? ''}`,
  );
}

/** The downward API's fields (KEP "downward API"; validated before). */
export function fieldValue(pod: Pod, path: string, facts: EnvironmentFacts): string {
  const metadata = pod.metadata ?? {};
  const subscript = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path);
  if (subscript !== null)
    return metadata[subscript[1] as 'labels' | 'annotations']?.[subscript[2] ?? ''] ?? '';
  const values: Readonly<Record<string, string | undefined>> = {
    'metadata.name': metadata.name,
    'metadata.namespace': metadata.namespace,
    'metadata.uid': metadata.uid,
    'spec.nodeName': facts.nodeName,
    'spec.serviceAccountName': pod.spec?.serviceAccountName,
    'status.hostIP': facts.hostIP,
    'status.hostIPs': facts.hostIP,
    'status.podIP': facts.podIPs[0],
    'status.podIPs': facts.podIPs.join(','),
  };
  const value = Object.hasOwn(values, path) ? values[path] : undefined;
  if (value === undefined) throw new ConfigProblem(`unsupported fieldPath: ${path}`);
  return value;
}

/** The text of a ConfigMap; `binaryData` is for files only, the kubelet does not look there for variables. */
export function configMapData(
  pod: Pod,
  { configMaps }: PodObjects,
  name: string,
): ReadonlyMap<string, string> | undefined {
  const found = configMaps.find(map => isReferred(map, pod, name));
  return found === undefined ? undefined : new Map(Object.entries(found.data ?? {}));
}

/** Values of a Secret as text; for files, their bytes: see volume-files.ts. */
export function secretData(
  pod: Pod,
  { secrets }: PodObjects,
  name: string,
): ReadonlyMap<string, string> | undefined {
  const found = secrets.find(secret => isReferred(secret, pod, name));
  return found === undefined
    ? undefined
    : new Map([...Object.entries(found.data ?? {}).map(decode), ...Object.entries(found.stringData ?? {})]);
}

export function isReferred(object: { readonly metadata?: Pod['metadata'] }, pod: Pod, name: string): boolean {
  return (
    object.metadata?.name === name &&
    (object.metadata.namespace ?? 'default') === (pod.metadata?.namespace ?? 'default')
  );
}

function decode([key, base64]: readonly [string, string]): [string, string] {
  return [key, new TextDecoder('utf-8', { ignoreBOM: true }).decode(fromBase64(base64))];
}

/** atob() is the web's, in Node as everywhere; this folder knows no OS. */
export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replace(/\s+/g, '')), char => char.charCodeAt(0));
}
