import { UserError } from '../base/errors.ts';
import { type FieldError, formatInvalid } from './field-error.ts';
import type { ObjectSource } from './manifest.ts';
import type { Pod } from './types.generated.ts';

/** A pod that the API server would refuse: its own words, and below them where each field stands. */
export class InvalidPodError extends UserError {
  readonly errors: readonly FieldError[];

  constructor(pod: Pod, source: ObjectSource, errors: readonly FieldError[], hint?: string) {
    const places = errors.map(error => {
      const { line, column } = source.locate(asWritten(error.path));
      return `  ${source.file}:${line}:${column}: ${error.path}`;
    });
    super(`${formatInvalid('Pod', pod.metadata?.name ?? '', errors)}\n${[...new Set(places)].join('\n')}`, {
      hint,
    });
    this.name = 'InvalidPodError';
    this.errors = errors;
  }
}

/** The API server's own Pod has some fields elsewhere than a manifest, and names a few as Go does. */
function asWritten(path: string): string {
  return path
    .replace(/^spec\.securityContext\.(?=host|shareProcessNamespace)/, 'spec.')
    .replace(/^spec\.Host/, 'spec.host');
}
