import type { ServedType } from './resources.ts';

/** One of several things that are wrong (metav1.StatusCause). */
export interface StatusCause {
  readonly reason?: string;
  readonly message?: string;
  readonly field?: string;
}

/** What the API server answers in place of an object (metav1.Status). */
export interface Status {
  readonly kind: 'Status';
  readonly apiVersion: 'v1';
  readonly metadata: Readonly<Record<string, never>>;
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: string;
  readonly details?: StatusDetails;
  readonly code: number;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

/** Reasons of metav1, with their HTTP codes. */
const CODES = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
} as const;

export type StatusReason = keyof typeof CODES;

/** A request that is refused; what is thrown is what is answered. The words are those of apimachinery/pkg/api/errors. */
export class ApiError extends Error {
  readonly status: Status;

  constructor(reason: StatusReason, message: string, details?: StatusDetails) {
    super(message);
    this.name = 'ApiError';
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      reason,
      ...(details === undefined ? {} : { details }),
      code: CODES[reason],
    };
  }

  get code(): number {
    return this.status.code;
  }
}

type Named = Pick<ServedType, 'group' | 'resource'>;

const qualified = ({ group, resource }: Named): string => (group === '' ? resource : `${resource}.${group}`);

const detailsOf = ({ group, resource }: Named, name: string): StatusDetails => ({
  ...(name === '' ? {} : { name }),
  ...(group === '' ? {} : { group }),
  kind: resource,
});

export const notFound = (type: Named, name: string): ApiError =>
  new ApiError('NotFound', `${qualified(type)} ${JSON.stringify(name)} not found`, detailsOf(type, name));

export const alreadyExists = (type: Named, name: string): ApiError =>
  new ApiError(
    'AlreadyExists',
    `${qualified(type)} ${JSON.stringify(name)} already exists`,
    detailsOf(type, name),
  );

export const conflict = (type: Named, name: string, why: string): ApiError =>
  new ApiError(
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(type)} ${JSON.stringify(name)}: ${why}`,
    detailsOf(type, name),
  );

/** registry.OptimisticLockErrorMsg */
export const STALE =
  'the object has been modified; please apply your changes to the latest version and try again';

export const forbidden = (type: Named, name: string, why: string): ApiError =>
  new ApiError(
    'Forbidden',
    name === '' && why.startsWith('User ')
      ? `${qualified(type)} is forbidden: ${why}`
      : `${qualified(type)} ${JSON.stringify(name)} is forbidden: ${why}`,
    detailsOf(type, name),
  );

export const badRequest = (message: string): ApiError => new ApiError('BadRequest', message);

/** A watch that begins before what is still known. */
export const expired = (asked: string, oldest: string): ApiError =>
  new ApiError('Expired', `too old resource version: ${asked} (${oldest})`);

/** An object of the API server's that is not valid: all causes, and kubectl's sentence for them. */
export function invalid(
  { group, kind }: { readonly group: string; readonly kind: string },
  name: string,
  causes: readonly StatusCause[],
): ApiError {
  const messages = causes.map(({ field, message }) => `${field}: ${message}`);
  const [first = ''] = messages;
  const all = messages.length > 1 ? `[${messages.join(', ')}]` : first;
  const head = group === '' ? kind : `${kind}.${group}`;
  return new ApiError('Invalid', `${head} ${JSON.stringify(name)} is invalid: ${all}`, {
    name,
    ...(group === '' ? {} : { group }),
    kind,
    causes,
  });
}

/** Somebody has too much open at once. */
export const tooManyRequests = (): ApiError =>
  new ApiError('TooManyRequests', 'too many requests, please try again later', { retryAfterSeconds: 1 });
