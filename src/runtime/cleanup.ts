/**
 * Undoing: each deed on the host registers its undo on the next line. They run in reverse order, all of them, whatever
 * fails; the first failure is thrown at the end.
 */
export class Cleanup {
  readonly #undos: { readonly what: string; readonly undo: () => void | Promise<void> }[] = [];

  /** `what` names the deed in an error. An undo must accept that what it undoes is already gone. */
  add(what: string, undo: () => void | Promise<void>): void {
    this.#undos.push({ what, undo });
  }

  async run(): Promise<void> {
    const errors: Error[] = [];
    // An undo may wait for a deed that is still being done, and that registers its own.
    for (let next = this.#undos.pop(); next !== undefined; next = this.#undos.pop()) {
      const { what, undo } = next;
      try {
        await undo();
      } catch (cause) {
        errors.push(
          new Error(`cleaning up ${what}: ${cause instanceof Error ? cause.message : String(cause)}`, {
            cause,
          }),
        );
      }
    }
    if (errors[0] !== undefined) throw errors[0];
  }
}
