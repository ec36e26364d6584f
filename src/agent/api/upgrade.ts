import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws';
import { badRequest, type Status } from '../api-error.ts';
import type { ApiContext } from './context.ts';
import type { ResourceRequest } from './request-info.ts';
import { prepareAttach } from './streams/attach.ts';
import { CHANNEL_PROTOCOLS, ChannelStreams } from './streams/channels.ts';
import { podOf, prepareExec, streamOptions } from './streams/exec.ts';
import { forwardChannels, forwardedPorts, runningPod } from './streams/forward.ts';
import { forwardSpdy, SPDY_PROTOCOL, TUNNEL_PROTOCOL } from './streams/forward-spdy.ts';
import type { RemoteStreams } from './streams/remote.ts';
import { SPDY_EXEC_PROTOCOL, SpdyStreams } from './streams/spdy-streams.ts';

export interface Upgrade {
  readonly request: ResourceRequest;
  readonly query: URLSearchParams;
  readonly incoming: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** What a client sends in one message at most: kubectl sends 32 kB. */
const MAX_MESSAGE = 1024 * 1024;
/** Milliseconds between two looks at whether the other side is still there. */
const PING = 30_000;

const TUNNELLED: readonly string[] = [TUNNEL_PROTOCOL, ...CHANNEL_PROTOCOLS];

const sockets = new WebSocketServer({
  noServer: true,
  maxPayload: MAX_MESSAGE,
  perMessageDeflate: false,
  handleProtocols: offered => TUNNELLED.find(each => offered.has(each)) ?? false,
});

/** What is served below a pod: how over a WebSocket, and how over SPDY, which older clients have. */
interface Service {
  /** Subprotocols of a WebSocket. */
  readonly protocols: readonly string[];
  readonly spdyProtocol: string;
  overWebSocket(socket: WebSocket): Promise<void>;
  overSpdy(transport: Duplex): Promise<void>;
}

type Prepare = (context: ApiContext, upgrade: Upgrade) => Service;

const streaming =
  (
    needsCommand: boolean,
    prepare: (
      context: ApiContext,
      pod: ReturnType<typeof podOf>,
      options: ReturnType<typeof streamOptions>,
    ) => (remote: RemoteStreams) => Promise<void>,
  ): Prepare =>
  (context, { request, query }) => {
    const options = streamOptions(query, needsCommand);
    const run = prepare(context, podOf(context, request.namespace, request.name), options);
    return {
      protocols: CHANNEL_PROTOCOLS,
      spdyProtocol: SPDY_EXEC_PROTOCOL,
      overWebSocket: socket => run(new ChannelStreams(socket, options.stdin)),
      overSpdy: async transport => {
        const streams = new SpdyStreams(transport, options);
        if (await streams.opened()) await run(streams);
      },
    };
  };

/** By subresource. Each throws an ApiError for what cannot be, before anything is upgraded. */
const SERVICES: Readonly<Record<string, Prepare>> = {
  exec: streaming(true, prepareExec),
  attach: streaming(false, prepareAttach),
  portforward: (context, { request, query, incoming }) => {
    const pod = runningPod(context, podOf(context, request.namespace, request.name));
    const hasChannels = isWebSocket(incoming) && !offeredBy(incoming).includes(TUNNEL_PROTOCOL);
    const ports = hasChannels ? forwardedPorts(query) : [];
    return {
      protocols: TUNNELLED,
      spdyProtocol: SPDY_PROTOCOL,
      overWebSocket: socket =>
        socket.protocol === TUNNEL_PROTOCOL
          ? forwardSpdy(pod, createWebSocketStream(socket))
          : forwardChannels(pod, socket, ports),
      overSpdy: transport => forwardSpdy(pod, transport),
    };
  },
};

const isWebSocket = ({ headers }: IncomingMessage): boolean => headers.upgrade?.toLowerCase() === 'websocket';

const offeredBy = ({ headers }: IncomingMessage): readonly string[] =>
  (headers['sec-websocket-protocol'] ?? '').split(',').map(each => each.trim());

/** Goes on with a request as something else than HTTP, until that is over. Throws an ApiError before it is so. */
export async function serveUpgrade(context: ApiContext, upgrade: Upgrade): Promise<void> {
  const { request, incoming } = upgrade;
  const prepare = SERVICES[request.subresource];
  const isSpdy = incoming.headers.upgrade?.toLowerCase() === 'spdy/3.1';
  if (prepare === undefined || !(isSpdy || isWebSocket(incoming)))
    throw badRequest('unable to upgrade: unknown protocol');
  const service = prepare(context, upgrade);
  await (isSpdy ? serveSpdy(service, upgrade) : serveWebSocket(service, upgrade));
}

async function serveWebSocket(service: Service, { incoming, socket, head }: Upgrade): Promise<void> {
  const offered = offeredBy(incoming);
  if (!service.protocols.some(each => offered.includes(each)))
    throw badRequest(`unable to upgrade: no subprotocol is known of: ${offered.join(', ').slice(0, 200)}`);
  await new Promise<void>((resolve, reject) => {
    // A handshake that is wrong is answered by the package, which then closes.
    socket.once('close', resolve);
    sockets.handleUpgrade(incoming, socket, head, opened => {
      const alive = setInterval(() => opened.ping(), PING).unref();
      opened.on('close', () => clearInterval(alive));
      opened.on('error', () => opened.terminate());
      service.overWebSocket(opened).then(resolve, error => {
        opened.terminate();
        reject(error);
      });
    });
  });
}

async function serveSpdy(service: Service, { incoming, socket, head }: Upgrade): Promise<void> {
  const versions = incoming.headersDistinct['x-stream-protocol-version'] ?? [];
  const offered = versions.flatMap(each => each.split(',')).map(each => each.trim());
  if (!offered.includes(service.spdyProtocol))
    throw badRequest(
      `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(' ').slice(0, 200)}], server accepts [${service.spdyProtocol}]`,
    );
  socket.write(
    [
      'HTTP/1.1 101 Switching Protocols',
      'Connection: Upgrade',
      'Upgrade: SPDY/3.1',
      `X-Stream-Protocol-Version: ${service.spdyProtocol}`,
      '\r\n',
    ].join('\r\n'),
  );
  if (head.length > 0) socket.unshift(head);
  await service.overSpdy(socket);
}

/** Answers an upgrade that is refused. */
export function refuseUpgrade(socket: Duplex, status: Status): void {
  if (socket.destroyed || !socket.writable) return;
  const body = `${JSON.stringify(status)}\n`;
  // Nobody reads what else the client sends, so its end would not be seen.
  socket.once('finish', () => socket.destroy());
  socket.end(
    [
      `HTTP/1.1 ${status.code} ${STATUS_CODES[status.code] ?? 'Error'}`,
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      ...(status.code === 401 ? ['WWW-Authenticate: Bearer realm="podspace"'] : []),
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}
