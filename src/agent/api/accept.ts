import { ApiError } from '../api-error.ts';

/** How a client wants to have it: as it is, as a Table, or of each object only its metadata. */
export type Form = 'object' | 'Table' | 'PartialObjectMetadata';

interface Range {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly q: number;
}

function rangesOf(header: string): readonly Range[] {
  return header
    .split(',')
    .map(text => {
      const [type = '', ...rest] = text.split(';').map(part => part.trim());
      const parameters = new Map(
        rest.map(part => {
          const [key = '', value = ''] = part.split('=');
          return [key, value];
        }),
      );
      return { type: type.toLowerCase(), parameters, q: Number(parameters.get('q') ?? 1) };
    })
    .sort((a, b) => b.q - a.q);
}

const JSON_TYPES = ['application/json', 'application/*', '*/*'];
const META = 'meta.k8s.io';

/** The first form of a request's `Accept` that there is. Throws an ApiError (406). */
export function acceptedForm(header: string | undefined): Form {
  if (header === undefined || header.trim() === '') return 'object';
  for (const { type, parameters } of rangesOf(header)) {
    if (!JSON_TYPES.includes(type)) continue;
    const as = parameters.get('as')?.replace(/List$/, '');
    if (as === undefined) return 'object';
    const isKnown = parameters.get('g') === META && ['v1', 'v1beta1'].includes(parameters.get('v') ?? '');
    if (isKnown && (as === 'Table' || as === 'PartialObjectMetadata')) return as;
  }
  throw new ApiError('NotAcceptable', 'only the following media types are accepted: application/json');
}

/** Whether a client of discovery wants all groups at once. */
export function acceptsAggregated(header: string | undefined): boolean {
  return rangesOf(header ?? '').some(
    ({ parameters }) =>
      parameters.get('g') === 'apidiscovery.k8s.io' &&
      parameters.get('v') === 'v2' &&
      parameters.get('as') === 'APIGroupDiscoveryList',
  );
}
