import { type FieldError, invalid, required, tooLong } from './field-error.ts';
import { labelErrors, subdomainErrors } from './names.ts';
import { labelValueErrors, qualifiedNameErrors } from './qualified-names.ts';
import type { ObjectMeta, Pod, PodSpec } from './types.generated.ts';

/** TotalAnnotationSizeLimitB of apimachinery: keys and values together. */
const MAX_ANNOTATIONS = 256 * 1024;

type Strings = Readonly<Record<string, string>>;

/** Metadata of an object that has a namespace (ValidateObjectMeta); `nameErrors` says what is wrong with a name. */
export function validateObjectMeta(
  metadata: ObjectMeta = {},
  nameErrors: (name: string) => readonly string[],
): readonly FieldError[] {
  const { name = '', generateName = '', namespace = '' } = metadata;
  const errors: FieldError[] = [];
  if (generateName !== '') {
    // What is appended makes a dash at the end right.
    const prefix = generateName.replace(/-$/, 'a');
    errors.push(...nameErrors(prefix).map(detail => invalid('metadata.generateName', generateName, detail)));
  }
  if (name !== '') errors.push(...nameErrors(name).map(detail => invalid('metadata.name', name, detail)));
  else if (generateName === '') errors.push(required('metadata.name', 'name or generateName is required'));
  if (namespace === '') errors.push(required('metadata.namespace'));
  else errors.push(...labelErrors(namespace).map(detail => invalid('metadata.namespace', namespace, detail)));
  return [...errors, ...validateLabelsAndAnnotations({ metadata })];
}

/** Labels and annotations (ValidateObjectMeta). The errors name the map, not the key: so it is in the API server. */
export function validateLabelsAndAnnotations(pod: Pod): readonly FieldError[] {
  const { labels, annotations = {} } = pod.metadata ?? {};
  const path = 'metadata.annotations';
  const encoder = new TextEncoder();
  const size = Object.entries(annotations).reduce(
    (sum, entry) => sum + encoder.encode(entry.join('')).length,
    0,
  );
  return [
    ...validateLabels(labels, 'metadata.labels'),
    ...Object.keys(annotations).flatMap(key =>
      // Annotation keys of old had capitals in their prefix: only the lower-cased key is looked at.
      qualifiedNameErrors(key.toLowerCase()).map(detail => invalid(path, key, detail)),
    ),
    ...(size > MAX_ANNOTATIONS ? [tooLong(path, MAX_ANNOTATIONS)] : []),
  ];
}

export function validateLabels(labels: Strings | undefined, path: string): readonly FieldError[] {
  return Object.entries(labels ?? {}).flatMap(([key, value]) => [
    ...qualifiedNameErrors(key).map(detail => invalid(path, key, detail)),
    ...labelValueErrors(value).map(detail => invalid(path, value, detail)),
  ]);
}

/** Fields that name another object, all of them DNS subdomains. */
const NAMES = ['nodeName', 'serviceAccountName', 'runtimeClassName', 'priorityClassName'] as const;

/** Names of the cluster's objects; podspace does not look them up, but they must be names. */
export function validateObjectNames(spec: PodSpec): readonly FieldError[] {
  const errors = NAMES.flatMap(field => {
    const name = spec[field] ?? '';
    return name === '' ? [] : subdomainErrors(name).map(detail => invalid(`spec.${field}`, name, detail));
  });
  return [...errors, ...validateLabels(spec.nodeSelector, 'spec.nodeSelector')];
}
