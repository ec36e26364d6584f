import { randomBytes } from 'node:crypto';
import { closeSync, createReadStream, existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { UserError } from '../base/errors.ts';
import { copyDirectory } from '../native/cp.ts';
import { makeDirectories } from '../native/exact-mode.ts';
import { removeTree } from '../native/remove-tree.ts';
import { addImage } from './add.ts';
import { type Files, filesOfDirectory, filesOfTar } from './archive/files.ts';
import { peek } from './archive/kind.ts';
import { imagesOf } from './archive/layout.ts';
import { BlobStore } from './blobs.ts';
import { EMPTY_CONFIG, type ImageConfig } from './config.ts';
import { makeLocked } from './directories.ts';
import { diskUsage } from './disk-usage.ts';
import { unpackLayer } from './layer/unpack.ts';
import { type Platform, thisPlatform } from './manifest.ts';
import { readUsers } from './read-users.ts';
import { formatReference, parseReference } from './reference.ts';
import type { Image, ImageStore } from './store.ts';
import { checkName, prepareStore, writeName } from './write-name.ts';

export interface ImportOptions {
  /** Only for a root file system: an image has its own. */
  readonly config?: ImageConfig;
  readonly platform?: Platform;
  /** Gives up, and leaves nothing. */
  readonly signal?: AbortSignal;
}

/**
 * Imports what there is: a directory or tar of a root file system, an OCI layout (directory or tar), a `docker save` archive;
 * `-` is a tar on standard input. Without a name, the names of the archive are taken.
 */
export async function importAny(
  store: ImageStore,
  name: string | undefined,
  source: string,
  options: ImportOptions = {},
): Promise<readonly Image[]> {
  if (name !== undefined) checkName(store, formatReference(parseReference(name)), name);
  const stat = source === '-' ? undefined : statSync(source, { throwIfNoEntry: false });
  if (source !== '-' && stat === undefined) throw new UserError(`"${source}" does not exist`);
  const what = source === '-' ? 'the archive' : `"${source}"`;
  const needed = (): string => {
    if (name === undefined)
      throw new UserError(`${what} does not say what its image is called`, {
        hint: 'podspace image import NAME …',
      });
    return name;
  };
  if (stat?.isDirectory() === true) {
    if (!existsSync(join(source, 'oci-layout')))
      return [await importDirectory(store, needed(), source, options)];
    return importLayout(
      store,
      name,
      what,
      blobs => Promise.resolve(filesOfDirectory(source, blobs, options.signal)),
      options,
    );
  }
  const { kind, stream } = await failing(source, peek(openArchive(source, options.signal)));
  if (kind === 'rootfs') return [await importTar(store, needed(), source, options, stream)];
  return importLayout(
    store,
    name,
    what,
    blobs => failing(source, filesOfTar(stream, blobs, options.signal)),
    options,
  );
}

async function importLayout(
  store: ImageStore,
  name: string | undefined,
  what: string,
  read: (blobs: BlobStore) => Promise<Files>,
  { config, platform = thisPlatform(), signal }: ImportOptions,
): Promise<readonly Image[]> {
  if (config !== undefined)
    throw new UserError(`${what} has a config of its own: --config is for a root file system`);
  const blobs = new BlobStore(store);
  const inUse = blobs.use();
  try {
    const found = imagesOf(await read(blobs), blobs, platform, what);
    if (name !== undefined && found.length > 1)
      throw new UserError(`${what} has ${found.length} images: they cannot all be "${name}"`, {
        hint: 'without NAME they keep their own',
      });
    const images: Image[] = [];
    for (const { manifest, names } of found) {
      const references = name === undefined ? names : [formatReference(parseReference(name))];
      if (references.length === 0)
        throw new UserError(`${what} does not say what its image is called`, {
          hint: 'podspace image import NAME …',
        });
      const image = await addImage(store, blobs, references, manifest, { signal });
      images.push(...references.map(reference => ({ ...image, reference })));
    }
    return images;
  } finally {
    closeSync(inUse);
  }
}

/** Copies a directory into the store: owners, modes, hard links, extended attributes and devices included. */
export async function importDirectory(
  store: ImageStore,
  name: string,
  directory: string,
  options: ImportOptions = {},
): Promise<Image> {
  const source = resolve(directory);
  if (!statSync(source, { throwIfNoEntry: false })?.isDirectory())
    throw new UserError(`"${directory}" is not a directory`);
  return importRoot(store, name, options, async target => {
    const why = await copyDirectory(source, target, options.signal);
    if (why !== undefined) throw new UserError(`cannot import "${directory}": ${why}`);
  });
}

/** Unpacks a tar archive of a root file system, compressed or not; `-` is standard input. */
export async function importTar(
  store: ImageStore,
  name: string,
  archive: string,
  options: ImportOptions = {},
  stream?: AsyncIterable<Uint8Array>,
): Promise<Image> {
  if (archive !== '-' && !existsSync(archive)) throw new UserError(`"${archive}" does not exist`);
  return importRoot(store, name, options, async target => {
    await failing(
      archive,
      unpackLayer(stream ?? openArchive(archive, options.signal), target, { signal: options.signal }),
    );
  });
}

/** Whoever gives up need not wait for the next byte. */
function openArchive(path: string, signal: AbortSignal | undefined): AsyncIterable<Uint8Array> {
  const stream = path === '-' ? process.stdin : createReadStream(resolve(path), { highWaterMark: 1 << 18 });
  return signal === undefined ? stream : addAbortSignal(signal, stream);
}

async function failing<T>(archive: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError')
      throw new UserError('interrupted', { cause: error });
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`cannot import "${archive}": ${error.message}`, { cause: error, hint: error.hint });
  }
}

/**
 * An import is built under a locked directory of its own and becomes visible by one rename: a crash leaves only what
 * a sweep removes.
 */
async function importRoot(
  store: ImageStore,
  name: string,
  options: ImportOptions,
  fill: (target: string) => Promise<void>,
): Promise<Image> {
  const reference = formatReference(parseReference(name));
  checkName(store, reference, name);
  const id = randomBytes(6).toString('hex');
  const directory = join(store.roots, id);
  prepareStore(store);
  const lock = makeLocked(directory);
  try {
    const rootfs = join(directory, 'rootfs');
    makeDirectories(rootfs, 0o755);
    await fill(rootfs);
    const image = {
      reference,
      id,
      config: options.config ?? EMPTY_CONFIG,
      users: readUsers([rootfs]),
      size: diskUsage(rootfs),
      created: new Date().toISOString(),
    };
    writeName(store, image, id);
    return image;
  } catch (error) {
    removeTree(directory);
    throw error;
  } finally {
    closeSync(lock);
  }
}
