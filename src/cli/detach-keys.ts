import { UserError } from '../base/errors.ts';

/** Of docker and podman. */
export const DEFAULT_DETACH_KEYS = 'ctrl-p,ctrl-q';

/** The names of the control characters, by their codes. */
const CONTROL = ['@', ...'abcdefghijklmnopqrstuvwxyz', '[', '\\', ']', '^', '_'].map(key => `ctrl-${key}`);

/** The bytes of `--detach-keys`: single characters and ctrl-KEY, with commas between. Empty: there are none. */
export function parseDetachKeys(text: string): readonly number[] {
  if (text === '') return [];
  return text.split(',').map(key => {
    const code = key === 'DEL' ? 127 : CONTROL.indexOf(key);
    if (code !== -1) return code;
    if (Buffer.byteLength(key) === 1) return key.charCodeAt(0);
    throw new UserError(`option --detach-keys: invalid detach keys: Unknown character: '${key}'`, {
      hint: 'a single character, or ctrl-KEY with KEY one of a-z @ [ \\ ] ^ _; several with commas between; "" for none',
    });
  });
}

/** Looks for the keys in what is typed. What may be the beginning of them is held back until the next key. */
export class DetachKeys {
  readonly #keys: readonly number[];
  readonly #onDetach: () => void;
  #held: readonly number[] = [];
  #isDetached = false;

  constructor(keys: readonly number[], onDetach: () => void) {
    this.#keys = keys;
    this.#onDetach = onDetach;
  }

  /** What of a chunk is for the container. After the keys nothing is. */
  push(chunk: Uint8Array): Buffer {
    if (this.#keys.length === 0) return Buffer.from(chunk);
    const passed: number[] = [];
    for (const byte of chunk) {
      if (this.#isDetached) break;
      this.#held = [...this.#held, byte];
      while (!this.#isBeginning()) {
        passed.push(this.#held[0] ?? 0);
        this.#held = this.#held.slice(1);
      }
      if (this.#held.length < this.#keys.length) continue;
      this.#isDetached = true;
      this.#onDetach();
    }
    return Buffer.from(passed);
  }

  /** What was held back, when nothing follows any more. */
  rest(): Buffer {
    return Buffer.from(this.#isDetached ? [] : this.#held);
  }

  #isBeginning(): boolean {
    return this.#held.every((byte, i) => byte === this.#keys[i]);
  }
}
