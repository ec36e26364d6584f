import { connect as connectHttp2 } from 'node:http2';
import { connect, createConnection } from 'node:net';
import { decodeMessage, encodeMessage, type Message, type Value } from './protobuf.ts';

const ID = (name: string): Message => ({ [name]: [1, 'text'] });
const METADATA: Message = { name: [1, 'text'], uid: [2, 'text'], namespace: [3, 'text'] };
const NAMESPACES: Message = { network: [1, 'number'], pid: [2, 'number'], ipc: [3, 'number'] };
const SANDBOX: Message = {
  metadata: [1, METADATA],
  hostname: [2, 'text'],
  log_directory: [3, 'text'],
  linux: [8, { cgroup_parent: [1, 'text'], security_context: [2, { namespace_options: [1, NAMESPACES] }] }],
};
const RESOURCES: Message = {
  cpu_period: [1, 'number'],
  cpu_quota: [2, 'number'],
  cpu_shares: [3, 'number'],
  memory_limit_in_bytes: [4, 'number'],
};
const CONTAINER: Message = {
  metadata: [1, { name: [1, 'text'] }],
  image: [2, { image: [1, 'text'] }],
  command: [3, 'texts'],
  log_path: [11, 'text'],
  stdin: [12, 'number'],
  tty: [14, 'number'],
  linux: [15, { resources: [1, RESOURCES], security_context: [2, { namespace_options: [3, NAMESPACES] }] }],
};
const STREAMS: Message = {
  container_id: [1, 'text'],
  cmd: [2, 'texts'],
  tty: [3, 'number'],
  stdin: [4, 'number'],
  stdout: [5, 'number'],
};
const COUNT: Message = { value: [1, 'number'] };

/** runtime.v1.RuntimeService of the CRI: what is asked, and what is answered. */
const CALLS = {
  RunPodSandbox: [{ config: [1, SANDBOX], runtime_handler: [2, 'text'] }, ID('pod_sandbox_id')],
  StopPodSandbox: [ID('pod_sandbox_id'), {}],
  RemovePodSandbox: [ID('pod_sandbox_id'), {}],
  CreateContainer: [
    { pod_sandbox_id: [1, 'text'], config: [2, CONTAINER], sandbox_config: [3, SANDBOX] },
    ID('container_id'),
  ],
  StartContainer: [ID('container_id'), {}],
  StopContainer: [{ container_id: [1, 'text'], timeout: [2, 'number'] }, {}],
  RemoveContainer: [ID('container_id'), {}],
  ContainerStatus: [ID('container_id'), { status: [1, { state: [3, 'number'], exit_code: [7, 'number'] }] }],
  ContainerStats: [
    ID('container_id'),
    {
      stats: [
        1,
        { cpu: [2, { usage_core_nano_seconds: [2, COUNT] }], memory: [3, { working_set_bytes: [2, COUNT] }] },
      ],
    },
  ],
  UpdateContainerResources: [{ container_id: [1, 'text'], linux: [2, RESOURCES] }, {}],
  ExecSync: [
    { container_id: [1, 'text'], cmd: [2, 'texts'], timeout: [3, 'number'] },
    { stdout: [1, 'text'], stderr: [2, 'text'], exit_code: [3, 'number'] },
  ],
  Exec: [STREAMS, ID('url')],
  Attach: [
    { container_id: [1, 'text'], stdin: [2, 'number'], tty: [3, 'number'], stdout: [4, 'number'] },
    ID('url'),
  ],
} as const satisfies Record<string, readonly [Message, Message]>;

/** A kubelet's side of a container runtime: gRPC over HTTP/2, one call after the other. */
export class Cri {
  readonly #session;

  constructor(socket: string) {
    this.#session = connectHttp2('http://localhost', { createConnection: () => createConnection(socket) });
    this.#session.on('error', () => {});
  }

  async call(name: keyof typeof CALLS, value: Value): Promise<Value> {
    const [asked, answered] = CALLS[name];
    const body = encodeMessage(asked, value);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length, 1);
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': `/runtime.v1.RuntimeService/${name}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.setTimeout(30_000, () => stream.close());
    stream.end(Buffer.concat([head, body]));
    let status: Record<string, unknown> = {};
    const keep = (headers: object): void => {
      status = { ...status, ...headers };
    };
    stream.on('response', keep);
    stream.on('trailers', keep);
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    if (status['grpc-status'] !== '0')
      throw new Error(`${name}: ${decodeURIComponent(String(status['grpc-message']))}`);
    return decodeMessage(answered, Buffer.concat(chunks).subarray(5));
  }

  close(): void {
    this.#session.destroy();
  }
}

const STDOUT = 1;

/**
 * What comes from a stream's URL (RFC 6455, with Kubernetes' v4.channel.k8s.io: the first byte of a message is its channel)
 * until it ends; `input` goes to stdin.
 */
export function streamed(url: string, input = ''): Promise<string> {
  const { hostname, port, pathname } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.setTimeout(20_000, () => socket.destroy());
  socket.write(
    `GET ${pathname} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n' +
      'Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n',
  );
  return new Promise(resolve => {
    let bytes = Buffer.alloc(0);
    let isOpen = false;
    let output = '';
    socket.on('data', chunk => {
      bytes = Buffer.concat([bytes, chunk]);
      const end = bytes.indexOf('\r\n\r\n');
      if (!isOpen && end === -1) return;
      if (!isOpen) bytes = bytes.subarray(end + 4);
      if (!isOpen && input !== '') socket.write(frameOf(Buffer.from(`\0${input}`)));
      isOpen = true;
      for (let frame = takeFrame(bytes); frame !== undefined; frame = takeFrame(bytes)) {
        bytes = bytes.subarray(frame.size);
        if (frame.payload[0] === STDOUT) output += frame.payload.subarray(1).toString();
      }
    });
    socket.on('close', () => resolve(output));
    socket.on('error', () => {});
  });
}

function takeFrame(bytes: Buffer): { readonly payload: Buffer; readonly size: number } | undefined {
  const short = (bytes[1] ?? 0) & 127;
  const start = short === 126 ? 4 : 2;
  if (bytes.length < start) return undefined;
  const size = start + (short === 126 ? bytes.readUInt16BE(2) : short);
  return bytes.length < size ? undefined : { payload: bytes.subarray(start, size), size };
}

/** A client masks what it sends; a mask of zeros changes nothing. */
const frameOf = (payload: Buffer): Buffer =>
  Buffer.concat([Buffer.from([0x82, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
