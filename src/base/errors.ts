/**
 * The two ways something can go wrong.
 *
 * A mistake of the user's is a {@link UserError}: one clear line (what, where, why) and, where there is one, a hint
 * that says what to do. Everything else that is thrown is a bug and shows its stack.
 * Mistakes inside a pod spec are values, not exceptions: see `kube/field-error.ts`.
 */
export class UserError extends Error {
  /** What the user can do about it; printed on a line of its own. */
  readonly hint: string | undefined;

  constructor(message: string, options: { hint?: string | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'UserError';
    this.hint = options.hint;
  }
}

/** The errno word of a failed Node call (`ENOENT`…), or undefined. */
export function errnoCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
