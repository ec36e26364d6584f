import type { Duplex } from 'node:stream';
import { PassThrough } from 'node:stream';
import { SpdySession, type SpdyStream } from '../spdy/session.ts';
import { parseSize } from './channels.ts';
import type { StreamOptions } from './exec.ts';
import type { EndStatus, RemoteStreams } from './remote.ts';

/** Of exec and attach over SPDY, as clients before Kubernetes 1.31 have it. */
export const SPDY_EXEC_PROTOCOL = 'v4.channel.k8s.io';

/** Milliseconds for the client to open all its streams. */
const OPEN_TIMEOUT = 30_000;
const MAX_SIZE_TEXT = 1000;

/** Exec and attach over streams of a SPDY connection. */
export class SpdyStreams implements RemoteStreams {
  readonly stdin: PassThrough | undefined;
  readonly signal: AbortSignal;
  readonly #session: SpdySession;
  readonly #streams = new Map<string, SpdyStream>();
  readonly #wanted: readonly string[];
  #allOpen = (): void => {};
  #resize: ((size: { readonly columns: number; readonly rows: number }) => void) | undefined;
  #lastSize: { readonly columns: number; readonly rows: number } | undefined;

  constructor(transport: Duplex, { stdin, stdout, stderr, tty }: StreamOptions) {
    this.stdin = stdin ? new PassThrough() : undefined;
    const asked = { error: true, stdin, stdout, stderr, resize: tty };
    this.#wanted = Object.entries(asked).flatMap(([name, isAsked]) => (isAsked ? [name] : []));
    const gone = new AbortController();
    this.signal = gone.signal;
    this.#session = new SpdySession(transport, stream => this.#open(stream));
    void this.#session.closed().then(() => {
      gone.abort();
      this.stdin?.end();
      this.#allOpen();
    });
  }

  /** False: the client has not opened all of them in time. */
  async opened(): Promise<boolean> {
    const timer = setTimeout(() => this.#session.close(), OPEN_TIMEOUT);
    if (!this.#isComplete())
      await new Promise<void>(resolve => {
        this.#allOpen = resolve;
      });
    clearTimeout(timer);
    return !this.signal.aborted;
  }

  write(stream: 'stdout' | 'stderr', chunk: Uint8Array): Promise<void> | undefined {
    const hasRoom = this.#streams.get(stream)?.write(Buffer.from(chunk)) ?? true;
    return hasRoom ? undefined : this.#session.drained();
  }

  onResize(resize: (size: { readonly columns: number; readonly rows: number }) => void): void {
    this.#resize = resize;
    if (this.#lastSize !== undefined) resize(this.#lastSize);
  }

  finish(status: EndStatus): void {
    this.#streams.get('error')?.write(Buffer.from(JSON.stringify({ metadata: {}, ...status })));
    for (const stream of this.#streams.values()) stream.end();
    // The client closes when it has read all; one that does not is not waited for.
    setTimeout(() => this.#session.close(), OPEN_TIMEOUT).unref();
  }

  drop(): void {
    this.#session.close();
  }

  #isComplete(): boolean {
    return this.#wanted.every(name => this.#streams.has(name));
  }

  #open(stream: SpdyStream): void {
    const name = stream.headers.get('streamtype') ?? '';
    if (!this.#wanted.includes(name) || this.#streams.has(name)) {
      stream.reset();
      return;
    }
    this.#streams.set(name, stream);
    if (name === 'stdin') this.#readInput(stream);
    if (name === 'resize') this.#readSizes(stream);
    if (this.#isComplete()) this.#allOpen();
  }

  #readInput(stream: SpdyStream): void {
    const { stdin } = this;
    if (stdin === undefined) return;
    stream.onData = chunk => {
      if (stdin.writableEnded || stdin.write(chunk)) return;
      this.#session.pause();
      stdin.once('drain', () => this.#session.resume());
    };
    stream.onEnd = () => stdin.end();
    stream.onReset = () => stdin.end();
  }

  /** Sizes come one after the other, each a JSON object on a line. */
  #readSizes(stream: SpdyStream): void {
    let text = '';
    stream.onData = chunk => {
      text = `${text}${chunk}`.slice(-MAX_SIZE_TEXT);
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        const size = parseSize(Buffer.from(line));
        if (size === undefined) continue;
        this.#lastSize = size;
        this.#resize?.(size);
      }
    };
  }
}
