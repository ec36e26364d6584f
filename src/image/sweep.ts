import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BlobStore } from './blobs.ts';
import { parseManifest } from './manifest.ts';
import type { Image, ImageStore } from './store.ts';

/**
 * Removes what crashed imports and replaced names have left; returns the ids. `inUse` tells whether a running pod still
 * has that layer below its own.
 */
export function sweepImages(store: ImageStore, inUse: (id: string) => boolean): readonly string[] {
  if (!existsSync(store.roots)) return [];
  const swept = readdirSync(store.roots).filter(id => store.removeUnused(id, inUse));
  // A name that was being written when its import was killed.
  for (const name of readdirSync(store.names)) {
    const id = /\.([0-9a-f]+)\.tmp$/.exec(name)?.[1];
    if (id !== undefined && !existsSync(join(store.roots, id)))
      rmSync(join(store.names, name), { force: true });
  }
  return swept;
}

/** Removes blobs that no image has: a pull that broke off, a file of an archive that was none of an image. */
export function sweepBlobs(store: ImageStore): readonly string[] {
  const blobs = new BlobStore(store);
  let needed: ReadonlySet<string> | undefined;
  return blobs.sweep(digest => {
    needed ??= new Set(store.list().flatMap(image => blobsOf(image, blobs)));
    return needed.has(digest);
  });
}

/** The blobs of an image: its manifest, config and layers. */
export function blobsOf({ manifest }: Image, blobs: BlobStore): readonly string[] {
  if (manifest === undefined) return [];
  if (!blobs.has(manifest)) return [manifest];
  const { config, layers } = parseManifest(blobs.readText(manifest), `manifest ${manifest}`);
  return [manifest, config.digest, ...layers.map(({ digest }) => digest)];
}
