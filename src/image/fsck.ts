import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { removeTree } from '../native/remove-tree.ts';
import { readXattrs } from '../native/xattrs.ts';
import { readLayerRecord } from './add.ts';
import { BlobStore } from './blobs.ts';
import { algorithmOf, Digester } from './digest.ts';
import { holdDirectory } from './directories.ts';
import { isWhiteout } from './layer/lower-view.ts';
import { unpackLayer } from './layer/unpack.ts';
import { parseManifest } from './manifest.ts';
import { type Image, type ImageStore, layerIds } from './store.ts';
import { blobsOf } from './sweep.ts';

export interface FsckReport {
  readonly images: number;
  readonly layers: number;
  readonly blobs: number;
  /** One line each; empty is what one hopes for. */
  readonly problems: readonly string[];
}

/**
 * Proves the store: every blob of every image is there and has its digest, and every unpacked layer is, down to the last attribute,
 * what unpacking its blob once more gives. An imported root file system has no blob: that it is there is all that can be said.
 */
export async function checkStore(store: ImageStore): Promise<FsckReport> {
  const blobs = new BlobStore(store);
  const images = store.list();
  const problems: string[] = [];
  const inUse = blobs.use();
  try {
    const digests = new Set<string>();
    for (const image of images) {
      try {
        for (const digest of blobsOf(image, blobs)) digests.add(digest);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        problems.push(`${image.reference}: ${error.message}`);
      }
    }
    const bad = new Set<string>();
    for (const digest of digests) {
      const problem = await checkBlob(blobs, digest);
      if (problem === undefined) continue;
      bad.add(digest);
      problems.push(problem);
    }
    const checked = new Set<string>();
    for (const image of images) problems.push(...(await checkLayers(store, blobs, image, checked, bad)));
    return { images: images.length, layers: checked.size, blobs: digests.size, problems };
  } finally {
    closeSync(inUse);
  }
}

async function checkBlob(blobs: BlobStore, digest: string): Promise<string | undefined> {
  if (!blobs.has(digest)) return `blob ${digest} is missing`;
  const digester = new Digester(algorithmOf(digest));
  for await (const chunk of blobs.stream(digest)) digester.update(chunk);
  const found = digester.digest();
  return found === digest ? undefined : `blob ${digest} is damaged: its content is ${found}`;
}

async function checkLayers(
  store: ImageStore,
  blobs: BlobStore,
  image: Image,
  checked: Set<string>,
  bad: ReadonlySet<string>,
): Promise<readonly string[]> {
  const problems: string[] = [];
  const lower: string[] = [];
  const sources = layerBlobs(image, blobs);
  for (const [i, id] of layerIds(image).entries()) {
    const directory = join(store.roots, id);
    const rootfs = join(directory, 'rootfs');
    if (!checked.has(id)) {
      checked.add(id);
      const problem = await checkLayer(
        store,
        blobs,
        { id, source: sources?.[i], isWhole: sources === undefined, lower },
        bad,
      );
      if (problem !== undefined) problems.push(`${image.reference}: layer ${id} ${problem}`);
    }
    lower.unshift(rootfs);
  }
  return problems;
}

/**
 * The blobs that an image's layers are of; undefined for an imported root. A layer's own record may name another one of the same
 * content, compressed otherwise, that came first and is gone.
 */
function layerBlobs({ manifest }: Image, blobs: BlobStore): readonly (string | undefined)[] | undefined {
  if (manifest === undefined) return undefined;
  try {
    return parseManifest(blobs.readText(manifest), `manifest ${manifest}`).layers.map(({ digest }) => digest);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    // It has been told of already.
    return [];
  }
}

interface CheckedLayer {
  readonly id: string;
  readonly source: string | undefined;
  /** It is an imported root. */
  readonly isWhole: boolean;
  readonly lower: readonly string[];
}

async function checkLayer(
  store: ImageStore,
  blobs: BlobStore,
  { id, source, isWhole, lower }: CheckedLayer,
  bad: ReadonlySet<string>,
): Promise<string | undefined> {
  const directory = join(store.roots, id);
  const rootfs = join(directory, 'rootfs');
  if (!existsSync(rootfs)) return 'is missing';
  if (isWhole) return undefined;
  if (readLayerRecord(directory) === undefined) return 'is not complete';
  if (source === undefined || bad.has(source) || !blobs.has(source))
    return 'cannot be compared: its blob is missing or damaged';
  const held = holdDirectory(directory);
  const again = mkdtempSync(join(directory, 'fsck-'));
  try {
    chmodSync(again, 0o755);
    await unpackLayer(blobs.stream(source), again, { lower });
    return treeDigest(again) === treeDigest(rootfs) ? undefined : 'is not what its blob says';
  } finally {
    removeTree(again);
    if (held !== undefined) closeSync(held);
  }
}

/** Of everything in a directory: names, kinds, modes, owners, times, links, devices, attributes, contents. */
function treeDigest(root: string): string {
  const hash = createHash('sha256');
  const visit = (path: string, isRoot: boolean): void => {
    const file = Buffer.from(path, 'latin1');
    const stat = lstatSync(file, { bigint: true });
    // An archive need not say anything of its root, or of a directory that it only implies; a whiteout has the time of its unpacking.
    const links = stat.isDirectory() ? '' : stat.nlink;
    const time = stat.isDirectory() || isWhiteout(stat) ? '' : stat.mtimeNs;
    hash.update(
      `${isRoot ? '' : path.slice(root.length)}\0${stat.mode} ${stat.uid} ${stat.gid} ${time} ${stat.rdev} ${links}\n`,
    );
    for (const [name, value] of readXattrs(file)) hash.update(`${name}=`).update(value);
    if (stat.isSymbolicLink()) hash.update(readlinkSync(file, 'buffer'));
    else if (stat.isFile()) hash.update(contentDigest(file));
    else if (stat.isDirectory())
      for (const name of readdirSync(file, { encoding: 'latin1' }).sort()) visit(`${path}/${name}`, false);
  };
  visit(root, true);
  return hash.digest('hex');
}

const buffer = Buffer.alloc(1 << 18);

function contentDigest(file: Buffer): Buffer {
  const hash = createHash('sha256');
  const fd = openSync(file, 'r');
  try {
    for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer))
      hash.update(buffer.subarray(0, count));
  } finally {
    closeSync(fd);
  }
  return hash.digest();
}
