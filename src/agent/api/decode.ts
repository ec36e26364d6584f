import { decodeDefinition } from '../../kube/decode-json.ts';
import { KINDS } from '../../kube/schema.generated.ts';
import { badRequest } from '../api-error.ts';
import type { ApiObject } from '../objects.ts';
import type { ServedType } from '../resources.ts';
import { isRecord } from './body.ts';

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

/** The `fieldValidation` of a request; Warn is the API server's own choice. Throws an ApiError (400). */
export function fieldValidationOf(query: URLSearchParams): FieldValidation {
  const text = query.get('fieldValidation') ?? '';
  if (text === '') return 'Warn';
  if (text === 'Strict' || text === 'Warn' || text === 'Ignore') return text;
  throw badRequest(
    `fieldValidation: Unsupported value: ${JSON.stringify(text)}: supported values: "Ignore", "Strict", "Warn"`,
  );
}

export const apiVersionOf = ({ group, version }: Pick<ServedType, 'group' | 'version'>): string =>
  group === '' ? version : `${group}/${version}`;

/** The definition of the schema table that objects of a type follow. */
export function definitionOf(type: ServedType): string {
  const definition = KINDS[`${apiVersionOf(type)}/${type.kind}`];
  if (definition === undefined) throw new Error(`bug in podspace: no definition of ${type.kind}`);
  return definition;
}

/**
 * A parsed body as an object of a type. What is unknown is refused, told or passed over, as the request says. Throws an
 * ApiError (400) in the API server's words.
 */
export function decodeObject(
  type: ServedType,
  value: unknown,
  validation: FieldValidation,
  warn: (message: string) => void,
): ApiObject {
  const apiVersion = apiVersionOf(type);
  const cannot = (why: string): Error =>
    badRequest(
      `${type.kind} in version ${JSON.stringify(type.version)} cannot be handled as a ${type.kind}: ${why}`,
    );
  if (!isRecord(value)) throw cannot('json: cannot unmarshal into Go value of type map[string]interface {}');
  if (value.kind !== undefined && value.kind !== '' && value.kind !== type.kind)
    throw badRequest(
      `${String(value.kind)} in version ${JSON.stringify(
        String(value.apiVersion ?? '')
          .split('/')
          .at(-1),
      )} cannot be handled as a ${type.kind}: converting (${String(value.kind)}) to (${type.kind}): unknown conversion`,
    );
  if (value.apiVersion !== undefined && value.apiVersion !== '' && value.apiVersion !== apiVersion)
    throw badRequest(
      `the API version in the data (${String(value.apiVersion)}) does not match the expected API version (${apiVersion})`,
    );
  const { object, unknown, error } = decodeDefinition(definitionOf(type), value);
  if (error !== undefined) throw cannot(error);
  if (validation === 'Strict' && unknown.length > 0)
    throw cannot(`strict decoding error: ${unknown.join(', ')}`);
  if (validation === 'Warn') for (const message of unknown) warn(message);
  const { metadata } = object as Partial<ApiObject>;
  return { ...object, apiVersion, kind: type.kind, metadata: metadata ?? {} };
}
