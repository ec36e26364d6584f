import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type MadeEntry, tarOf } from './tar-builder.ts';

export const digestOf = (bytes: Uint8Array, algorithm: 'sha256' | 'sha512' = 'sha256'): string =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
export const blobPath = (digest: string): string => `blobs/${digest.replace(':', '/')}`;

export interface MadeImage {
  readonly algorithm: 'sha256' | 'sha512';
  readonly manifest: Buffer;
  readonly config: Buffer;
  /** As they are stored, and what they are of. */
  readonly layers: readonly Buffer[];
  readonly tars: readonly Buffer[];
  readonly blobs: ReadonlyMap<string, Buffer>;
}

const identity = (bytes: Buffer): Buffer => bytes;

/** An image by hand; `docker` uses Docker's words. */
export function makeImage(
  layers: readonly (readonly MadeEntry[] | Buffer)[],
  {
    config = {},
    compress = gzipSync,
    docker = false,
    algorithm = 'sha256',
  }: {
    readonly config?: object;
    readonly compress?: (bytes: Buffer) => Buffer;
    readonly docker?: boolean;
    readonly algorithm?: 'sha256' | 'sha512';
  } = {},
): MadeImage {
  const digest = (bytes: Uint8Array): string => digestOf(bytes, algorithm);
  const tars = layers.map(entries => (Buffer.isBuffer(entries) ? entries : tarOf(entries)));
  const packed = tars.map(compress);
  const text = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config,
      rootfs: { type: 'layers', diff_ids: tars.map(digest) },
    }),
  );
  const suffix = compress === identity ? '' : docker ? '.gzip' : '+gzip';
  const types = docker
    ? ['manifest.v2+json', 'container.image.v1+json', `image.rootfs.diff.tar${suffix}`].map((each, i) =>
        i === 0 ? `application/vnd.docker.distribution.${each}` : `application/vnd.docker.${each}`,
      )
    : ['manifest.v1+json', 'config.v1+json', `layer.v1.tar${suffix}`].map(
        each => `application/vnd.oci.image.${each}`,
      );
  const [mediaType = '', configType = '', layerType = ''] = types;
  const describe = (bytes: Buffer, type: string): object => ({
    mediaType: type,
    digest: digest(bytes),
    size: bytes.length,
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: describe(text, configType),
      layers: packed.map(each => describe(each, layerType)),
    }),
  );
  const blobs = new Map([manifest, text, ...packed].map(bytes => [digest(bytes), bytes]));
  return { algorithm, manifest, config: text, layers: packed, tars, blobs };
}

type LayoutFiles = Map<string, Buffer>;

/** An OCI layout. */
export function layoutOf(
  images: readonly { readonly image: MadeImage; readonly name?: string; readonly platform?: object }[],
): LayoutFiles {
  const manifests = images.map(({ image, name, platform }) => ({
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: digestOf(image.manifest, image.algorithm),
    size: image.manifest.length,
    ...(platform === undefined ? {} : { platform }),
    ...(name === undefined ? {} : { annotations: { 'org.opencontainers.image.ref.name': name } }),
  }));
  return new Map([
    ['oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
    ...images.flatMap(({ image }) =>
      [...image.blobs].map(([digest, bytes]) => [blobPath(digest), bytes] as const),
    ),
    ['index.json', Buffer.from(JSON.stringify({ schemaVersion: 2, manifests }))],
  ]);
}

/** What `docker save` wrote before version 25: layers in directories of their own, the second time as a link. */
export function dockerSave(image: MadeImage, tags: readonly string[]): readonly MadeEntry[] {
  const hex = (bytes: Buffer): string => digestOf(bytes).slice('sha256:'.length);
  const config = `${hex(image.config)}.json`;
  const list = [
    {
      Config: config,
      RepoTags: tags,
      Layers: image.tars.map((_, i) => `${hex(Buffer.from(String(i)))}/layer.tar`),
    },
  ];
  return [
    ...image.tars.flatMap((bytes, i): MadeEntry[] => {
      const directory = hex(Buffer.from(String(i)));
      const first = image.tars.findIndex(each => each.equals(bytes));
      const name = `${directory}/layer.tar`;
      return [
        { name: `${directory}/`, type: '5', mode: 0o755 },
        { name: `${directory}/VERSION`, data: '1.0' },
        first === i
          ? { name, data: bytes }
          : { name, type: '2', link: `../${hex(Buffer.from(String(first)))}/layer.tar` },
      ];
    }),
    { name: config, data: image.config },
    { name: 'manifest.json', data: JSON.stringify(list) },
  ];
}

export function writeFiles(directory: string, files: ReadonlyMap<string, Buffer>): void {
  for (const [name, bytes] of files) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), bytes);
  }
}

export const tarOfFiles = (files: ReadonlyMap<string, Buffer>): Buffer =>
  tarOf([...files].map(([name, data]) => ({ name, data })));
