import {
  closeSync,
  createReadStream,
  fstatSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../base/errors.ts';
import { LOCK } from '../../linux/constants.generated.ts';
import { flock } from '../../native/libc.ts';
import { type BlobStore, type Content, MAX_JSON } from '../blobs.ts';
import { algorithmOf, Digester, isDigest, USUAL } from '../digest.ts';
import { type Descriptor, MEDIA_TYPES } from '../manifest.ts';
import { authorize } from './auth.ts';
import type { Credentials } from './credentials.ts';
import type { Endpoint } from './endpoint.ts';
import { ATTEMPTS, type HttpOptions, readBody, reason, request } from './http.ts';

/** A repository of a registry, read (distribution-spec, "Pull"). */
export class RegistryClient {
  readonly #endpoint: Endpoint;
  readonly #credentials: Credentials | undefined;
  readonly #options: HttpOptions;
  #authorization: string | undefined;

  constructor(endpoint: Endpoint, credentials: Credentials | undefined, options: HttpOptions) {
    this.#endpoint = endpoint;
    this.#credentials = credentials;
    this.#options = options;
  }

  /** A manifest or index; the store has it then. One that is asked for by digest has that digest. */
  async manifest(reference: string, blobs: BlobStore): Promise<Descriptor> {
    const accept = [...MEDIA_TYPES.manifests, ...MEDIA_TYPES.indexes].join(', ');
    const response = await this.#get(`manifests/${reference}`, { accept });
    const what = `${this.#endpoint.domain}/${this.#endpoint.repository}`;
    const body = await readBody(response, MAX_JSON);
    if (response.status === 404) throw new UserError(`${what}: ${reference}: not found`);
    if (response.status !== 200) throw new UserError(`${what}: ${reference}: ${failure(response, body)}`);
    const algorithm = isDigest(reference) ? algorithmOf(reference) : USUAL;
    const content: Content = {
      digest: new Digester(algorithm).update(body).digest(),
      size: body.length,
    };
    if (isDigest(reference) && reference !== content.digest)
      throw new UserError(`${what}: ${reference}: its content is ${content.digest}`);
    blobs.add(body, algorithm);
    const mediaType = response.headers.get('content-type')?.split(';')[0]?.trim() ?? '';
    return { ...content, mediaType };
  }

  /** Brings a blob into the store, and goes on where an earlier try has stopped. */
  async blob(wanted: Content, blobs: BlobStore, onBytes: (count: number) => void): Promise<void> {
    const partial = await this.#lock(wanted, blobs);
    if (partial === undefined) return;
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          if (await this.#download(wanted, partial, onBytes)) break;
        } catch (error) {
          if (error instanceof UserError || this.#options.signal?.aborted) throw error;
          if (attempt === ATTEMPTS)
            throw new UserError(`blob ${wanted.digest}: ${reason(error)}`, { cause: error });
          await sleep((this.#options.retryDelay ?? 500) * 2 ** (attempt - 1));
          continue;
        }
        if (attempt === ATTEMPTS) throw new UserError(`blob ${wanted.digest}: it ends too early`);
      }
      renameSync(blobs.partial(wanted.digest), blobs.path(wanted.digest));
    } finally {
      closeSync(partial);
    }
  }

  /** The file of a download, ours alone; undefined if another command has brought it meanwhile. */
  async #lock({ digest }: Content, blobs: BlobStore): Promise<number | undefined> {
    const path = blobs.partial(digest);
    for (let wait = 1; ; wait = Math.min(wait * 2, 100)) {
      this.#options.signal?.throwIfAborted();
      if (blobs.has(digest)) return undefined;
      const fd = openSync(path, 'a+', 0o600);
      const isOurs =
        flock(fd, LOCK.LOCK_EX | LOCK.LOCK_NB) &&
        statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino;
      const isThere = blobs.has(digest);
      if (isOurs && !isThere) return fd;
      if (isOurs) rmSync(path);
      closeSync(fd);
      await sleep(wait);
    }
  }

  /** True when all is there. */
  async #download(wanted: Content, fd: number, onBytes: (count: number) => void): Promise<boolean> {
    const algorithm = algorithmOf(wanted.digest);
    let hash = new Digester(algorithm);
    let size = fstatSync(fd).size;
    const isResumed = size > 0;
    if (size > wanted.size) size = restart(fd);
    if (size > 0) await rehash(hash, fd, size);
    if (size < wanted.size || size === 0) {
      const response = await this.#get(
        `blobs/${wanted.digest}`,
        size === 0 ? {} : { range: `bytes=${size}-` },
      );
      const isRest =
        response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${size}-`);
      if (response.status === 416 || (response.status === 206 && !isRest)) {
        await response.body?.cancel();
        restart(fd);
        return false;
      }
      if (response.status !== 200 && !isRest) {
        const body = await readBody(response, MAX_JSON);
        throw new UserError(
          `blob ${wanted.digest}: ${response.status === 404 ? 'not found' : failure(response, body)}`,
        );
      }
      if (!isRest && size > 0) {
        size = restart(fd);
        hash = new Digester(algorithm);
      }
      onBytes(size);
      for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
        size += chunk.length;
        if (size > wanted.size)
          throw wrong(fd, `blob ${wanted.digest}: it is larger than its ${wanted.size} bytes`);
        for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
        hash.update(chunk);
        onBytes(size);
      }
      if (size < wanted.size) return false;
    }
    const digest = hash.digest();
    if (digest === wanted.digest) return true;
    const error = wrong(fd, `blob ${wanted.digest}: its content is ${digest}`);
    // What was there before may have been no beginning of it.
    if (isResumed) return false;
    throw error;
  }

  async #get(path: string, headers: Readonly<Record<string, string>>): Promise<Response> {
    const { base, repository } = this.#endpoint;
    const url = new URL(`/v2/${repository}/${path}`, base);
    const ask = (): Promise<Response> =>
      request(
        this.#endpoint,
        url,
        this.#authorization === undefined ? headers : { ...headers, authorization: this.#authorization },
        this.#options,
      );
    const first = await ask();
    if (first.status !== 401) return first;
    await first.body?.cancel();
    // A token may also have become too old.
    this.#authorization = await authorize(
      this.#endpoint,
      first.headers.get('www-authenticate') ?? '',
      this.#credentials,
      this.#options,
    );
    const second = await ask();
    if (second.status !== 401 && second.status !== 403) return second;
    await second.body?.cancel();
    throw new UserError(`${this.#endpoint.domain}/${repository}: access denied`, {
      hint: `podspace image login ${this.#endpoint.domain}`,
    });
  }
}

function restart(fd: number): 0 {
  ftruncateSync(fd, 0);
  return 0;
}

/** What came is not what was wanted: nobody goes on from there. */
function wrong(fd: number, message: string): UserError {
  restart(fd);
  return new UserError(message);
}

async function rehash(hash: Digester, fd: number, size: number): Promise<void> {
  const stream = createReadStream(`/proc/self/fd/${fd}`, { end: size - 1, highWaterMark: 1 << 18 });
  for await (const chunk of stream) hash.update(chunk as Uint8Array);
}

/** The registry's own words (distribution-spec, "Error Codes"), or the number. */
function failure(response: Response, body: Buffer): string {
  try {
    const { errors } = JSON.parse(body.toString()) as {
      readonly errors?: readonly { readonly message?: unknown }[];
    };
    const message = errors?.[0]?.message;
    if (typeof message === 'string')
      return `${response.status} ${message.slice(0, 200).replace(/\p{C}/gu, '?')}`;
  } catch {
    // No JSON: the status says enough.
  }
  return `${response.status} ${response.statusText}`;
}
