import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6, type Socket, type Server as TcpServer } from 'node:net';
import { errnoCode } from '../../base/errors.ts';
import { framed } from './message.ts';
import type { Resolver } from './resolver.ts';

/** Where a server listens; a port of 0 is any that is free for both UDP and TCP. */
export interface ListenAddress {
  readonly address: string;
  readonly port: number;
  /** Sockets that are bound there already: fds, which the server will close. */
  readonly udp?: number;
  readonly tcp?: number;
}

export interface Server {
  readonly port: number;
  close(): Promise<void>;
}

/** Connections at a time; one more is closed at once. */
const MAX_CONNECTIONS = 64;
/** Questions of one connection that wait for an answer; it is not read until there are fewer. */
const MAX_WAITING = 16;
/** Milliseconds for a whole message to come, or the next one (RFC 7766 §6.2.3). */
const IDLE = 10_000;
/** Bytes that wait to be sent by UDP; more is lost. */
const MAX_UNSENT = 1 << 20;

const PORT_ATTEMPTS = 20;

/** Answers by UDP and TCP on one address and port. Throws the error of what could not be listened on. */
export async function serve(listen: ListenAddress, resolver: Resolver): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    const udp = await serveUdp(listen, resolver);
    const { port } = udp;
    try {
      const tcp = await serveTcp({ ...listen, port }, resolver);
      return { port, close: () => Promise.all([udp.close(), tcp.close()]).then(() => {}) };
    } catch (error) {
      await udp.close();
      // Somebody has the same port for TCP.
      if (listen.port !== 0 || errnoCode(error) !== 'EADDRINUSE' || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

async function serveUdp({ address, port, udp }: ListenAddress, resolver: Resolver): Promise<Server> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  let isClosed = false;
  socket.on('message', async (bytes, { address, port }) => {
    const reply = await resolver.reply(bytes, 'udp');
    if (reply === undefined || isClosed || socket.getSendQueueSize() > MAX_UNSENT) return;
    // Whoever does not get an answer asks again.
    socket.send(reply, port, address, () => {});
  });
  const close = (): Promise<void> => {
    isClosed = true;
    return new Promise(resolve => {
      socket.close(() => resolve());
    });
  };
  // With an fd it listens before bind() returns.
  const listening = once(socket, 'listening');
  socket.bind(udp === undefined ? { address, port } : { fd: udp });
  try {
    await listening;
  } catch (error) {
    await close();
    throw error;
  }
  socket.on('error', () => {});
  return { port: socket.address().port, close };
}

async function serveTcp({ address, port, tcp }: ListenAddress, resolver: Resolver): Promise<Server> {
  const server = createServer({ noDelay: true, allowHalfOpen: true });
  server.maxConnections = MAX_CONNECTIONS;
  const connections = new Set<Socket>();
  server.on('connection', socket => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    converse(socket, resolver);
  });
  server.listen(tcp === undefined ? { host: address, port } : { fd: tcp });
  await once(server, 'listening');
  server.on('error', () => {});
  return { port, close: () => closeTcp(server, connections) };
}

function closeTcp(server: TcpServer, connections: ReadonlySet<Socket>): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve());
    for (const socket of connections) socket.destroy();
  });
}

/** One client's connection: messages one after the other, answered in whatever order the answers come. */
function converse(socket: Socket, resolver: Resolver): void {
  let received = Buffer.alloc(0);
  let waiting = 0;
  let isLast = false;
  let isScheduled = false;
  const idle = setTimeout(() => socket.destroy(), IDLE);
  const answer = async (message: Buffer): Promise<void> => {
    waiting++;
    const reply = await resolver.reply(message, 'tcp');
    waiting--;
    // What is no query does not belong here.
    if (reply === undefined) socket.destroy();
    else if (socket.writable) socket.write(framed(reply));
    schedule();
  };
  const read = (): void => {
    isScheduled = false;
    // Whoever does not take answers is not given more.
    const isFull = (): boolean => waiting >= MAX_WAITING || socket.writableNeedDrain;
    while (!isFull() && received.length >= 2) {
      const end = 2 + received.readUInt16BE(0);
      if (received.length < end) break;
      const message = received.subarray(2, end);
      received = received.subarray(end);
      idle.refresh();
      void answer(message);
    }
    if (isFull()) socket.pause();
    else if (!socket.destroyed) socket.resume();
    if (isLast && waiting === 0 && !isFull()) socket.end();
  };
  // The next ones in another turn of the event loop: a client with many questions must not keep the others waiting.
  const schedule = (): void => {
    if (!isScheduled) setImmediate(read);
    isScheduled = true;
  };
  socket.on('data', chunk => {
    received = Buffer.concat([received, chunk]);
    if (!isScheduled) read();
  });
  socket.on('drain', schedule);
  socket.on('end', () => {
    isLast = true;
    schedule();
  });
  // It has gone, or sent nonsense: either way it is over.
  socket.on('error', () => {});
  socket.on('close', () => clearTimeout(idle));
}
