import type { FieldError } from '../../kube/field-error.ts';
import { formatGoFieldError, type GoType } from '../go-syntax.ts';

/** What a policy refuses, or what is wrong with a policy itself. */
export interface PolicyError extends FieldError {
  /** Where the field stands in a manifest: upstream's `path`, which the text has, is now and then another. */
  readonly manifestPath: string;
  /** How the value prints, where it is a list. */
  readonly goType?: GoType;
}

export function policyError(
  error: FieldError,
  { manifestPath = error.path, goType }: { readonly manifestPath?: string; readonly goType?: GoType } = {},
): PolicyError {
  return { ...error, manifestPath, ...(goType === undefined ? {} : { goType }) };
}

export function formatPolicyError(error: PolicyError): string {
  return formatGoFieldError(error, error.goType);
}

/** As Go prints a slice of errors: `[e1 e2 e3]`. */
export function formatPolicyErrors(errors: readonly PolicyError[]): string {
  return `[${errors.map(formatPolicyError).join(' ')}]`;
}
