import { WebSocket } from 'ws';
import { UserError } from '../base/errors.ts';
import { CHANNEL, parseSize, receiveFrom, sendOn } from './api/streams/channels.ts';
import type { EndStatus } from './api/streams/remote.ts';
import type { Status } from './api-error.ts';
import type { AgentClient } from './client.ts';
import { ServerError } from './server-error.ts';

const PROTOCOL = 'v5.channel.k8s.io';

/** Somebody's end of attach: what the container prints comes, what is typed goes. */
export class RemoteSession {
  readonly #socket: WebSocket;
  /** How it ended; undefined if nobody has said. */
  readonly ended: Promise<EndStatus | undefined>;

  private constructor(socket: WebSocket, onOutput: (stream: 'stdout' | 'stderr', chunk: Buffer) => void) {
    this.#socket = socket;
    let status: EndStatus | undefined;
    receiveFrom(socket, (channel, data) => {
      if (channel === CHANNEL.stdout) onOutput('stdout', data);
      else if (channel === CHANNEL.stderr) onOutput('stderr', data);
      else if (channel === CHANNEL.error) status = JSON.parse(data.toString()) as EndStatus;
    });
    this.ended = new Promise(resolve => socket.on('close', () => resolve(status)));
  }

  /** Opens a path of the API that becomes streams. Throws a ServerError if the agent refuses. */
  static async open(
    client: AgentClient,
    path: string,
    query: Readonly<Record<string, string>>,
    onOutput: (stream: 'stdout' | 'stderr', chunk: Buffer) => void,
  ): Promise<RemoteSession> {
    const url = `ws+unix:${client.socketPath}:${path}?${new URLSearchParams(query)}`;
    const socket = new WebSocket(url, [PROTOCOL], { headers: client.headers as Record<string, string> });
    const session = new RemoteSession(socket, onOutput);
    await new Promise<void>((resolve, reject) => {
      socket.on('open', resolve);
      socket.on('error', cause =>
        reject(new UserError(`the agent does not answer: ${cause.message}`, { cause })),
      );
      socket.on('unexpected-response', (_request, response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          reject(refused(response.statusCode ?? 500, Buffer.concat(chunks).toString())),
        );
      });
    });
    return session;
  }

  /** Resolves when there is room for more. */
  async write(chunk: Uint8Array): Promise<void> {
    await sendOn(this.#socket, CHANNEL.stdin, chunk);
  }

  /** Nothing more is written. */
  end(): void {
    void sendOn(this.#socket, CHANNEL.close, Buffer.of(CHANNEL.stdin));
  }

  resize(columns: number, rows: number): void {
    const size = Buffer.from(JSON.stringify({ Width: columns, Height: rows }));
    if (parseSize(size) !== undefined) void sendOn(this.#socket, CHANNEL.resize, size);
  }

  /** Leaves the container alone, which goes on. */
  close(): void {
    this.#socket.close(1000);
  }
}

function refused(code: number, text: string): ServerError {
  let status: Status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: text.trim(),
    code,
  };
  try {
    status = JSON.parse(text) as Status;
  } catch {
    // Said as it is.
  }
  return new ServerError(status);
}
