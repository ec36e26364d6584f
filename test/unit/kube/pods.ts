import { setDefaults } from '../../../src/kube/defaults.ts';
import { formatFieldError } from '../../../src/kube/field-error.ts';
import { loadManifest, type Manifest } from '../../../src/kube/manifest.ts';
import { ManifestError, type SourceError } from '../../../src/kube/source.ts';
import type { Container, Pod, PodSpec } from '../../../src/kube/types.generated.ts';
import { validatePod } from '../../../src/kube/validate.ts';

/** A pod as it stands in a file, with one container `c` unless `spec` has its own. */
export function podOf(spec: Partial<PodSpec> = {}, metadata: Pod['metadata'] = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', ...metadata },
    spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
  };
}

/** The same with settings of its one container. */
export function podWith(container: Partial<Container>, spec: Partial<PodSpec> = {}): Pod {
  return podOf({ ...spec, containers: [{ name: 'c', image: 'i', ...container }] });
}

/** What the API server would say, defaults applied. */
export function errorsOf(pod: Pod): readonly string[] {
  return validatePod(setDefaults(pod)).map(formatFieldError);
}

export const load = (text: string, validate?: 'strict' | 'warn' | 'ignore'): Manifest =>
  loadManifest([{ file: 'pod.yaml', text }], { validate });

/** The mistakes of a file; none is a failure of the test. Anything but a ManifestError is thrown on. */
export function mistakesOf(text: string): readonly SourceError[] {
  try {
    load(text);
  } catch (error) {
    if (error instanceof ManifestError) return error.errors;
    throw error;
  }
  throw new Error(`accepted: ${text.slice(0, 200)}`);
}

/** `line:column: message` of each. */
export const placesOf = (text: string): readonly string[] =>
  mistakesOf(text).map(({ line, column, message }) => `${line}:${column}: ${message}`);

export const HEAD =
  'apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    image: i\n';
