import { UserError } from '../base/errors.ts';
import { type FieldError, formatFieldError, formatInvalid } from './field-error.ts';
import type { ObjectSource } from './manifest.ts';

/** What is wrong with a field, in the API server's words, and where a manifest has it. */
export interface InvalidField {
  readonly message: string;
  readonly path: string;
}

export function invalidFields(errors: readonly FieldError[]): readonly InvalidField[] {
  return errors.map(error => ({ message: formatFieldError(error), path: error.path }));
}

/** An object that the API server would refuse: its own words, and below them where each field stands. */
export class InvalidObjectError extends UserError {
  readonly source: ObjectSource;
  readonly fields: readonly InvalidField[];

  constructor(
    { kind, name, source }: { readonly kind: string; readonly name: string; readonly source: ObjectSource },
    fields: readonly InvalidField[],
    hint?: string,
  ) {
    const causes = fields.map(({ message }) => message);
    const places = placesOf(
      source,
      fields.map(({ path }) => path),
    );
    super(`${formatInvalid(kind, name, causes)}\n${places}`, { hint });
    this.name = 'InvalidObjectError';
    this.source = source;
    this.fields = fields;
  }
}

/** Several of them: each is told. */
export class InvalidObjectsError extends UserError {
  readonly objects: readonly InvalidObjectError[];

  constructor(objects: readonly InvalidObjectError[]) {
    super(objects.map(({ message }) => message).join('\n'));
    this.name = 'InvalidObjectsError';
    this.objects = objects;
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
