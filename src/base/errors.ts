interface UserErrorOptions {
  readonly hint?: string | undefined;
  readonly label?: string;
  readonly cause?: unknown;
}

const USER_ERROR = Symbol.for('podspace.UserError');

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
  /** What is printed before the message in place of "error:"; "" for nothing. */
  readonly label: string | undefined;
  readonly [USER_ERROR] = true;

  /** Parts of podspace are bundles of their own, each with this class: they are one. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: a subclass asks about itself
    if (this !== UserError)
      // biome-ignore lint/complexity/noThisInStatic: a subclass asks about itself
      return Function.prototype[Symbol.hasInstance].call(this, value);
    return value instanceof Error && USER_ERROR in value;
  }

  constructor(message: string, options: UserErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'UserError';
    this.hint = options.hint;
    this.label = options.label;
  }
}

/** A user's mistake in one line, as it is printed. */
export function formatUserError({ message, label = 'error:' }: UserError): string {
  return label === '' ? message : `${label} ${message}`;
}

/** One error of several that are reported together; a single one is itself. */
export function joinUserErrors(errors: readonly UserError[]): UserError {
  const [first, ...others] = errors;
  if (first !== undefined && others.length === 0) return first;
  return new UserError(errors.map(formatUserError).join('\n'), { label: '' });
}

/** The errno word of a failed Node call (`ENOENT`…), or undefined. */
export function errnoCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Why a file cannot be read, without what Node says around it. */
export function fileFailure(error: unknown): string {
  const code = errnoCode(error);
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EISDIR') return 'is a directory';
  const text = error instanceof Error ? error.message : String(error);
  return /^E[A-Z0-9]+: (.*), \w+(?: '.*')?$/s.exec(text)?.[1] ?? text;
}
