import { isMap, isScalar, isSeq } from 'yaml';
import { Decoder, type ValidateMode } from './decode.ts';
import { KINDS } from './schema.generated.ts';
import {
  ManifestError,
  type Position,
  parseSource,
  type SourceDocument,
  type SourceError,
} from './source.ts';
import { closest } from './suggest.ts';
import type { ConfigMap, PersistentVolumeClaim, Pod, PodTemplateSpec, Secret } from './types.generated.ts';

/** Where an object was read, and the way back from a field to its line. */
export interface ObjectSource {
  readonly file: string;
  /** The place of a field (`spec.containers[0].image`), or of the nearest thing above it that is written down. */
  locate(path: string): Position;
}

export interface LoadedPod {
  /** Decoded, not yet defaulted. */
  readonly pod: Pod;
  readonly source: ObjectSource;
  /** Its name was made from its generateName. */
  readonly isNameGenerated?: boolean;
  /** The workload whose template this is. */
  readonly owner?: { readonly kind: string; readonly name: string };
}

export interface LoadedObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly object: Readonly<Record<string, unknown>>;
  readonly source: ObjectSource;
}

export interface Manifest {
  /** Every object, in order. */
  readonly all: readonly LoadedObject[];
  readonly pods: readonly LoadedPod[];
  readonly configMaps: readonly ConfigMap[];
  readonly secrets: readonly Secret[];
  readonly claims: readonly PersistentVolumeClaim[];
  /** All objects that are neither pods nor workloads. */
  readonly objects: readonly LoadedObject[];
  /** Objects of known kinds that running a pod does not need. */
  readonly others: readonly LoadedObject[];
  readonly warnings: readonly string[];
}

export interface LoadOptions {
  readonly validate?: ValidateMode;
}

/** Reads all objects of some files. Throws a {@link ManifestError} with every mistake of all of them. */
export function loadManifest(
  files: readonly { readonly file: string; readonly text: string }[],
  options: LoadOptions = {},
): Manifest {
  const errors: SourceError[] = [];
  const warnings: string[] = [];
  const objects: LoadedObject[] = [];
  for (const { file, text } of files) {
    const documents = parseSource(file, text, errors);
    if (errors.some(error => error.file === file)) continue;
    for (const document of documents) {
      const decoder = new Decoder(document, options.validate ?? 'strict');
      objects.push(...decodeObjects(decoder, document, document.root));
      errors.push(...decoder.errors);
      warnings.push(...decoder.warnings);
    }
  }
  const pods = objects.flatMap(podsOf);
  errors.push(...duplicates(pods));
  if (errors.length > 0)
    throw new ManifestError(errors, new Map(files.map(({ file, text }) => [file, text])));
  const ofKind = <T>(kind: string): T[] =>
    objects.filter(object => object.kind === kind).map(({ object }) => object as T);
  return {
    all: objects,
    pods,
    configMaps: ofKind<ConfigMap>('ConfigMap'),
    secrets: ofKind<Secret>('Secret'),
    claims: ofKind<PersistentVolumeClaim>('PersistentVolumeClaim'),
    objects: objects.filter(({ kind }) => kind !== 'Pod' && TEMPLATES[kind] === undefined),
    others: objects.filter(({ kind }) => !TAKEN.includes(kind) && TEMPLATES[kind] === undefined),
    warnings,
  };
}

/** Kinds that pods are, or take something from. */
const TAKEN = ['Pod', 'ConfigMap', 'Secret', 'PersistentVolumeClaim'];

/** What the items of a list take from it: those of a PodList need not say that they are Pods. */
interface OuterList {
  readonly depth: number;
  readonly apiVersion?: string;
  readonly kind?: string;
}

/** Lists of lists of lists; with aliases they could go on for ever. */
const MAX_LISTS = 10;

/** The objects of one node: itself, or the items of a list. */
function decodeObjects(
  decoder: Decoder,
  document: SourceDocument,
  node: unknown,
  list: OuterList = { depth: 0 },
): LoadedObject[] {
  const root = document.resolve(node);
  if (root === null || root === undefined || (isScalar(root) && root.value === null)) return [];
  if (!isMap(root)) {
    decoder.error(root, 'expected a Kubernetes object');
    return [];
  }
  const pairs = decoder.pairs(root);
  const text = (key: string): string | undefined => {
    const value = document.resolve(pairs.find(pair => pair.key === key)?.value);
    return isScalar(value) && typeof value.value === 'string' ? value.value : undefined;
  };
  const [apiVersion, kind] = [text('apiVersion') ?? list.apiVersion, text('kind') ?? list.kind];
  if (apiVersion === undefined || kind === undefined) {
    decoder.error(root, `${apiVersion === undefined ? 'apiVersion' : 'kind'}: Required value`);
    return [];
  }
  if (kind.endsWith('List')) {
    if (list.depth === MAX_LISTS) {
      decoder.error(root, 'lists are nested too deeply');
      return [];
    }
    const inner = kind === 'List' ? {} : { apiVersion, kind: kind.slice(0, -'List'.length) };
    return decodeList(decoder, document, pairs, { ...inner, depth: list.depth + 1 });
  }
  const id = `${apiVersion}/${kind}`;
  const definition = Object.hasOwn(KINDS, id) ? KINDS[id] : undefined;
  if (definition === undefined) {
    const near =
      closest(id, Object.keys(KINDS)) ??
      Object.keys(KINDS)
        .map(name => ({ name }))
        .find(({ name }) => name.endsWith(`/${kind}`));
    decoder.error(
      root,
      `no matches for kind "${kind}" in version "${apiVersion}"`,
      near === undefined ? undefined : `did you mean "${near.name}"?`,
    );
    return [];
  }
  const object = decoder.object(root, definition, '');
  return [
    {
      apiVersion,
      kind,
      object,
      source: { file: document.file, locate: path => locate(document, root, path) },
    },
  ];
}

function decodeList(
  decoder: Decoder,
  document: SourceDocument,
  pairs: ReturnType<Decoder['pairs']>,
  list: OuterList,
): LoadedObject[] {
  const items = document.resolve(pairs.find(({ key }) => key === 'items')?.value);
  if (!isSeq(items)) return [];
  return items.items.flatMap(item => decodeObjects(decoder, document, item, list));
}

/** Follows a field path down the nodes, as far as it is written; `annotations[example.org/a]` is a key with dots of its own. */
function locate(document: SourceDocument, root: unknown, path: string): Position {
  let node: unknown = root;
  let place: unknown = root;
  for (const [, name, index, key] of path.matchAll(/([^.[\]]+)|\[(\d+)\]|\[([^\]]+)\]/g)) {
    const at = document.resolve(node);
    const step = index === undefined ? (name ?? key) : Number(index);
    if (isSeq(at) && typeof step === 'number') node = at.items[step];
    else if (isMap(at)) {
      const pair = at.items.find(({ key }) => isScalar(key) && key.value === step);
      node = pair?.value;
      if (pair !== undefined) place = pair.key;
    } else node = undefined;
    if (node === undefined || node === null) break;
    if (typeof step === 'number') place = node;
  }
  return document.position(place);
}

/** Where each workload keeps its pod template. */
const TEMPLATES: Readonly<Record<string, (object: WorkloadLike) => PodTemplateSpec | undefined>> = {
  Deployment: ({ spec }) => spec?.template,
  StatefulSet: ({ spec }) => spec?.template,
  DaemonSet: ({ spec }) => spec?.template,
  ReplicaSet: ({ spec }) => spec?.template,
  ReplicationController: ({ spec }) => spec?.template,
  Job: ({ spec }) => spec?.template,
  CronJob: ({ spec }) => spec?.jobTemplate?.spec?.template,
};

const TEMPLATE_PATHS: Readonly<Record<string, string>> = { CronJob: 'spec.jobTemplate.spec.template' };

interface WorkloadLike {
  readonly metadata?: Pod['metadata'];
  readonly spec?: {
    readonly template?: PodTemplateSpec;
    readonly jobTemplate?: { readonly spec?: { readonly template?: PodTemplateSpec } };
  };
}

function podsOf(loaded: LoadedObject): LoadedPod[] {
  if (loaded.kind === 'Pod') return [{ pod: loaded.object as unknown as Pod, source: loaded.source }];
  const object = loaded.object as WorkloadLike;
  const template = TEMPLATES[loaded.kind]?.(object);
  if (template === undefined) return [];
  const name = object.metadata?.name ?? '';
  const prefix = TEMPLATE_PATHS[loaded.kind] ?? 'spec.template';
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...template.metadata, name, namespace: object.metadata?.namespace },
    spec: template.spec,
  };
  return [
    {
      pod: pod as Pod,
      source: { ...loaded.source, locate: path => loaded.source.locate(`${prefix}.${path}`) },
      owner: { kind: loaded.kind, name },
    },
  ];
}

function duplicates(pods: readonly LoadedPod[]): SourceError[] {
  const seen = new Map<string, LoadedPod>();
  const errors: SourceError[] = [];
  // A pod without a name has generateName, or validation says that it is missing.
  for (const loaded of pods.filter(({ pod }) => pod.metadata?.name)) {
    const key = `${loaded.pod.metadata?.namespace ?? 'default'}/${loaded.pod.metadata?.name ?? ''}`;
    const first = seen.get(key);
    if (first === undefined) seen.set(key, loaded);
    else {
      const { line } = first.source.locate('metadata.name');
      errors.push({
        file: loaded.source.file,
        ...loaded.source.locate('metadata.name'),
        message: `pods ${JSON.stringify(key.split('/')[1])} already exists`,
        hint: `the first one is at ${first.source.file}:${line}`,
      });
    }
  }
  return errors;
}
