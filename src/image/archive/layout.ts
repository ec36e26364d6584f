import { UserError } from '../../base/errors.ts';
import { printable } from '../../base/printable.ts';
import type { BlobStore, Content } from '../blobs.ts';
import {
  choose,
  type Descriptor,
  formatManifest,
  isObject,
  MEDIA_TYPES,
  type Platform,
  parseIndex,
  parseManifest,
} from '../manifest.ts';
import { formatReference, parseReference } from '../reference.ts';
import type { Files } from './files.ts';

/** An image of an archive: the digest of its manifest, and the names that the archive has for it. */
export interface FoundImage {
  readonly manifest: string;
  readonly names: readonly string[];
}

/** How deep an index may refer to others. */
const MAX_DEPTH = 4;

/** The images of an OCI layout (image-spec, image-layout.md), or of a `docker save` archive, all blobs of which are there. */
export function imagesOf(
  files: Files,
  blobs: BlobStore,
  platform: Platform,
  what: string,
): readonly FoundImage[] {
  const docker = files.get('manifest.json');
  const index = files.get('index.json');
  // Docker since 25 writes both; only the index has the manifest as it was.
  if (index !== undefined) {
    checkBlobs(files, what);
    return imagesOfIndex(index, blobs, platform, what);
  }
  if (docker === undefined) throw new UserError(`${what} has neither index.json nor manifest.json`);
  return imagesOfDocker(files, docker, blobs, what);
}

/** A layout says of each file what its digest is. */
function checkBlobs(files: Files, what: string): void {
  for (const [path, { digest }] of files) {
    const [, algorithm, hex] = /^blobs\/([^/]*)\/(.*)$/.exec(path) ?? [];
    if (hex !== undefined && `${algorithm}:${hex}` !== digest)
      throw new UserError(`${what}: ${printable(path)}: its content is ${digest}`);
  }
}

const NAME_ANNOTATIONS = ['io.containerd.image.name', 'org.opencontainers.image.ref.name'];

function imagesOfIndex(
  index: Content,
  blobs: BlobStore,
  platform: Platform,
  what: string,
): readonly FoundImage[] {
  const descriptors = parseIndex(blobs.readText(index.digest), `${what}: index.json`) ?? [];
  const named = descriptors.filter(each => namesOf(each).length > 0);
  if (named.length > 1)
    return named.map(each => ({ manifest: resolve(each, blobs, platform, what), names: namesOf(each) }));
  if (descriptors.length === 0) throw new UserError(`${what}: index.json has no manifest`);
  const chosen =
    descriptors.length === 1 ? descriptors[0] : choose(descriptors, platform, `${what}: index.json`);
  if (chosen === undefined) return [];
  return [{ manifest: resolve(chosen, blobs, platform, what), names: namesOf(chosen) }];
}

/** A name that is no whole one ("latest") says nothing. */
function namesOf({ annotations }: Descriptor): readonly string[] {
  for (const key of NAME_ANNOTATIONS) {
    const name = annotations?.[key];
    if (typeof name === 'string' && name.includes('/')) return [formatReference(parseReference(name))];
  }
  return [];
}

/** From an index to the manifest of the platform; {@link MAX_DEPTH} indexes at most. */
export function resolve(descriptor: Descriptor, blobs: BlobStore, platform: Platform, what: string): string {
  let at = descriptor;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const where = `${what}: ${at.digest}`;
    if (!blobs.has(at.digest)) throw new UserError(`${where} is missing`);
    const isIndex = MEDIA_TYPES.indexes.some(type => type === at.mediaType);
    const manifests =
      isIndex || at.mediaType === '' ? parseIndex(blobs.readText(at.digest), where) : undefined;
    if (manifests === undefined) {
      checkManifest(at.digest, blobs, what);
      return at.digest;
    }
    at = choose(manifests, platform, where);
  }
  throw new UserError(`${what}: an index in an index in an index`);
}

function checkManifest(digest: string, blobs: BlobStore, what: string): void {
  const { config, layers } = parseManifest(blobs.readText(digest), `${what}: manifest ${digest}`);
  for (const each of [config, ...layers]) {
    if (!blobs.has(each.digest)) throw new UserError(`${what}: ${each.digest} is missing`);
    if (blobs.size(each.digest) !== each.size)
      throw new UserError(`${what}: ${each.digest} has ${blobs.size(each.digest)} bytes, not ${each.size}`);
  }
}

/** `manifest.json` of `docker save`: config and layers by file name (moby, image/tarexport). */
function imagesOfDocker(files: Files, list: Content, blobs: BlobStore, what: string): readonly FoundImage[] {
  const where = `${what}: manifest.json`;
  let parsed: unknown;
  try {
    parsed = JSON.parse(blobs.readText(list.digest));
  } catch (cause) {
    throw new UserError(`${where}: it is no JSON`, { cause });
  }
  if (!Array.isArray(parsed) || parsed.length === 0)
    throw new UserError(`${where}: expected a list of images`);
  const images: FoundImage[] = [];
  for (const each of parsed) {
    const { Config, Layers, RepoTags } = isObject(each) ? each : {};
    if (typeof Config !== 'string' || !Array.isArray(Layers))
      throw new UserError(`${where}: an image that is not well formed`);
    const file = (name: unknown): Content => {
      const found = files.get(String(name));
      if (found === undefined) throw new UserError(`${where}: ${printable(String(name))} is missing`);
      return found;
    };
    const manifest = formatManifest(file(Config), Layers.map(file));
    const { digest } = blobs.add(Buffer.from(manifest));
    checkManifest(digest, blobs, what);
    const names = Array.isArray(RepoTags)
      ? RepoTags.map(tag => formatReference(parseReference(String(tag))))
      : [];
    images.push({ manifest: digest, names });
  }
  return images;
}
