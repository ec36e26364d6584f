/** Makes a `switch` or a table exhaustive: the compiler rejects a call that could be reached. */
export function assertNever(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}

/** States what must be so for the program to be right; a failure is a bug in podspace, never of the user's input. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`bug in podspace: ${message}`);
}
