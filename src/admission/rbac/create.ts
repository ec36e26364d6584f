import type { Namespace } from '../../kube/types.generated.ts';
import type { RbacObject } from './objects.ts';

/** What `create` makes of its flags: the object, or the error that kubectl would print; warnings come before both. */
export type Built<T extends RbacObject | Namespace> =
  | { readonly object: T; readonly warnings: readonly string[] }
  | { readonly error: string; readonly warnings: readonly string[] };

export const failed = (
  error: string,
  warnings: readonly string[] = [],
): { readonly error: string; readonly warnings: readonly string[] } => ({ error, warnings });

/** Why the words of the command line are no name, or undefined (NameFromCommandArgs). */
export function nameError(names: readonly string[]): string | undefined {
  if (names.length !== 1) return `exactly one NAME is required, got ${names.length}`;
  return names[0] === '' ? 'name must be specified' : undefined;
}

/** The values of a flag that takes lists: `--verb=get,list --verb=watch` (pflag's StringSlice). */
export function listed(values: readonly string[] = []): readonly string[] {
  return values.flatMap(value => (value === '' ? [] : value.split(',')));
}
