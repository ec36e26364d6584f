import { UserError } from '../base/errors.ts';
import { type FieldError, formatInvalid } from './field-error.ts';
import type { ObjectSource } from './manifest.ts';

/** An object that the API server would refuse: its own words, and below them where each field stands. */
export class InvalidObjectError extends UserError {
  readonly errors: readonly FieldError[];

  constructor(
    { kind, name, source }: { readonly kind: string; readonly name: string; readonly source: ObjectSource },
    errors: readonly FieldError[],
    hint?: string,
  ) {
    super(
      `${formatInvalid(kind, name, errors)}\n${placesOf(
        source,
        errors.map(({ path }) => path),
      )}`,
      { hint },
    );
    this.name = 'InvalidObjectError';
    this.errors = errors;
  }
}

/** `  file:line:column: path`, a line each. */
export function placesOf(source: ObjectSource, paths: readonly string[]): string {
  const places = paths.map(path => {
    const { line, column } = source.locate(asWritten(path));
    return `  ${source.file}:${line}:${column}: ${path}`;
  });
  return [...new Set(places)].join('\n');
}

/** The API server's own Pod has some fields elsewhere than a manifest, and names a few as Go does. */
export function asWritten(path: string): string {
  return path
    .replace(/^spec\.securityContext\.(?=host|shareProcessNamespace)/, 'spec.')
    .replace(/^spec\.Host/, 'spec.host');
}
