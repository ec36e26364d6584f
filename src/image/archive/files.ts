import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../base/errors.ts';
import { open, openInRoot } from '../../native/libc.ts';
import type { BlobStore, BlobWriter, Content } from '../blobs.ts';
import { ALGORITHMS, algorithmOfPath } from '../digest.ts';
import { decompressed } from '../layer/decompress.ts';
import { entryPath } from '../layer/entry-path.ts';
import { LIMITS } from '../layer/limits.ts';
import { shown, type TarEntry, TarError, type TarSink } from '../tar/entry.ts';
import { TarReader } from '../tar/reader.ts';

/** The files of an OCI layout or a `docker save` archive, all of them blobs of the store by now. */
export type Files = ReadonlyMap<string, Content>;

/** Such an archive has some files for each image, and a link for a layer that is there twice. */
const MAX_FILES = 10_000;
const MAX_LINKS = 10;

/** Takes every file of a tar archive into the store: what they are to each other is seen when all are there. */
export async function filesOfTar(
  source: AsyncIterable<Uint8Array>,
  blobs: BlobStore,
  signal?: AbortSignal,
): Promise<Files> {
  const sink = new FileSink(blobs);
  try {
    const reader = new TarReader(sink);
    for await (const chunk of decompressed(source)) {
      signal?.throwIfAborted();
      reader.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
    }
    reader.finish();
    return sink.files();
  } finally {
    sink.close();
  }
}

class FileSink implements TarSink {
  readonly #blobs: BlobStore;
  readonly #files = new Map<string, Content>();
  readonly #links = new Map<string, string>();
  #path = '';
  #writer: BlobWriter | undefined;
  #bytes = 0;

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  begin(entry: TarEntry): void {
    this.#path = entryPath(entry.path);
    if (this.#files.size + this.#links.size > MAX_FILES)
      throw new TarError(`it has more than ${MAX_FILES} files`);
    if (entry.kind === 'symlink')
      this.#links.set(this.#path, besides(this.#path, entry.target.toString('latin1')));
    else if (entry.kind === 'hardlink') this.#links.set(this.#path, entryPath(entry.target));
    else if (entry.kind === 'file') {
      if (entry.extents !== undefined) throw new TarError(`${shown(entry.path)} is sparse`);
      this.#writer = this.#blobs.writer(algorithmOfPath(this.#path));
    } else if (entry.kind !== 'directory') throw new TarError(`${shown(entry.path)} is no file`);
  }

  data(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > LIMITS.bytes * 4) throw new TarError(`it is larger than ${LIMITS.bytes * 4} bytes`);
    this.#writer?.write(chunk);
  }

  end(): void {
    if (this.#writer !== undefined) this.#files.set(this.#path, this.#writer.finish());
    this.#writer = undefined;
  }

  /** A link is another name of a file in the archive, and nothing else. */
  files(): Files {
    const all = new Map(this.#files);
    for (const path of this.#links.keys()) {
      let at: string | undefined = path;
      for (let i = 0; i < MAX_LINKS && at !== undefined && !this.#files.has(at); i++)
        at = this.#links.get(at);
      const file = at === undefined ? undefined : this.#files.get(at);
      if (file !== undefined) all.set(path, file);
    }
    return all;
  }

  close(): void {
    this.#writer?.close();
  }
}

/** Where a relative link leads, within the archive. */
function besides(path: string, target: string): string {
  const parts = path.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.' && part !== '') parts.push(part);
  }
  return parts.join('/');
}

/** The same from a directory, of which no link leads out. */
export function filesOfDirectory(directory: string, blobs: BlobStore, signal?: AbortSignal): Files {
  const root = openSync(directory, 'r');
  const files = new Map<string, Content>();
  try {
    const names = ['oci-layout', 'index.json'];
    for (const algorithm of ALGORITHMS) {
      const blobs = join(directory, 'blobs', algorithm);
      if (existsSync(blobs)) names.push(...readdirSync(blobs).map(name => `blobs/${algorithm}/${name}`));
    }
    if (names.length > MAX_FILES) throw new UserError(`"${directory}" has more than ${MAX_FILES} blobs`);
    for (const name of names) {
      signal?.throwIfAborted();
      files.set(name, copyFile(root, name, blobs));
    }
    return files;
  } finally {
    closeSync(root);
  }
}

const buffer = Buffer.alloc(1 << 20);

function copyFile(root: number, name: string, blobs: BlobStore): Content {
  const fd = openInRoot(root, name, open('O_RDONLY', 'O_NONBLOCK'));
  const writer = blobs.writer(algorithmOfPath(name));
  try {
    if (!fstatSync(fd).isFile()) throw new UserError(`"${name}" is no file`);
    for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer))
      writer.write(buffer.subarray(0, count));
    return writer.finish();
  } finally {
    closeSync(fd);
    writer.close();
  }
}
