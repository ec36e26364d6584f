import { closeSync } from 'node:fs';

interface Undo {
  readonly what: string;
  readonly undo: () => void | Promise<void>;
  /** It is about this process, not about the pod. */
  readonly isOwn: boolean;
}

/** An fd that lasts as long as the pod; a shared one is used by this process as well. */
interface Kept {
  readonly fd: number;
  readonly isShared: boolean;
}

/**
 * Undoing: each deed on the host registers its undo on the next line. They run in reverse order, all of them, whatever
 * fails; the first failure is thrown at the end.
 */
export class Cleanup {
  #undos: Undo[] = [];
  readonly #kept = new Map<string, Kept>();

  /** `what` names the deed in an error. An undo must accept that what it undoes is already gone. */
  add(what: string, undo: Undo['undo'], { isOwn = false } = {}): void {
    this.#undos.push({ what, undo, isOwn });
  }

  /** An fd that must be open for as long as the pod lives: a lock, a namespace. It is given up by an undo. */
  keep(name: string, fd: number, { isShared = false } = {}): void {
    this.#kept.set(name, { fd, isShared });
  }

  /** What is kept, by name. */
  get kept(): ReadonlyMap<string, number> {
    return new Map([...this.#kept].map(([name, { fd }]) => [name, fd]));
  }

  /** The pod goes on without this process, and somebody else has what is kept: only what is this process' own is undone. */
  handOver(): void {
    this.#undos = this.#undos.filter(({ isOwn }) => isOwn);
    for (const { fd, isShared } of this.#kept.values()) if (!isShared) closeSync(fd);
    this.#kept.clear();
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
