import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { MASTERS, type UserInfo } from '../../admission/user.ts';
import { ApiError, tooManyRequests } from '../api-error.ts';
import { impersonated } from './authenticate.ts';
import { mediaTypeOf, parseBody, readBody } from './body.ts';
import type { ApiContext, OwnPath } from './context.ts';
import { answer, answerPosted } from './dispatch.ts';
import { answerPath } from './paths.ts';
import { type RequestInfo, requestInfo } from './request-info.ts';
import { sendReply, statusOf } from './respond.ts';
import { Tally } from './tally.ts';
import { UnreadAnswers } from './unread-answers.ts';
import { refuseUpgrade, serveUpgrade } from './upgrade.ts';

/** Who sends a request. Throws an ApiError (401). */
export type Authenticate = (request: IncomingMessage) => UserInfo;

/** Milliseconds for a request's headers, and for all of it. */
const HEADERS_TIMEOUT = 10_000;
const REQUEST_TIMEOUT = 60_000;
/** Milliseconds that an idle connection is kept. */
const KEEP_ALIVE = 90_000;
const MAX_HEADERS = 32 * 1024;
/** Requests that stay open, of one user. */
const MAX_LONG = 400;
/** Connections of a listener. */
const MAX_CONNECTIONS = 2000;

/** What the log and the metrics call a request. */
interface Labels {
  verb: string;
  resource: string;
  subresource: string;
}

const LONG = ['watch', 'log'];

/** The Kubernetes API over HTTP: one for every listener. */
export class ApiServer {
  readonly #context: ApiContext;
  readonly #open = new Tally();
  readonly #unread = new UnreadAnswers();
  /** By connection: when what was asked last has been answered. */
  readonly #answered = new WeakMap<Socket, Promise<void>>();
  readonly #servers = new Set<Server>();

  constructor(context: ApiContext) {
    this.#context = context;
  }

  /** A server that listens to nothing yet; with a certificate it speaks TLS. `isOwn`: only root can reach it. */
  server(
    authenticate: Authenticate,
    tls?: { readonly cert: string; readonly key: string },
    isOwn = false,
  ): Server {
    const options = { maxHeaderSize: MAX_HEADERS, connectionsCheckingInterval: 5000 };
    const server =
      tls === undefined
        ? createServer(options)
        : createTlsServer({ ...options, ...tls, minVersion: 'TLSv1.2', handshakeTimeout: HEADERS_TIMEOUT });
    server.headersTimeout = HEADERS_TIMEOUT;
    server.requestTimeout = REQUEST_TIMEOUT;
    server.keepAliveTimeout = KEEP_ALIVE;
    server.maxConnections = MAX_CONNECTIONS;
    server.on('request', (request, response) => void this.#serve(request, response, authenticate, isOwn));
    server.on('upgrade', (request, socket, head) => void this.#upgrade(request, socket, head, authenticate));
    // What is no HTTP, or too slow: Node answers it, and it is nobody's request.
    server.on('tlsClientError', () => {});
    this.#servers.add(server);
    server.on('close', () => this.#servers.delete(server));
    return server;
  }

  /** Ends all connections; what was asked for goes on being done. */
  close(): void {
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
  }

  async #serve(
    incoming: IncomingMessage,
    response: ServerResponse,
    authenticate: Authenticate,
    isOwn: boolean,
  ): Promise<void> {
    const started = performance.now();
    const labels: Labels = { verb: incoming.method ?? '', resource: '', subresource: '' };
    let user: UserInfo | undefined;
    let code: number;
    incoming.on('error', () => {});
    response.on('error', () => {});
    try {
      await this.#turn(incoming, response);
      user = impersonated(incoming, authenticate(incoming), this.#context.access);
      this.#unread.require(user.name);
      const own = isOwn ? ownPath(this.#context, incoming) : undefined;
      code =
        own === undefined
          ? await this.#answer(incoming, response, user, labels)
          : await answerOwn(own, user, incoming, response);
    } catch (error) {
      const status = statusOf(error, this.#context.log);
      code = status.code;
      // What is left of a body that is too large is not read.
      if (!incoming.complete) response.setHeader('Connection', 'close');
      if (code === 401) response.setHeader('WWW-Authenticate', 'Bearer realm="podspace"');
      sendReply(response, { code, body: status });
    }
    this.#unread.count(user?.name ?? '', response);
    const seconds = (performance.now() - started) / 1000;
    const isLong = LONG.includes(labels.verb) || labels.subresource === 'log';
    this.#context.metrics.request(labels, code, isLong ? undefined : seconds);
    this.#context.log.debug(
      { ...labels, user: user?.name, path: incoming.url?.slice(0, 500), code, seconds },
      'request',
    );
  }

  /** Requests of one connection are answered one after the other: who sends many at once has to read what he gets. */
  async #turn({ socket }: IncomingMessage, response: ServerResponse): Promise<void> {
    const before = this.#answered.get(socket);
    const answered = new Promise<void>(resolve => response.once('close', resolve));
    this.#answered.set(socket, answered);
    await before;
  }

  async #answer(
    incoming: IncomingMessage,
    response: ServerResponse,
    user: UserInfo,
    labels: Labels,
  ): Promise<number> {
    const { path, query, info } = read(incoming);
    if (info.kind === 'path') return answerPath(this.#context, { path, query, user, incoming, response });
    if (info.kind === 'posted') {
      labels.verb = 'create';
      labels.resource = info.type.resource;
      const reply = await answerPosted(this.#context, info.type, info.namespace, { incoming, user });
      sendReply(response, reply);
      return reply.code;
    }
    const { request } = info;
    labels.verb = request.verb;
    labels.resource = request.type.resource;
    labels.subresource = request.subresource;
    this.#authorize(user, info);
    const asked = { request, query, user, incoming, response };
    const isLong = request.verb === 'watch' || request.subresource === 'log';
    return isLong
      ? this.#long(user, request.subresource || request.verb, () => answer(this.#context, asked))
      : answer(this.#context, asked);
  }

  #authorize(
    user: UserInfo,
    { request }: Extract<RequestInfo, { kind: 'resource' }>,
    verb: string = request.verb,
  ): void {
    const { type, namespace, name, subresource } = request;
    this.#context.access.require(user, {
      verb,
      apiGroup: type.group,
      resource: type.resource,
      ...(subresource === '' ? {} : { subresource }),
      ...(name === '' ? {} : { name }),
      ...(namespace === undefined ? {} : { namespace }),
    });
  }

  /** Counts what stays open: one user cannot have all of it. */
  async #long<T>(user: UserInfo, verb: string, body: () => Promise<T>): Promise<T> {
    if (this.#open.of(user.name) >= MAX_LONG) throw tooManyRequests();
    this.#open.add(user.name, 1);
    this.#context.metrics.opened(verb);
    try {
      return await body();
    } finally {
      this.#context.metrics.closed(verb);
      this.#open.add(user.name, -1);
    }
  }

  async #upgrade(
    incoming: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    authenticate: Authenticate,
  ): Promise<void> {
    socket.on('error', () => {});
    try {
      const user = impersonated(incoming, authenticate(incoming), this.#context.access);
      const { info, query } = read(incoming);
      if (info.kind !== 'resource') throw new ApiError('BadRequest', 'nothing can be upgraded here');
      // Whoever gets in does something: a right to look is not enough, although the method is GET.
      this.#authorize(user, info, 'create');
      await this.#long(user, info.request.subresource, () =>
        serveUpgrade(this.#context, { request: info.request, query, incoming, socket, head }),
      );
    } catch (error) {
      refuseUpgrade(socket, statusOf(error, this.#context.log));
    }
  }
}

function ownPath({ own }: ApiContext, { url = '', method }: IncomingMessage): OwnPath | undefined {
  return method === 'POST' && Object.hasOwn(own, url) ? own[url] : undefined;
}

async function answerOwn(
  own: OwnPath,
  user: UserInfo,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<number> {
  // Root may be asking as somebody else.
  if (!user.groups.includes(MASTERS))
    throw new ApiError('Forbidden', `forbidden: User ${JSON.stringify(user.name)} is not root`, {});
  const bytes = await readBody(incoming, user.name);
  const body = bytes.length === 0 ? {} : parseBody(mediaTypeOf(incoming), bytes);
  sendReply(response, { code: 200, body: await own(body) });
  return 200;
}

/** Throws an ApiError for what is no path. */
function read({ method = 'GET', url = '/' }: IncomingMessage): {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly info: RequestInfo;
} {
  const at = url.indexOf('?');
  const path = at === -1 ? url : url.slice(0, at);
  const query = new URLSearchParams(at === -1 ? '' : url.slice(at + 1));
  return { path, query, info: requestInfo(method, path, query) };
}
