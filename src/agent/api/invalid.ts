import { ForbiddenPodError } from '../../admission/forbidden.ts';
import { UserError } from '../../base/errors.ts';
import { type FieldError, formatFieldError } from '../../kube/field-error.ts';
import { InvalidObjectError, InvalidObjectsError } from '../../kube/invalid-object.ts';
import { ApiError, forbidden, invalid, type StatusCause } from '../api-error.ts';
import type { ServedType } from '../resources.ts';

/** metav1.CauseType of each type of a field error. */
const REASONS: Readonly<Record<string, string>> = {
  'Required value': 'FieldValueRequired',
  'Invalid value': 'FieldValueInvalid',
  'Unsupported value': 'FieldValueNotSupported',
  Forbidden: 'FieldValueForbidden',
  'Duplicate value': 'FieldValueDuplicate',
  'Not found': 'FieldValueNotFound',
  'Too long': 'FieldValueTooLong',
  'Too many': 'FieldValueTooMany',
};
const CAUSE = new RegExp(`^(.*?): ((${Object.keys(REASONS).join('|')})(?::.*)?)$`, 's');

/** A field error as it stands in the details of a Status. */
export function causeOf(text: string): StatusCause {
  const [, field = '', message = text, words = ''] = CAUSE.exec(text) ?? [];
  return { reason: REASONS[words] ?? 'FieldValueInvalid', message, field };
}

/** Throws an ApiError (422) if there are any. */
export function requireValid(type: ServedType, name: string, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalid(type, name, errors.map(formatFieldError).map(causeOf));
}

/** Runs what throws the errors of the command line, and throws those of the API for them. */
export function asApi<T>(type: ServedType, name: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw apiErrorOf(type, name, error);
  }
}

function apiErrorOf(type: ServedType, name: string, error: unknown): unknown {
  if (error instanceof InvalidObjectsError && error.objects[0] !== undefined)
    return apiErrorOf(type, name, error.objects[0]);
  if (error instanceof InvalidObjectError)
    return invalid(
      type,
      name,
      error.fields.map(({ message }) => causeOf(message)),
    );
  if (error instanceof ForbiddenPodError) {
    const refused = forbidden(type, name, error.denial);
    // The API server's words name no cause where it is no field.
    const hint = error.breaches.find(({ paths }) => paths.length === 0)?.message;
    return hint === undefined ? refused : forbidden(type, name, `${error.denial} (${hint})`);
  }
  if (error instanceof UserError)
    return new ApiError('InternalError', `Internal error occurred: ${error.message}`);
  return error;
}
