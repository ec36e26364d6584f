/**
 * What one run of a probe's action has found. An `error` kept it from finding out, and counts neither way; `state` is the
 * word of the kubelet's event about it.
 */
export type Outcome =
  | { readonly kind: 'success' | 'warning' | 'failure'; readonly output: string }
  | { readonly kind: 'error'; readonly state: 'unknown' | 'failure'; readonly output: string };

export const success = (output = ''): Outcome => ({ kind: 'success', output });
export const warning = (output: string): Outcome => ({ kind: 'warning', output });
export const failure = (output: string): Outcome => ({ kind: 'failure', output });
export const failedToRun = (output: string, state: 'unknown' | 'failure' = 'unknown'): Outcome => ({
  kind: 'error',
  state,
  output,
});

/** What is read of a command's output and of an answer's body, in bytes, as a kubelet does (maxReadLength). */
export const MAX_OUTPUT = 10 << 10;

/** The first ones of the bytes that come; what is more is dropped. */
export class LimitedOutput {
  readonly #chunks: Buffer[] = [];
  #room = MAX_OUTPUT;

  get isFull(): boolean {
    return this.#room === 0;
  }

  push(chunk: Buffer): void {
    const taken = chunk.subarray(0, this.#room);
    this.#room -= taken.length;
    // A copy: a small part of a large chunk would keep all of it.
    if (taken.length > 0) this.#chunks.push(Buffer.from(taken));
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }
}
