import type { Content } from './blobs.ts';

export type LayerState = 'waiting' | 'downloading' | 'downloaded' | 'unpacking' | 'unpacked' | 'already here';

/** How far one layer of a pull is. */
export interface LayerProgress {
  readonly digest: string;
  readonly size: number;
  readonly received: number;
  readonly state: LayerState;
}

/** How far a pull is: its layers, the lowest first. */
export interface PullProgress {
  readonly layers: readonly LayerProgress[];
}

/** Keeps account of a pull, and tells somebody at every change. */
export class PullAccount {
  readonly #layers: Map<string, LayerProgress>;
  readonly #tell: (progress: PullProgress) => void;

  constructor(
    layers: readonly Content[],
    isHere: (digest: string) => boolean,
    tell: (progress: PullProgress) => void,
  ) {
    this.#tell = tell;
    this.#layers = new Map(
      layers.map(({ digest, size }) => {
        const isDone = isHere(digest);
        const state: LayerState = isDone ? 'already here' : 'waiting';
        return [digest, { digest, size, received: isDone ? size : 0, state }];
      }),
    );
  }

  /** Of other blobs (the config) nothing is told. */
  set(digest: string, change: Partial<LayerProgress>): void {
    const layer = this.#layers.get(digest);
    if (layer === undefined) return;
    this.#layers.set(digest, { ...layer, ...change });
    this.#tell({ layers: [...this.#layers.values()] });
  }
}
