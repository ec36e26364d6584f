/**
 * A wrong field of an object, as k8s.io/apimachinery's field.Error: type, path, value and detail, rendered in the words
 * of the API server (Kubernetes ≥ 1.34: values as JSON).
 */
export interface FieldError {
  readonly type: FieldErrorType;
  /** `spec.containers[0].image` */
  readonly path: string;
  readonly badValue?: unknown;
  readonly detail: string;
}

const WORDS = {
  required: 'Required value',
  invalid: 'Invalid value',
  notSupported: 'Unsupported value',
  forbidden: 'Forbidden',
  duplicate: 'Duplicate value',
  notFound: 'Not found',
  tooLong: 'Too long',
  tooMany: 'Too many',
} as const;

export type FieldErrorType = keyof typeof WORDS;

const PRINTS_VALUE: ReadonlySet<FieldErrorType> = new Set([
  'invalid',
  'notSupported',
  'duplicate',
  'notFound',
  'tooMany',
]);

export const required = (path: string, detail = ''): FieldError => ({ type: 'required', path, detail });
export const invalid = (path: string, badValue: unknown, detail: string): FieldError => ({
  type: 'invalid',
  path,
  badValue,
  detail,
});
export const forbidden = (path: string, detail: string): FieldError => ({ type: 'forbidden', path, detail });
export const duplicate = (path: string, badValue: unknown): FieldError => ({
  type: 'duplicate',
  path,
  badValue,
  detail: '',
});
export const notFound = (path: string, badValue: unknown): FieldError => ({
  type: 'notFound',
  path,
  badValue,
  detail: '',
});
export const tooLong = (path: string, maxLength: number): FieldError => ({
  type: 'tooLong',
  path,
  detail: `may not be more than ${maxLength} bytes`,
});
export const tooMany = (path: string, count: number, max: number): FieldError => ({
  type: 'tooMany',
  path,
  badValue: count,
  detail: `must have at most ${max} items`,
});
export const notSupported = (path: string, badValue: unknown, values: readonly string[]): FieldError => ({
  type: 'notSupported',
  path,
  badValue,
  detail: `supported values: ${[...values]
    .sort()
    .map(value => JSON.stringify(value))
    .join(', ')}`,
});

/** `PATH: TYPE: VALUE: DETAIL`. */
export function formatFieldError(error: FieldError): string {
  return formatFieldErrorWith(error, value => JSON.stringify(value) ?? 'null');
}

/** The same with the value in another notation, as older API servers print it. */
export function formatFieldErrorWith(error: FieldError, formatValue: (value: unknown) => string): string {
  const parts = [error.path, WORDS[error.type]];
  if (PRINTS_VALUE.has(error.type)) parts.push(formatValue(error.badValue));
  if (error.detail !== '') parts.push(error.detail);
  return parts.join(': ');
}

/** kubectl's message for an object that the API server finds invalid: one line for one cause, a list for several. */
export function formatInvalid(kind: string, name: string, causes: readonly string[]): string {
  const lines = [...new Set(causes)];
  const head = `The ${kind} ${JSON.stringify(name)} is invalid: `;
  return lines.length === 1 ? `${head}${lines[0]}` : `${head}\n${lines.map(line => `* ${line}`).join('\n')}`;
}
