import { setTimeout as sleep } from 'node:timers/promises';
import { errnoCode, UserError } from '../../base/errors.ts';
import { printable } from '../../base/printable.ts';
import { type Endpoint, isLoopback } from './endpoint.ts';

export interface HttpOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds before the second attempt; each next waits twice as long. */
  readonly retryDelay?: number;
  /** Posts it, to that address and no other. */
  readonly form?: URLSearchParams;
}

export const ATTEMPTS = 5;
const RETRY_DELAY = 500;
const MAX_DELAY = 30_000;
const MAX_REDIRECTS = 5;
/** What may pass by itself: too many requests, and a registry that is being restarted. */
const TRANSIENT: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** One request, redirects followed: credentials are for the registry itself only, and HTTPS does not become HTTP. */
export async function request(
  { isPlain }: Pick<Endpoint, 'isPlain'>,
  url: URL,
  headers: Readonly<Record<string, string>>,
  { signal, retryDelay = RETRY_DELAY, form }: HttpOptions,
): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    let response: Response | undefined;
    let failure: unknown;
    try {
      response = await follow(isPlain, url, headers, signal, form);
    } catch (error) {
      if (error instanceof UserError || signal?.aborted) throw error;
      failure = error;
    }
    if (response !== undefined && !TRANSIENT.has(response.status)) return response;
    if (attempt === ATTEMPTS || isAboutTls(failure)) {
      if (response !== undefined) return response;
      throw new UserError(`${url.host}: ${reason(failure)}`, { cause: failure });
    }
    await response?.body?.cancel();
    const asked = Number(response?.headers.get('retry-after') ?? Number.NaN) * 1000;
    const delay = Number.isFinite(asked) ? asked : retryDelay * 2 ** (attempt - 1);
    await sleep(Math.min(delay, MAX_DELAY), undefined, signal === undefined ? {} : { signal });
  }
}

/** A certificate does not become another one by waiting: codes of OpenSSL and of Node's tls. */
function isAboutTls(failure: unknown): boolean {
  const cause = failure instanceof Error ? failure.cause : undefined;
  return /^(ERR_(SSL|TLS)_|CERT_|UNABLE_TO_|(DEPTH_ZERO_)?SELF_SIGNED_)/.test(errnoCode(cause) ?? '');
}

async function follow(
  isPlain: boolean,
  start: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
  form: URLSearchParams | undefined,
): Promise<Response> {
  let url = start;
  for (let i = 0; i <= MAX_REDIRECTS; i++) {
    const { authorization: _, ...rest } = headers;
    const own = url.host === start.host && url.protocol === start.protocol ? headers : rest;
    const response = await send(url, {
      headers: { 'accept-encoding': 'identity', 'user-agent': 'podspace', ...own },
      redirect: 'manual',
      ...(form === undefined ? {} : { method: 'POST', body: form }),
      ...(signal === undefined ? {} : { signal }),
    });
    const location = response.headers.get('location');
    if (response.status < 300 || response.status > 399 || location === null || form !== undefined)
      return response;
    await response.body?.cancel();
    url = new URL(location, url);
    if (url.protocol !== 'https:' && !(isPlain && url.protocol === 'http:'))
      throw new UserError(`${start.host} leads to ${printable(url.host)} without HTTPS`);
  }
  throw new UserError(`${start.host} leads from one address to the next`);
}

/** By the proxy of the environment, as Go's programs read it (net/http, ProxyFromEnvironment); this machine is asked without. */
async function send(url: URL, init: RequestInit): Promise<Response> {
  const { env } = process;
  const proxy =
    url.protocol === 'https:' ? env.HTTPS_PROXY || env.https_proxy : env.HTTP_PROXY || env.http_proxy;
  if (!proxy || isLoopback(url.host)) return fetch(url, init);
  const { fetchByProxy, isWithoutProxy } = await import('./proxy.ts');
  return isWithoutProxy(url, env.NO_PROXY || env.no_proxy || '')
    ? fetch(url, init)
    : fetchByProxy(url, init, proxy);
}

/** What fetch() says is "fetch failed"; why is in its cause, and OpenSSL's words are between colons. */
export function reason(error: unknown): string {
  const { cause } = error instanceof Error ? error : {};
  const inner = cause instanceof AggregateError ? cause.errors[0] : cause;
  const text =
    inner instanceof Error
      ? inner.message || inner.name
      : error instanceof Error
        ? error.message
        : String(error);
  const [, tls] = /SSL routines:[^:]*:([^:]*)/.exec(text) ?? [];
  return tls === undefined ? (text.split('\n')[0] ?? '') : `TLS: ${tls}`;
}

/** A small body; `limit` bytes at most. */
export async function readBody(response: Response, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > limit) throw new UserError(`an answer of more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
