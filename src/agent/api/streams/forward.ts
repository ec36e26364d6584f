import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { networkPod } from '../../../network/state.ts';
import { PodPaths } from '../../../oci/pod-paths.ts';
import { connectToPod, PodConnectionError, type RunningPod } from '../../../runtime/pod-connection.ts';
import { badRequest } from '../../api-error.ts';
import type { ApiObject } from '../../objects.ts';
import type { ApiContext } from '../context.ts';
import { CHANNEL, receiveFrom, sendOn } from './channels.ts';
import { recordOf } from './exec.ts';

/** Ports of one request: each takes two of the 255 channels. */
const MAX_PORTS = 100;

/** The ports of a request. Throws an ApiError (400) in the API server's words. */
export function forwardedPorts(query: URLSearchParams): readonly number[] {
  const texts = query.getAll('ports').flatMap(text => text.split(','));
  if (texts.length === 0) throw badRequest('you must specify at least 1 port to forward');
  if (texts.length > MAX_PORTS) throw badRequest(`no more than ${MAX_PORTS} ports can be forwarded at once`);
  return texts.map(text => {
    const port = Number(text);
    if (!/^\d+$/.test(text) || port < 1 || port > 65535)
      throw badRequest(`invalid port ${JSON.stringify(text)}: must be between 1 and 65535, inclusive`);
    return port;
  });
}

/** The network of a pod that runs. Throws an ApiError. */
export function runningPod(context: ApiContext, pod: ApiObject): RunningPod {
  const record = recordOf(context, pod);
  const { uid } = record;
  return {
    paths: new PodPaths(context.roots, uid),
    network: networkPod(record.pod, { uid, ips: [], ready: true }),
  };
}

/** One connection for each port, over the channels of a WebSocket: data on an even one, what goes wrong on the next. */
export async function forwardChannels(
  pod: RunningPod,
  socket: WebSocket,
  ports: readonly number[],
): Promise<void> {
  const connections = ports.map((port, i) => new ForwardedChannel(pod, socket, port, 2 * i));
  receiveFrom(socket, (channel, data) => {
    if (channel === CHANNEL.close) connections[Math.floor((data[0] ?? 0) / 2)]?.end();
    else if (channel % 2 === 0) connections[channel / 2]?.push(data);
  });
  await new Promise(resolve => socket.once('close', resolve));
  for (const connection of connections) connection.close();
}

class ForwardedChannel {
  readonly #pod: RunningPod;
  readonly #socket: WebSocket;
  readonly #port: number;
  readonly #channel: number;
  #remote: Promise<Socket | undefined> | undefined;
  #isClosed = false;

  constructor(pod: RunningPod, socket: WebSocket, port: number, channel: number) {
    this.#pod = pod;
    this.#socket = socket;
    this.#port = port;
    this.#channel = channel;
    // The first message of both channels is the port, so that a client can tell them apart.
    const number = Buffer.alloc(2);
    number.writeUInt16LE(port);
    void sendOn(socket, channel, number);
    void sendOn(socket, channel + 1, number);
    this.#remote = this.#connect();
  }

  push(data: Buffer): void {
    void this.#remote?.then(remote => {
      if (remote === undefined || remote.destroyed || remote.write(data)) return;
      this.#socket.pause();
      remote.once('drain', () => this.#socket.resume());
      remote.once('close', () => this.#socket.resume());
    });
  }

  end(): void {
    void this.#remote?.then(remote => remote?.end());
  }

  close(): void {
    this.#isClosed = true;
    void this.#remote?.then(remote => remote?.destroy());
  }

  async #connect(): Promise<Socket | undefined> {
    try {
      const remote = await connectToPod(this.#pod, this.#port);
      if (this.#isClosed) remote.destroy();
      remote.on('data', chunk => {
        const room = sendOn(this.#socket, this.#channel, chunk);
        if (room === undefined) return;
        remote.pause();
        void room.then(() => remote.resume());
      });
      remote.on('error', error => this.#fail(error.message));
      remote.on('end', () => void sendOn(this.#socket, CHANNEL.close, Buffer.of(this.#channel)));
      return remote;
    } catch (error) {
      this.#fail(error instanceof PodConnectionError ? error.message : 'an error occurred forwarding');
      return undefined;
    }
  }

  #fail(message: string): void {
    void sendOn(this.#socket, this.#channel + 1, Buffer.from(message));
  }
}
