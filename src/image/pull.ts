import { closeSync } from 'node:fs';
import { UserError } from '../base/errors.ts';
import { addImage } from './add.ts';
import { resolve } from './archive/layout.ts';
import { BlobStore, type Content } from './blobs.ts';
import { isDigest } from './digest.ts';
import { choose, MEDIA_TYPES, type Platform, parseIndex, parseManifest, thisPlatform } from './manifest.ts';
import { PullAccount, type PullProgress } from './pull-progress.ts';
import { formatReference, parseReference } from './reference.ts';
import { RegistryClient } from './registry/client.ts';
import { type Auths, type Credentials, findCredentials } from './registry/credentials.ts';
import { endpointOf } from './registry/endpoint.ts';
import type { Image, ImageStore } from './store.ts';

export interface PullOptions {
  readonly platform?: Platform;
  /** Registries (`host:port`) that are asked by plain HTTP. */
  readonly insecureRegistries?: readonly string[];
  /** Of the pod's imagePullSecrets. */
  readonly secrets?: readonly Auths[];
  /** In place of all that is stored. */
  readonly credentials?: Credentials;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: PullProgress) => void;
  readonly retryDelay?: number;
}

/** As containerd's max_concurrent_downloads. */
const PARALLEL = 3;
const MAX_DEPTH = 4;

/** Brings an image from its registry, or what is new of it. */
export async function pullImage(store: ImageStore, name: string, options: PullOptions = {}): Promise<Image> {
  const reference = parseReference(name);
  if (reference.digest !== undefined && !isDigest(reference.digest))
    throw new UserError(`${name}: only sha256 and sha512 digests can be proved`);
  const { signal, retryDelay, insecureRegistries, secrets, platform = thisPlatform() } = options;
  const endpoint = endpointOf(reference, insecureRegistries);
  const credentials =
    options.credentials ?? (await findCredentials(endpoint.domain, endpoint.repository, store, secrets));
  const client = new RegistryClient(endpoint, credentials, {
    signal,
    ...(retryDelay === undefined ? {} : { retryDelay }),
  });
  const blobs = new BlobStore(store);
  const inUse = blobs.use();
  try {
    const manifest = await findManifest(client, blobs, endpoint.reference, platform);
    const { config, layers } = parseManifest(blobs.readText(manifest), `manifest ${manifest}`);
    const account = new PullAccount(
      layers,
      digest => blobs.has(digest),
      progress => options.onProgress?.(progress),
    );
    await download(client, blobs, [...layers, config], account);
    resolve({ digest: manifest, size: 0, mediaType: MEDIA_TYPES.manifests[0] }, blobs, platform, name);
    return await addImage(store, blobs, [formatReference(reference)], manifest, {
      isPulled: true,
      signal,
      onUnpack: ({ digest }) => account.set(digest, { state: 'unpacking' }),
      onUnpacked: ({ digest }) => account.set(digest, { state: 'unpacked' }),
    });
  } catch (error) {
    if (signal?.aborted) throw new UserError('interrupted', { cause: error });
    throw error;
  } finally {
    closeSync(inUse);
  }
}

async function findManifest(
  client: RegistryClient,
  blobs: BlobStore,
  first: string,
  platform: Platform,
): Promise<string> {
  let reference = first;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const { digest } = await client.manifest(reference, blobs);
    const manifests = parseIndex(blobs.readText(digest), `manifest ${digest}`);
    if (manifests === undefined) return digest;
    reference = choose(manifests, platform, `manifest ${digest}`).digest;
  }
  throw new UserError('an index in an index in an index');
}

/** Some at a time; the first that fails ends all. */
async function download(
  client: RegistryClient,
  blobs: BlobStore,
  contents: readonly Content[],
  account: PullAccount,
): Promise<void> {
  const missing = [...new Map(contents.map(each => [each.digest, each])).values()].filter(
    ({ digest }) => !blobs.has(digest),
  );
  const queue = [...missing];
  let isFailed = false;
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined && !isFailed; next = queue.shift()) {
      const { digest } = next;
      try {
        account.set(digest, { state: 'downloading' });
        await client.blob(next, blobs, received => account.set(digest, { received }));
        account.set(digest, { state: 'downloaded', received: next.size });
      } catch (error) {
        isFailed = true;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: PARALLEL }, work));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
