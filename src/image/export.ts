import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { BlobStore, type Content } from './blobs.ts';
import type { ImageConfig } from './config.ts';
import { formatManifest, MEDIA_TYPES, parseManifest, thisPlatform } from './manifest.ts';
import type { Image, ImageStore } from './store.ts';
import { END_OF_ARCHIVE, fileHeader, filePadding } from './tar/writer.ts';

/**
 * An image as a tar archive that is an OCI layout (image-spec, image-layout.md) and what `docker load` reads at once, as Docker
 * itself writes it since version 25.
 */
export async function* exportImage(store: ImageStore, image: Image): AsyncIterable<Uint8Array> {
  const blobs = new BlobStore(store);
  const inUse = blobs.use();
  try {
    const digest = image.manifest ?? (await packRoot(store, image, blobs));
    const text = blobs.readText(digest);
    const { config, layers } = parseManifest(text, `manifest ${digest}`);
    const [mediaType] = MEDIA_TYPES.manifests;
    const type = (JSON.parse(text) as { readonly mediaType?: string }).mediaType ?? mediaType;
    const annotations = {
      'io.containerd.image.name': image.reference,
      'org.opencontainers.image.ref.name': image.reference,
    };
    const index = {
      schemaVersion: 2,
      manifests: [{ mediaType: type, digest, size: blobs.size(digest), annotations }],
    };
    const docker = [
      {
        Config: pathOf(config.digest),
        RepoTags: [image.reference],
        Layers: layers.map(each => pathOf(each.digest)),
      },
    ];
    yield* textFile('oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    yield* textFile('index.json', JSON.stringify(index));
    yield* textFile('manifest.json', JSON.stringify(docker));
    for (const each of new Set([digest, config.digest, ...layers.map(layer => layer.digest)])) {
      const size = blobs.size(each);
      yield fileHeader(pathOf(each), size);
      yield* blobs.stream(each);
      yield filePadding(size);
    }
    yield END_OF_ARCHIVE;
  } finally {
    closeSync(inUse);
  }
}

const pathOf = (digest: string): string => `blobs/${digest.replace(':', '/')}`;

function* textFile(name: string, text: string): Iterable<Uint8Array> {
  const bytes = Buffer.from(text);
  yield fileHeader(name, bytes.length);
  yield bytes;
  yield filePadding(bytes.length);
}

/** An imported root file system gets a layer, a config and a manifest. */
async function packRoot(store: ImageStore, image: Image, blobs: BlobStore): Promise<string> {
  const layer = await packLayer(join(store.roots, image.id, 'rootfs'), blobs);
  const config = blobs.add(
    Buffer.from(
      JSON.stringify({
        created: image.created,
        ...thisPlatform(),
        config: formatConfig(image.config),
        rootfs: { type: 'layers', diff_ids: [layer.digest] },
      }),
    ),
  );
  return blobs.add(Buffer.from(formatManifest(config, [layer]))).digest;
}

/** As the image-spec writes it: without what is empty, and with sets as objects. */
function formatConfig(config: ImageConfig): object {
  const sets = ['ExposedPorts', 'Volumes'];
  return Object.fromEntries(
    Object.entries(config)
      .filter(([, value]) => value !== '' && Object.keys(value as object).length > 0)
      .map(([name, value]) => [
        name,
        sets.includes(name) ? Object.fromEntries((value as string[]).map(each => [each, {}])) : value,
      ]),
  );
}

const TAR = [
  '--create',
  '--format=posix',
  '--numeric-owner',
  '--xattrs',
  '--xattrs-include=*',
  '--sort=name',
  '--file=-',
];

async function packLayer(rootfs: string, blobs: BlobStore): Promise<Content> {
  const child = spawn('tar', [...TAR, '--directory', rootfs, '.'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (stderr.length < 1 << 12) stderr += text;
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  const writer = blobs.writer();
  try {
    for await (const chunk of child.stdout) writer.write(chunk as Uint8Array);
    if ((await ended) !== 0) throw new UserError(`cannot pack the image: ${stderr.trim().split('\n')[0]}`);
    return writer.finish();
  } finally {
    writer.close();
    child.kill();
  }
}
