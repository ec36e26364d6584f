import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connectToPod, PodConnectionError, type RunningPod } from '../../../runtime/pod-connection.ts';
import { SpdySession, type SpdyStream } from '../spdy/session.ts';

/** Milliseconds for the second stream of a connection to come. */
const PAIR_TIMEOUT = 30_000;

/** Names of this protocol: in a SPDY connection, and in a WebSocket that holds one. */
export const SPDY_PROTOCOL = 'portforward.k8s.io';
export const TUNNEL_PROTOCOL = `SPDY/3.1+${SPDY_PROTOCOL}`;

/** kubectl's port-forward: for each connection a stream of data and one for what goes wrong, which have a request's number. */
export async function forwardSpdy(pod: RunningPod, transport: Duplex): Promise<void> {
  const waiting = new Map<string, { readonly stream: SpdyStream; readonly timer: NodeJS.Timeout }>();
  const session = new SpdySession(transport, stream => {
    const { headers } = stream;
    const [type, port] = [headers.get('streamtype') ?? '', Number(headers.get('port'))];
    const isPort = Number.isInteger(port) && port > 0 && port < 65536;
    if (!['data', 'error'].includes(type) || !isPort) {
      stream.reset();
      return;
    }
    const request = `${headers.get('requestid') ?? ''} ${port}`;
    const key = `${request} ${type}`;
    const other = waiting.get(`${request} ${type === 'data' ? 'error' : 'data'}`);
    if (other === undefined) {
      const timer = setTimeout(() => {
        waiting.delete(key);
        stream.reset();
      }, PAIR_TIMEOUT);
      waiting.set(key, { stream, timer });
      return;
    }
    clearTimeout(other.timer);
    waiting.delete(`${request} ${type === 'data' ? 'error' : 'data'}`);
    const [data, error] = type === 'data' ? [stream, other.stream] : [other.stream, stream];
    void forward(session, pod, port, { data, error });
  });
  await session.closed();
  for (const { timer } of waiting.values()) clearTimeout(timer);
}

interface Pair {
  readonly data: SpdyStream;
  readonly error: SpdyStream;
}

async function forward(
  session: SpdySession,
  pod: RunningPod,
  port: number,
  { data, error }: Pair,
): Promise<void> {
  const early: Buffer[] = [];
  let isEnded = false;
  let isReset = false;
  data.onData = chunk => early.push(chunk);
  data.onEnd = () => {
    isEnded = true;
  };
  data.onReset = () => {
    isReset = true;
  };
  let remote: Socket;
  try {
    remote = await connectToPod(pod, port);
  } catch (cause) {
    const why = cause instanceof PodConnectionError ? cause.message : 'the pod cannot be reached';
    error.write(Buffer.from(`error forwarding port ${port} to pod ${pod.network.uid}, uid : ${why}`));
    error.end();
    data.end();
    return;
  }
  for (const chunk of early) remote.write(chunk);
  data.onData = chunk => {
    if (remote.destroyed || remote.write(chunk)) return;
    session.pause();
    remote.once('drain', () => session.resume()).once('close', () => session.resume());
  };
  data.onEnd = () => remote.end();
  data.onReset = () => remote.destroy();
  if (isEnded) remote.end();
  if (isReset) remote.destroy();
  remote.on('data', chunk => {
    if (data.write(chunk)) return;
    remote.pause();
    void session.drained().then(() => remote.resume());
  });
  remote.on('error', cause => error.write(Buffer.from(cause.message)));
  remote.on('end', () => data.end());
  remote.on('close', () => {
    data.end();
    error.end();
  });
}
