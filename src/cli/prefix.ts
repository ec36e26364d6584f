/** kubectl logs --prefix has no colours; docker compose's habit is one for each name, these are told apart on any theme. */
const COLORS = [36, 33, 32, 35, 34, 31, 96, 93, 92, 95, 94];

/**
 * Puts `[container] ` before each line of several containers' output, so that lines of one never end up inside a line
 * of another: what has no newline yet waits.
 */
export class PrefixedOutput {
  readonly #write: (stream: 'stdout' | 'stderr', chunk: Buffer) => void;
  readonly #color: boolean;
  readonly #names = new Map<string, string>();
  readonly #partial = new Map<
    string,
    { readonly stream: 'stdout' | 'stderr'; readonly prefix: string; chunks: Buffer[]; size: number }
  >();

  constructor(write: (stream: 'stdout' | 'stderr', chunk: Buffer) => void, color: boolean) {
    this.#write = write;
    this.#color = color;
  }

  push(name: string, stream: 'stdout' | 'stderr', chunk: Buffer): void {
    const key = `${name} ${stream}`;
    const state = this.#partial.get(key) ?? { stream, prefix: this.#prefix(name), chunks: [], size: 0 };
    this.#partial.set(key, state);
    let start = 0;
    for (let end = chunk.indexOf(10, start); end !== -1; end = chunk.indexOf(10, start)) {
      this.#write(
        stream,
        Buffer.concat([Buffer.from(state.prefix), ...state.chunks, chunk.subarray(start, end + 1)]),
      );
      state.chunks = [];
      state.size = 0;
      start = end + 1;
    }
    if (start < chunk.length) {
      state.chunks.push(Buffer.from(chunk.subarray(start)));
      state.size += chunk.length - start;
      // A line without end must not fill the memory.
      if (state.size > 1 << 16) this.#flush(state);
    }
  }

  /** What is left without a newline at the end of everything. */
  end(): void {
    for (const state of this.#partial.values()) if (state.size > 0) this.#flush(state);
  }

  #flush(state: {
    readonly stream: 'stdout' | 'stderr';
    readonly prefix: string;
    chunks: Buffer[];
    size: number;
  }): void {
    this.#write(state.stream, Buffer.concat([Buffer.from(state.prefix), ...state.chunks, Buffer.from('\n')]));
    state.chunks = [];
    state.size = 0;
  }

  #prefix(name: string): string {
    let prefix = this.#names.get(name);
    if (prefix === undefined) {
      const color = COLORS[this.#names.size % COLORS.length];
      prefix = this.#color ? `\u001b[${color}m[${name}]\u001b[39m ` : `[${name}] `;
      this.#names.set(name, prefix);
    }
    return prefix;
  }
}
