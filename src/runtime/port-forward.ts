import { once } from 'node:events';
import { type AddressInfo, createServer, isIPv6, type Server, type Socket } from 'node:net';
import { connectToPod, isPodAlive, PodConnectionError, type RunningPod } from './pod-connection.ts';

/** A port of the pod, and the local one that stands for it: 0 until it is known. */
export interface ForwardedPort {
  readonly local: number;
  readonly remote: number;
}

export interface ForwardObserver {
  onConnection(port: ForwardedPort): void;
  onFailure(port: ForwardedPort, error: PodConnectionError): void;
}

/** Milliseconds between two looks at whether the pod is still there. */
const LOOK = 250;

/** Connections to local ports that go on to the loopback of a pod, wherever its network is. */
export class PortForwarder {
  readonly #pod: RunningPod;
  readonly #observer: ForwardObserver;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  constructor(pod: RunningPod, observer: ForwardObserver) {
    this.#pod = pod;
    this.#observer = observer;
  }

  /** Listens on a local address; returns the local port, which is a free one where it was 0. Throws listen(2)'s error. */
  async listen(address: string, { local, remote }: ForwardedPort): Promise<number> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    server.listen({ host: address, port: local, ipv6Only: isIPv6(address) });
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const forwarded = { local: port, remote };
    server.on('connection', socket => void this.#forward(socket, forwarded));
    // No descriptor left for a connection, for example: the others go on.
    server.on('error', () => {});
    this.#servers.push(server);
    return port;
  }

  /** Resolves when the pod has ended, or the signal is aborted. */
  async podEnd(signal: AbortSignal): Promise<void> {
    while (isPodAlive(this.#pod) && !signal.aborted)
      await new Promise<void>(resolve => {
        const timer = setTimeout(done, LOOK);
        signal.addEventListener('abort', done, { once: true });
        function done(): void {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        }
      });
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #forward(local: Socket, port: ForwardedPort): Promise<void> {
    this.#keep(local);
    this.#observer.onConnection(port);
    try {
      const remote = await connectToPod(this.#pod, port.remote);
      this.#keep(remote);
      join(local, remote);
      join(remote, local);
    } catch (error) {
      if (!(error instanceof PodConnectionError)) throw error;
      this.#observer.onFailure(port, error);
      local.destroy();
    }
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    // What went wrong is the other side's to learn: see join().
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }
}

/** What one side sends, the other gets: bytes, their end, and a reset. */
function join(from: Socket, to: Socket): void {
  if (from.destroyed) {
    to.destroy();
    return;
  }
  from.pipe(to);
  from.on('close', () => {
    if (!from.readableEnded || from.errored !== null) to.resetAndDestroy();
  });
}
