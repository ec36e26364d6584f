import { createHash, type Hash } from 'node:crypto';

/** The algorithms that the image-spec registers (descriptor.md, "Registered algorithms"), and how many digits each has. */
const DIGITS = { sha256: 64, sha512: 128 } as const;

export type Algorithm = keyof typeof DIGITS;
export const ALGORITHMS = Object.keys(DIGITS) as readonly Algorithm[];

/** What a digest is of when nothing says another one. */
export const USUAL: Algorithm = 'sha256';

/** The algorithm and its digits, nothing else: they become names of a directory and a file. */
export const isDigest = (text: unknown): text is string =>
  typeof text === 'string' &&
  ALGORITHMS.some(
    each => text.startsWith(`${each}:`) && new RegExp(`^[0-9a-f]{${DIGITS[each]}}$`).test(hexOf(text)),
  );

/** Of a digest that {@link isDigest}. */
export const algorithmOf = (digest: string): Algorithm =>
  ALGORITHMS.find(each => digest.startsWith(`${each}:`)) ?? USUAL;

export const hexOf = (digest: string): string => digest.slice(digest.indexOf(':') + 1);

/** The algorithm of a file of an OCI layout, by its path there. */
export const algorithmOfPath = (path: string): Algorithm =>
  ALGORITHMS.find(each => path.startsWith(`blobs/${each}/`)) ?? USUAL;

/** Reads along, and knows the digest at the end. */
export class Digester {
  readonly #algorithm: Algorithm;
  readonly #hash: Hash;

  constructor(algorithm: Algorithm) {
    this.#algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  update(chunk: string | Uint8Array): this {
    this.#hash.update(chunk);
    return this;
  }

  digest(): string {
    return `${this.#algorithm}:${this.#hash.digest('hex')}`;
  }
}
