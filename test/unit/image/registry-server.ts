import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { digestOf, type MadeImage } from './image-builder.ts';

/** What a registry does wrong; it is asked for each request and may answer it. */
export type Fault = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface TestRegistry {
  readonly host: string;
  readonly requests: string[];
  /** Repository → tag or digest → manifest. */
  put(repository: string, tag: string, manifest: Buffer, image?: MadeImage): void;
  faults: Fault[];
  /** `user:password` that a token or every request needs. */
  auth:
    | {
        readonly scheme: 'bearer' | 'basic' | 'anonymous';
        readonly user?: string;
        /** An identity token, which a POST exchanges. */
        readonly refresh?: string;
      }
    | undefined;
  close(): Promise<void>;
}

/** A registry (distribution-spec, pull) on a port of the loopback, or of another address, by TLS. */
export async function startRegistry(
  address = '127.0.0.1',
  tls?: { readonly key: Buffer; readonly cert: Buffer },
): Promise<TestRegistry> {
  const manifests = new Map<string, Buffer>();
  const blobs = new Map<string, Buffer>();
  const answer: RequestListener = (request, response) => {
    const url = request.url ?? '';
    registry.requests.push(`${url}${request.headers.range === undefined ? '' : ` ${request.headers.range}`}`);
    if (registry.faults.some(fault => fault(request, response))) return;
    if (url.startsWith('/token') && request.method === 'POST') {
      let body = '';
      request.on('data', chunk => (body += chunk));
      request.on('end', () => {
        const form = Object.fromEntries(new URLSearchParams(body));
        const isGood = form.grant_type === 'refresh_token' && form.refresh_token === registry.auth?.refresh;
        if (!isGood || !form.scope || !form.service || !form.client_id) response.writeHead(401).end();
        else response.writeHead(200).end(JSON.stringify({ access_token: 'good' }));
      });
      return;
    }
    if (url.startsWith('/token')) {
      const given = request.headers.authorization;
      const wanted =
        registry.auth?.user === undefined
          ? undefined
          : `Basic ${Buffer.from(registry.auth.user).toString('base64')}`;
      if (given !== wanted) response.writeHead(401).end();
      else response.writeHead(200).end(JSON.stringify({ token: 'good' }));
      return;
    }
    const { auth } = registry;
    const wanted =
      auth?.scheme === 'basic' ? `Basic ${Buffer.from(auth.user ?? '').toString('base64')}` : 'Bearer good';
    if (auth !== undefined && request.headers.authorization !== wanted) {
      const challenge =
        auth.scheme === 'basic'
          ? 'Basic realm="x"'
          : `Bearer realm="${tls === undefined ? 'http' : 'https'}://${registry.host}/token",service="test, with comma",scope="repository:x:pull"`;
      response.writeHead(401, { 'www-authenticate': challenge }).end();
      return;
    }
    if (url === '/v2/') {
      response.writeHead(200).end('{}');
      return;
    }
    const [, repository = '', kind = '', reference = ''] =
      /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(url) ?? [];
    const found = kind === 'blobs' ? blobs.get(reference) : manifests.get(`${repository}/${reference}`);
    if (found === undefined) {
      response.writeHead(404).end('{"errors":[{"code":"UNKNOWN","message":"unknown"}]}');
      return;
    }
    const [, from] = /^bytes=([0-9]+)-$/.exec(request.headers.range ?? '') ?? [];
    const type =
      kind === 'blobs'
        ? 'application/octet-stream'
        : (JSON.parse(found.toString()) as { mediaType: string }).mediaType;
    if (from === undefined)
      response.writeHead(200, { 'content-type': type, 'content-length': found.length }).end(found);
    else
      response
        .writeHead(206, { 'content-range': `bytes ${from}-${found.length - 1}/${found.length}` })
        .end(found.subarray(Number(from)));
  };
  const server = tls === undefined ? createServer(answer) : createSecureServer(tls, answer);
  await new Promise<void>(done => server.listen(0, address, done));
  const bound = server.address();
  const registry: TestRegistry = {
    host: `${address}:${typeof bound === 'object' ? bound?.port : 0}`,
    requests: [],
    put: (repository, tag, manifest, image) => {
      manifests.set(`${repository}/${tag}`, manifest);
      for (const algorithm of ['sha256', 'sha512'] as const)
        manifests.set(`${repository}/${digestOf(manifest, algorithm)}`, manifest);
      if (image !== undefined) for (const [digest, bytes] of image.blobs) blobs.set(digest, bytes);
    },
    faults: [],
    auth: undefined,
    close: () =>
      new Promise(done => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
  return registry;
}
