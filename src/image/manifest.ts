import { UserError } from '../base/errors.ts';
import { printable } from '../base/printable.ts';
import type { Content } from './blobs.ts';
import { isDigest } from './digest.ts';
import { LIMITS } from './layer/limits.ts';

export interface Descriptor extends Content {
  readonly mediaType: string;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, unknown>>;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** One image (image-spec, manifest.md; Docker's manifest v2 schema 2 is the same with other words). */
export interface Manifest {
  readonly config: Descriptor;
  /** The lowest first. */
  readonly layers: readonly Descriptor[];
}

export const MEDIA_TYPES = {
  manifests: [
    'application/vnd.oci.image.manifest.v1+json',
    'application/vnd.docker.distribution.manifest.v2+json',
  ],
  indexes: [
    'application/vnd.oci.image.index.v1+json',
    'application/vnd.docker.distribution.manifest.list.v2+json',
  ],
} as const;

/** As many as Docker and containerd take. */
const MAX_LAYERS = 127;
const MAX_MANIFESTS = 1000;
/** What a layer may be at most when it is unpacked: compressed it is no larger. */
const MAX_BLOB = LIMITS.bytes;

/** Layers, whatever they are compressed with; "foreign" ones have their bytes elsewhere, and encrypted ones are not for us. */
const LAYER =
  /^application\/vnd\.(oci\.image\.layer\.(nondistributable\.)?v1\.tar|docker\.image\.rootfs\.(foreign\.)?diff\.tar)([.+](gzip|zstd))?$/;

export function parseManifest(text: string, where: string): Manifest {
  const document = parseObject(text, where);
  if (document.schemaVersion !== 2) throw new UserError(`${where}: only schema version 2 is supported`);
  if (!Array.isArray(document.layers)) throw new UserError(`${where}: it is no image manifest`);
  if (document.layers.length > MAX_LAYERS)
    throw new UserError(`${where}: it has more than ${MAX_LAYERS} layers`);
  const layers = document.layers.map(each => descriptor(each, where));
  for (const { mediaType } of layers)
    if (!LAYER.test(mediaType))
      throw new UserError(`${where}: a layer of type "${printable(mediaType)}" is not supported`);
  for (const { digest, size } of layers)
    if (size > MAX_BLOB) throw new UserError(`${where}: layer ${digest} is larger than ${MAX_BLOB} bytes`);
  return { config: descriptor(document.config, where), layers };
}

/** An index or manifest list: what it has for which platform. */
export function parseIndex(text: string, where: string): readonly Descriptor[] | undefined {
  const { manifests } = parseObject(text, where);
  if (!Array.isArray(manifests)) return undefined;
  if (manifests.length > MAX_MANIFESTS)
    throw new UserError(`${where}: it has more than ${MAX_MANIFESTS} manifests`);
  return manifests.map(each => descriptor(each, where));
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

export const thisPlatform = (): Platform => ({
  os: 'linux',
  architecture: ARCHITECTURES[process.arch] ?? process.arch,
});

/** `linux/arm64`, with a variant or without. */
export function parsePlatform(text: string): Platform {
  const [os, architecture, variant, ...rest] = text.split('/');
  if (!os || !architecture || rest.length > 0)
    throw new UserError(`"${text}" is no platform`, { hint: 'linux/amd64 or linux/arm64, for example' });
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

/** The first that fits. One that says nothing of a platform is taken where it is the only one. */
export function choose(descriptors: readonly Descriptor[], wanted: Platform, where: string): Descriptor {
  const found = descriptors.find(
    ({ platform }) =>
      platform?.os === wanted.os &&
      platform.architecture === wanted.architecture &&
      (wanted.variant === undefined || platform.variant === wanted.variant),
  );
  const [only, ...others] = descriptors;
  if (found !== undefined) return found;
  if (only !== undefined && others.length === 0 && only.platform === undefined) return only;
  const known = [
    ...new Set(
      descriptors.flatMap(({ platform: p }) => (p === undefined ? [] : [`${p.os}/${p.architecture}`])),
    ),
  ];
  throw new UserError(`${where}: no match for platform ${wanted.os}/${wanted.architecture}`, {
    hint: known.length === 0 ? undefined : `there are: ${printable(known.slice(0, 20).join(', '))}`,
  });
}

/** What is written for an image that came without a manifest. */
export function formatManifest(config: Content, layers: readonly Content[]): string {
  const [mediaType] = MEDIA_TYPES.manifests;
  const types = {
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar',
  };
  return JSON.stringify({
    schemaVersion: 2,
    mediaType,
    config: { mediaType: types.config, digest: config.digest, size: config.size },
    layers: layers.map(({ digest, size }) => ({ mediaType: types.layer, digest, size })),
  });
}

export function parseObject(text: string, where: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new UserError(`${where}: it is no JSON`, { cause });
  }
  if (!isObject(value)) throw new UserError(`${where}: expected an object`);
  return value;
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function descriptor(value: unknown, where: string): Descriptor {
  const { digest, size, mediaType = '', platform, annotations } = isObject(value) ? value : {};
  if (!isDigest(digest) || typeof mediaType !== 'string' || !Number.isSafeInteger(size) || Number(size) < 0)
    throw new UserError(`${where}: a descriptor that is not well formed`);
  const { os, architecture, variant } = isObject(platform) ? platform : {};
  return {
    digest,
    size: Number(size),
    mediaType,
    ...(typeof os === 'string' && typeof architecture === 'string'
      ? { platform: { os, architecture, ...(typeof variant === 'string' ? { variant } : {}) } }
      : {}),
    ...(isObject(annotations) ? { annotations } : {}),
  };
}
