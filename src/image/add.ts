import { closeSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../base/errors.ts';
import { LOCK } from '../linux/constants.generated.ts';
import { makeDirectories, makeTree } from '../native/exact-mode.ts';
import { removeTree } from '../native/remove-tree.ts';
import type { BlobStore } from './blobs.ts';
import { parseImageConfig } from './config.ts';
import { algorithmOf, Digester, hexOf, isDigest, USUAL } from './digest.ts';
import { lockDirectory } from './directories.ts';
import { diskUsage } from './disk-usage.ts';
import { unpackLayer } from './layer/unpack.ts';
import { type Descriptor, isObject, parseManifest, parseObject } from './manifest.ts';
import { readUsers } from './read-users.ts';
import type { Image, ImageStore } from './store.ts';
import { checkName, prepareStore, writeName } from './write-name.ts';

export interface AddOptions {
  readonly isPulled?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** A layer is about to be unpacked; not told of those that are there already. */
  readonly onUnpack?: (layer: Descriptor) => void;
  readonly onUnpacked?: (layer: Descriptor) => void;
}

/** What stands beside an unpacked layer, written when it is complete. */
export interface LayerRecord {
  readonly diffId: string;
  /** Of this layer on those below it (image-spec, config.md, "Layer ChainID"). */
  readonly chainId: string;
  readonly blob: string;
  readonly entries: number;
  readonly size: number;
}

/** Twelve digits, as an imported root's: the record has them all. */
const ID_LENGTH = 12;

/**
 * Makes an image of a manifest whose blobs are all in the store, by each of some names. A layer is unpacked once, into a
 * directory by its chain id, and whoever else needs it meanwhile waits; names are written last.
 */
export async function addImage(
  store: ImageStore,
  blobs: BlobStore,
  references: readonly string[],
  manifest: string,
  options: AddOptions = {},
): Promise<Image> {
  for (const reference of references) checkName(store, reference, reference);
  const { config, layers } = parseManifest(blobs.readText(manifest), `manifest ${manifest}`);
  const text = blobs.readText(config.digest);
  const where = `image config ${config.digest}`;
  const diffIds = readDiffIds(text, where, layers.length);
  prepareStore(store);
  const locks: number[] = [];
  try {
    const unpacked: { readonly id: string; readonly record: LayerRecord }[] = [];
    let chainId = '';
    for (const [i, blob] of layers.entries()) {
      const diffId = diffIds[i] ?? '';
      chainId = chainId === '' ? diffId : new Digester(USUAL).update(`${chainId} ${diffId}`).digest();
      const id = hexOf(chainId).slice(0, ID_LENGTH);
      const lower = unpacked.map(below => join(store.roots, below.id, 'rootfs')).reverse();
      const { lock, record } = await holdLayer(store, blobs, { id, blob, diffId, chainId, lower }, options);
      locks.push(lock);
      unpacked.push({ id, record });
    }
    const roots = unpacked.map(({ id }) => join(store.roots, id, 'rootfs')).reverse();
    const image: Omit<Image, 'reference'> = {
      id: hexOf(config.digest).slice(0, ID_LENGTH),
      layers: unpacked.map(({ id }) => id),
      manifest,
      config: parseImageConfig(text, where),
      users: readUsers(roots),
      size: unpacked.reduce((sum, { record }) => sum + record.size, 0),
      created: new Date().toISOString(),
      ...(options.isPulled === true ? { isPulled: true } : {}),
    };
    for (const reference of references) writeName(store, { ...image, reference });
    return { ...image, reference: references[0] ?? '' };
  } finally {
    for (const lock of locks) closeSync(lock);
  }
}

/** `rootfs.diff_ids`: what the layers must be when they are unpacked. */
function readDiffIds(text: string, where: string, count: number): readonly string[] {
  const { rootfs } = parseObject(text, where);
  const ids = isObject(rootfs) ? rootfs.diff_ids : undefined;
  if (!Array.isArray(ids) || !ids.every(isDigest))
    throw new UserError(`${where}: rootfs.diff_ids: expected a list of digests`);
  if (ids.length !== count)
    throw new UserError(`${where}: it has ${ids.length} diff_ids, the manifest ${count} layers`);
  if (count === 0) throw new UserError(`${where}: an image without layers cannot be run`);
  return ids;
}

interface Wanted {
  readonly id: string;
  readonly blob: Descriptor;
  readonly diffId: string;
  readonly chainId: string;
  readonly lower: readonly string[];
}

type Held = { readonly lock: number; readonly record: LayerRecord };

/** The layer, complete, and a lock that keeps it. */
async function holdLayer(
  store: ImageStore,
  blobs: BlobStore,
  wanted: Wanted,
  options: AddOptions,
): Promise<Held> {
  const directory = join(store.roots, wanted.id);
  for (let wait = 1; ; wait = Math.min(wait * 2, 100)) {
    options.signal?.throwIfAborted();
    const shared = lockDirectory(directory, LOCK.LOCK_SH | LOCK.LOCK_NB);
    if (shared !== undefined) {
      const record = readLayerRecord(directory);
      if (record?.chainId === wanted.chainId) return { lock: shared, record };
      closeSync(shared);
      if (record !== undefined)
        throw new UserError(`layers ${record.chainId} and ${wanted.chainId} cannot both be here`);
    }
    makeTree(directory, 0o700);
    const own = lockDirectory(directory, LOCK.LOCK_EX | LOCK.LOCK_NB);
    if (own === undefined) {
      // Another command unpacks it. Not by a lock that waits: nothing else would go on in this process.
      await sleep(wait);
      continue;
    }
    try {
      if (readLayerRecord(directory) === undefined) await fill(directory, blobs, wanted, options);
    } finally {
      closeSync(own);
    }
  }
}

async function fill(
  directory: string,
  blobs: BlobStore,
  { blob, diffId, chainId, lower }: Wanted,
  options: AddOptions,
): Promise<void> {
  options.onUnpack?.(blob);
  const rootfs = join(directory, 'rootfs');
  // What a crash has left.
  if (existsSync(rootfs)) removeTree(rootfs);
  makeDirectories(rootfs, 0o755);
  try {
    const unpacked = await unpackLayer(blobs.stream(blob.digest), rootfs, {
      lower,
      signal: options.signal,
      algorithm: algorithmOf(diffId),
    });
    if (unpacked.diffId !== diffId)
      throw new UserError(`its content is ${unpacked.diffId}, the config says ${diffId}`);
    const size = diskUsage(rootfs);
    const record: LayerRecord = { diffId, chainId, blob: blob.digest, entries: unpacked.entries, size };
    const file = join(directory, 'layer.json');
    writeFileSync(`${file}.tmp`, JSON.stringify(record), { flush: true, mode: 0o600 } as Parameters<
      typeof writeFileSync
    >[2]);
    renameSync(`${file}.tmp`, file);
    options.onUnpacked?.(blob);
  } catch (error) {
    removeTree(directory);
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`layer ${blob.digest}: ${error.message}`, { cause: error, hint: error.hint });
  }
}

export function readLayerRecord(directory: string): LayerRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(join(directory, 'layer.json'), 'utf8')) as LayerRecord;
    return typeof record.chainId === 'string' ? record : undefined;
  } catch {
    return undefined;
  }
}
