import { PassThrough } from 'node:stream';
import type { WebSocket } from 'ws';
import type { EndStatus, RemoteStreams } from './remote.ts';

/** The first byte of each message (apimachinery/pkg/util/remotecommand). */
export const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

export const CHANNEL_PROTOCOLS: readonly string[] = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];

/** Bytes that may wait to be sent before whoever makes more has to wait, too. */
const HIGH = 1024 * 1024;
const LOW = HIGH / 4;
/** Milliseconds between two looks at what waits to be sent. */
const LOOK = 10;

/** Sends a message of a channel; resolves when there is room for more, undefined if there is now. */
export function sendOn(socket: WebSocket, channel: number, chunk: Uint8Array): Promise<void> | undefined {
  if (socket.readyState !== socket.OPEN) return undefined;
  const message = Buffer.allocUnsafe(chunk.length + 1);
  message[0] = channel;
  message.set(chunk, 1);
  socket.send(message, { binary: true });
  return socket.bufferedAmount < HIGH ? undefined : roomOf(socket);
}

async function roomOf(socket: WebSocket): Promise<void> {
  while (socket.readyState === socket.OPEN && socket.bufferedAmount > LOW)
    await new Promise(resolve => setTimeout(resolve, LOOK));
}

/** Hands messages on by their channel until the socket is closed; text and what has no channel end it. */
export function receiveFrom(socket: WebSocket, onMessage: (channel: number, data: Buffer) => void): void {
  socket.on('message', (data, isBinary) => {
    const bytes = Buffer.isBuffer(data) ? data : Buffer.concat(data as Buffer[]);
    const channel = bytes[0];
    if (!isBinary || channel === undefined)
      socket.close(1003, 'only binary messages with a channel are understood');
    else onMessage(channel, bytes.subarray(1));
  });
  // Frames that are none: the package has closed the socket already.
  socket.on('error', () => socket.terminate());
}

/** Exec and attach over the channels of a WebSocket. */
export class ChannelStreams implements RemoteStreams {
  readonly stdin: PassThrough | undefined;
  readonly signal: AbortSignal;
  readonly #socket: WebSocket;
  #resize: ((size: { readonly columns: number; readonly rows: number }) => void) | undefined;
  #lastSize: { readonly columns: number; readonly rows: number } | undefined;

  constructor(socket: WebSocket, hasStdin: boolean) {
    this.#socket = socket;
    this.stdin = hasStdin ? new PassThrough() : undefined;
    const gone = new AbortController();
    this.signal = gone.signal;
    receiveFrom(socket, (channel, data) => this.#receive(channel, data));
    socket.on('close', () => {
      gone.abort();
      this.stdin?.end();
    });
  }

  write(stream: 'stdout' | 'stderr', chunk: Uint8Array): Promise<void> | undefined {
    return sendOn(this.#socket, CHANNEL[stream], chunk);
  }

  onResize(resize: (size: { readonly columns: number; readonly rows: number }) => void): void {
    this.#resize = resize;
    if (this.#lastSize !== undefined) resize(this.#lastSize);
  }

  finish(status: EndStatus): void {
    void sendOn(this.#socket, CHANNEL.error, Buffer.from(JSON.stringify({ metadata: {}, ...status })));
    this.#socket.close(1000);
  }

  drop(): void {
    this.#socket.terminate();
  }

  #receive(channel: number, data: Buffer): void {
    if (channel === CHANNEL.stdin) this.#input(data);
    // v5: a stream of the client's has ended.
    else if (channel === CHANNEL.close && data[0] === CHANNEL.stdin) this.stdin?.end();
    else if (channel === CHANNEL.resize) this.#resized(data);
  }

  #input(data: Buffer): void {
    const { stdin } = this;
    if (stdin === undefined || stdin.writableEnded || stdin.write(data)) return;
    this.#socket.pause();
    stdin.once('drain', () => this.#socket.resume());
  }

  #resized(data: Buffer): void {
    const size = parseSize(data);
    if (size === undefined) return;
    this.#lastSize = size;
    this.#resize?.(size);
  }
}

/** `{"Width":80,"Height":24}`; undefined for what is none. */
export function parseSize(data: Buffer): { readonly columns: number; readonly rows: number } | undefined {
  try {
    const { Width: columns, Height: rows } = Object(JSON.parse(data.toString())) as Record<string, unknown>;
    const isSize = (value: unknown): value is number =>
      Number.isInteger(value) && Number(value) > 0 && Number(value) < 65536;
    return isSize(columns) && isSize(rows) ? { columns, rows } : undefined;
  } catch {
    return undefined;
  }
}
