import type { PullProgress } from '../image/pull.ts';
import type { Io } from './io.ts';
import { formatSize } from './used-images.ts';

/** One line on a terminal that says how far a pull is, and goes away at its end. */
export function showPull(io: Io, image: string): { onProgress(progress: PullProgress): void; end(): void } {
  let shown = '';
  return {
    onProgress: ({ layers, layersDone, received, total }) => {
      if (!io.isTerminal) return;
      const line = `pulling ${image}: ${layersDone}/${layers} blobs, ${formatSize(received)} of ${formatSize(total)}`;
      if (line === shown) return;
      shown = line;
      io.err(`\r\u001b[K${line}`);
    },
    end: () => {
      if (shown !== '') io.err('\r\u001b[K');
    },
  };
}
