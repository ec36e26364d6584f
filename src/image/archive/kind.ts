import { decompressed } from '../layer/decompress.ts';
import { entryPath } from '../layer/entry-path.ts';
import { type TarEntry, TarError } from '../tar/entry.ts';
import { TarReader } from '../tar/reader.ts';

/** What the first file of an OCI layout or a `docker save` archive is called; a root file system has no such thing in front. */
const LAYOUT =
  /^(blobs|index\.json|oci-layout|manifest\.json|repositories|[0-9a-f]{64}(\.json|\.tar)?)(\/|$)/;

class Stop extends Error {}

export interface Peeked {
  readonly kind: 'layout' | 'rootfs';
  /** The whole of it, from the beginning. */
  readonly stream: AsyncIterable<Uint8Array>;
}

/** Tells archives apart by their first name, without losing a byte of a stream that cannot be read twice. */
export async function peek(source: AsyncIterable<Uint8Array>): Promise<Peeked> {
  const iterator = decompressed(source)[Symbol.asyncIterator]();
  const seen: Uint8Array[] = [];
  let kind: Peeked['kind'] | undefined;
  const reader = new TarReader({
    begin: (entry: TarEntry) => {
      const path = entryPath(entry.path);
      if (path === '') return;
      kind = LAYOUT.test(path) ? 'layout' : 'rootfs';
      throw new Stop();
    },
    data: () => undefined,
    end: () => undefined,
  });
  try {
    for (;;) {
      const { done, value } = await iterator.next();
      if (done === true) break;
      seen.push(value);
      reader.write(Buffer.from(value.buffer, value.byteOffset, value.length));
    }
    reader.finish();
  } catch (error) {
    if (!(error instanceof Stop) && !(error instanceof TarError)) throw error;
    // Whoever reads it says what is wrong.
    if (error instanceof TarError && seen.length === 0) throw error;
  }
  const stream = (async function* (): AsyncIterable<Uint8Array> {
    yield* seen;
    yield* { [Symbol.asyncIterator]: () => iterator };
  })();
  return { kind: kind ?? 'rootfs', stream };
}
