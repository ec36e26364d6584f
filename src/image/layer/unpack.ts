import { closeSync, openSync } from 'node:fs';
import { type Algorithm, Digester, USUAL } from '../digest.ts';
import { TarError } from '../tar/entry.ts';
import { TarReader } from '../tar/reader.ts';
import { coverLower } from './cover.ts';
import { decompressed } from './decompress.ts';
import { type LayerLimits, LIMITS } from './limits.ts';
import { LowerView } from './lower-view.ts';
import { LayerWriter } from './writer.ts';

export interface UnpackOptions {
  /** Roots of the layers below, the uppermost first. */
  readonly lower?: readonly string[];
  readonly limits?: LayerLimits;
  /** Of the {@link Unpacked.diffId}. */
  readonly algorithm?: Algorithm;
  readonly signal?: AbortSignal | undefined;
}

export interface Unpacked {
  /** Of the archive, decompressed: image-spec, config.md, "Layer DiffID". */
  readonly diffId: string;
  readonly entries: number;
}

/**
 * Unpacks a layer, compressed or not, into an empty directory, with no more of it in memory than some chunks. What the archive
 * says reaches that directory only; any mistake in it is a {@link TarError}, and the caller removes what is there by then.
 */
export async function unpackLayer(
  source: AsyncIterable<Uint8Array>,
  target: string,
  { lower = [], limits = LIMITS, signal, algorithm = USUAL }: UnpackOptions = {},
): Promise<Unpacked> {
  const root = openSync(target, 'r');
  const writer = new LayerWriter(root, limits);
  try {
    const reader = new TarReader(writer);
    const digester = new Digester(algorithm);
    let compressed = 0;
    const counted = (async function* (): AsyncIterable<Uint8Array> {
      for await (const chunk of source) {
        signal?.throwIfAborted();
        compressed += chunk.length;
        yield chunk;
      }
    })();
    let bytes = 0;
    for await (const chunk of decompressed(counted)) {
      signal?.throwIfAborted();
      bytes += chunk.length;
      checkSize(bytes, compressed, limits);
      digester.update(chunk);
      reader.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
    }
    reader.finish();
    coverLower(target, writer, new LowerView(lower));
    writer.setDirectoryTimes();
    return { diffId: digester.digest(), entries: writer.entries };
  } finally {
    writer.close();
    closeSync(root);
  }
}

function checkSize(bytes: number, compressed: number, limits: LayerLimits): void {
  if (bytes > limits.bytes) throw new TarError(`it is larger than ${limits.bytes} bytes`);
  if (bytes > limits.freeBytes && bytes > compressed * limits.ratio)
    throw new TarError(`it becomes more than ${limits.ratio} times its size: a decompression bomb`);
}
