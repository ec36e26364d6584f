import { randomBytes } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { LOCK } from '../linux/constants.generated.ts';
import { makeTree } from '../native/exact-mode.ts';
import { flock } from '../native/libc.ts';
import { ALGORITHMS, type Algorithm, algorithmOf, Digester, hexOf, isDigest, USUAL } from './digest.ts';
import type { ImageStore } from './store.ts';

/** Size and digest of some content (image-spec, descriptor.md). */
export interface Content {
  readonly digest: string;
  readonly size: number;
}

/** Manifests and configs are read as a whole: containerd's limit. */
export const MAX_JSON = 8 << 20;

/** Content by its digest, each complete or not there: it is written under another name and checked before. */
export class BlobStore {
  readonly #root: string;

  constructor(store: ImageStore) {
    this.#root = store.blobs;
  }

  /** While somebody has this open, no blob is taken for left over. */
  use(): number {
    makeTree(this.#root, 0o700);
    for (const algorithm of ALGORITHMS) makeTree(join(this.#root, algorithm), 0o700);
    const fd = openSync(join(this.#root, 'lock'), 'a', 0o600);
    flock(fd, LOCK.LOCK_SH);
    return fd;
  }

  path(digest: string): string {
    if (!isDigest(digest)) throw new UserError(`"${digest}" is no digest`);
    return join(this.#root, algorithmOf(digest), hexOf(digest));
  }

  has(digest: string): boolean {
    return existsSync(this.path(digest));
  }

  size(digest: string): number {
    return statSync(this.path(digest)).size;
  }

  /** A manifest or config. */
  readText(digest: string): string {
    if (!this.has(digest)) throw new UserError(`the image store has no blob ${digest}`);
    if (this.size(digest) > MAX_JSON) throw new UserError(`blob ${digest} is larger than ${MAX_JSON} bytes`);
    return readFileSync(this.path(digest), 'utf8');
  }

  stream(digest: string): AsyncIterable<Uint8Array> {
    return createReadStream(this.path(digest), { highWaterMark: 1 << 18 });
  }

  writer(algorithm = USUAL): BlobWriter {
    return new BlobWriter(this, algorithm, join(this.#root, `${randomBytes(6).toString('hex')}.tmp`));
  }

  /** Some bytes as a blob. */
  add(bytes: Uint8Array, algorithm = USUAL): Content {
    const writer = this.writer(algorithm);
    try {
      writer.write(bytes);
      return writer.finish();
    } finally {
      writer.close();
    }
  }

  /** Takes away what nobody needs; nothing as long as somebody adds something. */
  sweep(isNeeded: (digest: string) => boolean): readonly string[] {
    if (!existsSync(this.#root)) return [];
    const lock = openSync(join(this.#root, 'lock'), 'a', 0o600);
    try {
      if (!flock(lock, LOCK.LOCK_EX | LOCK.LOCK_NB)) return [];
      const swept = this.#digests().filter(digest => !isNeeded(digest));
      for (const digest of swept) rmSync(this.path(digest), { force: true });
      for (const name of readdirSync(this.#root))
        if (name.endsWith('.tmp') || name.endsWith('.partial'))
          rmSync(join(this.#root, name), { force: true });
      return swept;
    } finally {
      closeSync(lock);
    }
  }

  #digests(): readonly string[] {
    return ALGORITHMS.flatMap(algorithm => {
      const directory = join(this.#root, algorithm);
      return existsSync(directory) ? readdirSync(directory).map(name => `${algorithm}:${name}`) : [];
    }).filter(isDigest);
  }

  /** Where a download that broke off goes on. */
  partial(digest: string): string {
    return join(this.#root, `${hexOf(digest)}.partial`);
  }
}

/** Content that is on its way into the store. */
export class BlobWriter {
  readonly #blobs: BlobStore;
  readonly #temporary: string;
  readonly #fd: number;
  readonly #digester: Digester;
  #size = 0;
  #isOpen = true;

  constructor(blobs: BlobStore, algorithm: Algorithm, temporary: string) {
    this.#digester = new Digester(algorithm);
    this.#blobs = blobs;
    this.#temporary = temporary;
    this.#fd = openSync(temporary, 'wx', 0o600);
  }

  write(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) at += writeSync(this.#fd, chunk, at);
    this.#digester.update(chunk);
    this.#size += chunk.length;
  }

  finish(): Content {
    const digest = this.#digester.digest();
    this.#isOpen = false;
    closeSync(this.#fd);
    renameSync(this.#temporary, this.#blobs.path(digest));
    return { digest, size: this.#size };
  }

  /** Without {@link finish}, nothing of it stays. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#fd);
    rmSync(this.#temporary, { force: true });
  }
}
