import type { IncomingMessage } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { badRequest, type Status } from '../api-error.ts';
import type { ApiContext } from './context.ts';
import type { ResourceRequest } from './request-info.ts';
import { prepareAttach } from './streams/attach.ts';
import { CHANNEL_PROTOCOLS, ChannelStreams } from './streams/channels.ts';
import { podOf, prepareExec, streamOptions } from './streams/exec.ts';
import { forwardChannels, forwardedPorts, runningPod } from './streams/forward.ts';

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

const sockets = new WebSocketServer({
  noServer: true,
  maxPayload: MAX_MESSAGE,
  perMessageDeflate: false,
  handleProtocols: offered => CHANNEL_PROTOCOLS.find(each => offered.has(each)) ?? false,
});

type Serve = (socket: WebSocket) => Promise<void>;

/** By subresource: throws an ApiError for what cannot be, and does the rest with the socket. */
const SERVE: Readonly<Record<string, (context: ApiContext, upgrade: Upgrade) => Serve>> = {
  exec: (context, { request, query }) => {
    const options = streamOptions(query, true);
    const run = prepareExec(context, podOf(context, request.namespace, request.name), options);
    return socket => run(new ChannelStreams(socket, options.stdin));
  },
  attach: (context, { request, query }) => {
    const options = streamOptions(query, false);
    const run = prepareAttach(context, podOf(context, request.namespace, request.name), options);
    return socket => run(new ChannelStreams(socket, options.stdin));
  },
  portforward: (context, { request, query }) => {
    const ports = forwardedPorts(query);
    const pod = runningPod(context, podOf(context, request.namespace, request.name));
    return socket => forwardChannels(pod, socket, ports);
  },
};

/** Goes on with a request as a WebSocket, until that is closed. Throws an ApiError before it is one. */
export async function serveUpgrade(context: ApiContext, upgrade: Upgrade): Promise<void> {
  const { request, incoming, socket, head } = upgrade;
  const prepare = SERVE[request.subresource];
  if (prepare === undefined || incoming.headers.upgrade?.toLowerCase() !== 'websocket')
    throw badRequest('unable to upgrade: this is not to be had here');
  const offered = (incoming.headers['sec-websocket-protocol'] ?? '').split(',').map(each => each.trim());
  if (!CHANNEL_PROTOCOLS.some(each => offered.includes(each)))
    throw badRequest(`unable to upgrade: no subprotocol is known of: ${offered.join(', ').slice(0, 200)}`);
  const serve = prepare(context, upgrade);
  await new Promise<void>((resolve, reject) => {
    // A handshake that is wrong is answered by the package, which then closes.
    socket.once('close', resolve);
    sockets.handleUpgrade(incoming, socket, head, opened => {
      const alive = setInterval(() => opened.ping(), PING).unref();
      opened.on('close', () => clearInterval(alive));
      opened.on('error', () => opened.terminate());
      serve(opened).then(resolve, error => {
        opened.terminate();
        reject(error);
      });
    });
  });
}

/** Answers an upgrade that is refused. */
export function refuseUpgrade(socket: Duplex, status: Status): void {
  if (socket.destroyed || !socket.writable) return;
  const body = `${JSON.stringify(status)}\n`;
  const challenge = status.code === 401 ? 'WWW-Authenticate: Bearer realm="podspace"\r\n' : '';
  socket.end(
    `HTTP/1.1 ${status.code} ${STATUS_CODES[status.code] ?? 'Error'}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${challenge}Connection: close\r\n\r\n${body}`,
  );
}
