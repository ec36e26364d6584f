/** What one layer may be at most, whatever it says; docs/images.md states these. */
export interface LayerLimits {
  /** Of the archive, decompressed, and of a sparse file's length. */
  readonly bytes: number;
  readonly entries: number;
  /** How many times its own size it may become, once it is larger than `freeBytes`. */
  readonly ratio: number;
  readonly freeBytes: number;
}

export const LIMITS: LayerLimits = {
  bytes: 16 * 2 ** 30,
  entries: 500_000,
  ratio: 200,
  freeBytes: 2 ** 30,
};
