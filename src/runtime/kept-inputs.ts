import { closeSync } from 'node:fs';

interface KeptInput {
  readonly fd: number;
  /** Somebody else has it open, too. */
  readonly onEnd: () => void;
}

/** The inputs of containers that nobody writes to at this moment: they stay open as long as the container runs. */
export class KeptInputs {
  readonly #inputs = new Map<string, KeptInput>();

  add(container: string, fd: number | undefined, onEnd: () => void): void {
    if (fd !== undefined) this.#inputs.set(container, { fd, onEnd });
  }

  /** Closes one for good, while its container runs. */
  end(container: string): void {
    const input = this.#inputs.get(container);
    this.forget(container);
    input?.onEnd();
  }

  /** Its container has ended. */
  forget(container: string): void {
    const input = this.#inputs.get(container);
    if (input === undefined) return;
    this.#inputs.delete(container);
    closeSync(input.fd);
  }
}
