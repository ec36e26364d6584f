import type { Duplex } from 'node:stream';
import { createInflate, type Inflate } from 'node:zlib';
import { dictionary } from './dictionary.ts';
import {
  CONTROL,
  controlFrame,
  dataFrame,
  FLAG_FIN,
  type Frame,
  FrameReader,
  parseHeaders,
  uint32s,
} from './frames.ts';

/** A stream that the client has opened. */
export interface SpdyStream {
  readonly headers: ReadonlyMap<string, string>;
  onData: (chunk: Buffer) => void;
  /** The client sends nothing more. */
  onEnd: () => void;
  /** The client wants nothing more of it, or has gone. */
  onReset: () => void;
  /** False: the transport is full, see {@link SpdySession.drained}. */
  write(chunk: Buffer): boolean;
  end(): void;
  reset(): void;
}

/** Streams that one client has open at once: two for each connection. */
const MAX_STREAMS = 1000;
const MAX_HEADERS = 64 * 1024;
/** Frames to which we say something ourselves. */
const ANSWERED: readonly number[] = [CONTROL.SYN_STREAM, CONTROL.PING];
const RESET = { PROTOCOL_ERROR: 1, REFUSED: 3, CANCEL: 5 } as const;

/**
 * A header block without headers: a stored block of deflate with the number 0, and an empty one, which is a flush: without
 * it Go would look for the next block. Before the first one stands zlib's header.
 */
const EMPTY_BLOCK = Buffer.from([0x00, 0x04, 0x00, 0xfb, 0xff, 0, 0, 0, 0, 0x00, 0x00, 0x00, 0xff, 0xff]);
const ZLIB_HEADER = Buffer.from([0x78, 0x01]);

/** Our side of a SPDY/3.1 connection, which only answers: streams are the client's. */
export class SpdySession {
  readonly #transport: Duplex;
  readonly #onStream: (stream: SpdyStream) => void;
  readonly #streams = new Map<number, SpdyStream>();
  readonly #reader = new FrameReader();
  readonly #inflate: Inflate;
  #block: Buffer[] = [];
  #hasReplied = false;
  /** Frames are taken one after the other: headers take a while to decompress. */
  #work: Promise<void> = Promise.resolve();

  constructor(transport: Duplex, onStream: (stream: SpdyStream) => void) {
    this.#transport = transport;
    this.#onStream = onStream;
    this.#inflate = createInflate({ dictionary: dictionary() });
    this.#inflate.on('data', chunk => this.#block.push(chunk));
    this.#inflate.on('error', () => this.close());
    transport.on('data', chunk => this.#receive(chunk));
    transport.on('error', () => this.close());
    // A server's sockets stay half open: whoever has said all that he will has gone.
    transport.on('end', () => transport.end());
  }

  /** Resolves when the connection is over. */
  async closed(): Promise<void> {
    if (!this.#transport.destroyed) await new Promise(resolve => this.#transport.once('close', resolve));
    for (const stream of this.#streams.values()) stream.onReset();
    this.#streams.clear();
    this.#inflate.destroy();
  }

  /** Resolves when the transport has room. */
  async drained(): Promise<void> {
    const { destroyed, writableNeedDrain } = this.#transport;
    if (destroyed || !writableNeedDrain) return;
    await new Promise<void>(resolve => {
      const done = (): void => {
        this.#transport.off('drain', done).off('close', done);
        resolve();
      };
      this.#transport.once('drain', done).once('close', done);
    });
  }

  /** Stops reading until it is told to go on: one that is slow holds all up. */
  pause(): void {
    this.#transport.pause();
  }

  resume(): void {
    this.#transport.resume();
  }

  close(): void {
    this.#transport.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#work = this.#work
      .then(async () => {
        for (const frame of this.#reader.push(chunk)) await this.#take(frame);
      })
      .catch(() => this.close());
  }

  async #take(frame: Frame): Promise<void> {
    if (frame.kind === 'data') {
      const stream = this.#streams.get(frame.streamId);
      if (frame.data.length > 0) stream?.onData(frame.data);
      if (frame.isLast) stream?.onEnd();
      return;
    }
    const { type, flags, data } = frame;
    if (type === CONTROL.SYN_STREAM) await this.#open(data, flags);
    else if (type === CONTROL.HEADERS) await this.#headersOf(data.subarray(4));
    else if (type === CONTROL.PING) this.#send(controlFrame(CONTROL.PING, data.subarray(0, 4)));
    else if (type === CONTROL.RST_STREAM) this.#forget(data.readUInt32BE(0) & 0x7fffffff);
    else if (type === CONTROL.GOAWAY) this.#transport.end();
    if (ANSWERED.includes(type) && this.#transport.writableNeedDrain) await this.#room();
  }

  /** Nothing more is taken from a client that does not read what it is answered. */
  async #room(): Promise<void> {
    this.pause();
    await this.drained();
    this.resume();
  }

  async #open(data: Buffer, flags: number): Promise<void> {
    if (data.length < 10) throw new Error('a frame that is cut');
    const id = data.readUInt32BE(0) & 0x7fffffff;
    const headers = await this.#headersOf(data.subarray(10));
    if (this.#streams.has(id)) throw new Error('a stream that is open already');
    if (this.#streams.size >= MAX_STREAMS) {
      this.#send(controlFrame(CONTROL.RST_STREAM, uint32s(id, RESET.REFUSED)));
      return;
    }
    const stream = this.#makeStream(id, headers);
    this.#streams.set(id, stream);
    const block = this.#hasReplied ? EMPTY_BLOCK : Buffer.concat([ZLIB_HEADER, EMPTY_BLOCK]);
    this.#hasReplied = true;
    this.#send(controlFrame(CONTROL.SYN_REPLY, Buffer.concat([uint32s(id), block])));
    this.#onStream(stream);
    if ((flags & FLAG_FIN) !== 0) stream.onEnd();
  }

  #makeStream(id: number, headers: ReadonlyMap<string, string>): SpdyStream {
    const nothing = (): void => {};
    let isEnded = false;
    return {
      headers,
      onData: nothing,
      onEnd: nothing,
      onReset: nothing,
      write: chunk => isEnded || this.#send(dataFrame(id, chunk)),
      end: () => {
        if (!isEnded) this.#send(dataFrame(id, Buffer.alloc(0), true));
        isEnded = true;
      },
      reset: () => {
        if (this.#streams.delete(id)) this.#send(controlFrame(CONTROL.RST_STREAM, uint32s(id, RESET.CANCEL)));
        isEnded = true;
      },
    };
  }

  #forget(id: number): void {
    const stream = this.#streams.get(id);
    this.#streams.delete(id);
    stream?.onReset();
  }

  /** All blocks of a connection are one compressed text, each flushed at its end. */
  async #headersOf(block: Buffer): Promise<ReadonlyMap<string, string>> {
    this.#block = [];
    await new Promise<void>((resolve, reject) => {
      this.#inflate.write(block, error => (error ? reject(error) : resolve()));
    });
    const bytes = Buffer.concat(this.#block);
    if (bytes.length > MAX_HEADERS) throw new Error('a header block that is too large');
    return parseHeaders(bytes);
  }

  #send(frame: Buffer): boolean {
    return this.#transport.destroyed || this.#transport.write(frame);
  }
}
