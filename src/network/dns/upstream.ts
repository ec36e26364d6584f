/** Questions about names that are not the cluster's, for the servers that the node itself asks. */
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { type ForwardedQuery, isReplyTo, keyOf, upstreamQuery } from './forwarded.ts';
import { framed, isTruncated, RCODE, rcodeOf } from './message.ts';

export interface UpstreamServer {
  readonly address: string;
  readonly port: number;
}

export interface UpstreamLimits {
  /** Milliseconds for one server, and for a question in all: glibc asks once more after five seconds. */
  readonly timeout: number;
  readonly total: number;
  /** How many questions may wait for an answer; one more fails at once. */
  readonly inFlight: number;
}

export const DEFAULT_LIMITS: UpstreamLimits = { timeout: 2000, total: 4500, inFlight: 256 };

/** Every server is asked so many times: a packet can be lost. */
const ROUNDS = 2;

/** Codes that say something of the server rather than of the name: the next one may know. */
const FAILURES: ReadonlySet<number> = new Set([RCODE.FORMERR, RCODE.SERVFAIL, RCODE.NOTIMP, RCODE.REFUSED]);

export class Upstream {
  readonly #servers: readonly UpstreamServer[];
  readonly #limits: UpstreamLimits;
  readonly #inFlight = new Map<string, Promise<Buffer | undefined>>();
  readonly #exchanges = new Set<() => void>();
  #isClosed = false;

  constructor(servers: readonly UpstreamServer[], limits: UpstreamLimits) {
    this.#servers = servers;
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#servers.length === 0;
  }

  /**
   * The reply of the first server that has one, never truncated, or undefined. A question that is already on its way is not
   * sent again, whoever asks: also when it is our own that has come back to us, so that a loop ends with its time-out.
   */
  lookup(query: ForwardedQuery): Promise<Buffer | undefined> {
    const key = keyOf(query);
    const known = this.#inFlight.get(key);
    if (known !== undefined) return known;
    if (this.#inFlight.size >= this.#limits.inFlight) return Promise.resolve(undefined);
    const asked = this.#ask(query).finally(() => this.#inFlight.delete(key));
    this.#inFlight.set(key, asked);
    return asked;
  }

  close(): void {
    this.#isClosed = true;
    for (const end of this.#exchanges) end();
  }

  async #ask(query: ForwardedQuery): Promise<Buffer | undefined> {
    const deadline = performance.now() + this.#limits.total;
    let failure: Buffer | undefined;
    for (let round = 0; round < ROUNDS; round++) {
      for (const server of this.#servers) {
        const left = Math.min(this.#limits.timeout, deadline - performance.now());
        if (left <= 0 || this.#isClosed) return failure;
        const reply = await this.#exchange(server, query, left);
        if (reply === undefined) continue;
        if (!FAILURES.has(rcodeOf(reply))) return reply;
        failure = reply;
      }
      // They have all said what they had to say.
      if (failure !== undefined) return failure;
    }
    return undefined;
  }

  async #exchange(
    server: UpstreamServer,
    query: ForwardedQuery,
    milliseconds: number,
  ): Promise<Buffer | undefined> {
    // A socket for each question has a port of its own: with the id that is what a forged reply would have to guess.
    const { randomInt } = await import('node:crypto');
    // Meanwhile: nobody would end it before its time.
    if (this.#isClosed) return undefined;
    const id = randomInt(0x10000);
    const question = upstreamQuery(query, id);
    const accepts = (bytes: Buffer): boolean => isReplyTo(bytes, id, query.question);
    const deadline = performance.now() + milliseconds;
    const reply = await this.#within(milliseconds, overUdp(server, question, accepts));
    if (reply === undefined || !isTruncated(reply)) return reply;
    const left = deadline - performance.now();
    const whole = await this.#within(left, overTcp(server, question, accepts));
    return whole === undefined || isTruncated(whole) ? undefined : whole;
  }

  async #within(milliseconds: number, { reply, end }: Exchange): Promise<Buffer | undefined> {
    const timer = setTimeout(end, milliseconds);
    this.#exchanges.add(end);
    try {
      return await reply;
    } finally {
      clearTimeout(timer);
      this.#exchanges.delete(end);
    }
  }
}

type Accepts = (bytes: Buffer) => boolean;

/** `end` gives it up. */
interface Exchange {
  readonly reply: Promise<Buffer | undefined>;
  readonly end: () => void;
}

/** What ends first counts: a reply, a failure, or whoever calls `end`. The socket is closed then. */
function exchange(close: () => void, begin: (end: (reply?: Buffer) => void) => void): Exchange {
  let settle: ((reply?: Buffer) => void) | undefined;
  const reply = new Promise<Buffer | undefined>(resolve => {
    settle = resolve;
  });
  const end = (found?: Buffer): void => {
    if (settle === undefined) return;
    settle(found);
    settle = undefined;
    close();
  };
  begin(end);
  return { reply, end: () => end() };
}

/** Waits for the message that is the reply, among whatever else comes. */
function overUdp({ address, port }: UpstreamServer, question: Buffer, accepts: Accepts): Exchange {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  return exchange(
    () => socket.close(),
    end => {
      // Nobody listens there, or the network is not reachable.
      socket.on('error', () => end());
      socket.on('message', bytes => {
        if (accepts(bytes)) end(bytes);
      });
      socket.on('connect', () => socket.send(question, error => error && end()));
      // A connected socket takes packets of that server only. (A callback would be called for a failure too.)
      socket.connect(port, address);
    },
  );
}

function overTcp({ address, port }: UpstreamServer, question: Buffer, accepts: Accepts): Exchange {
  const socket = connect({ host: address, port });
  let received = Buffer.alloc(0);
  return exchange(
    () => socket.destroy(),
    end => {
      socket.on('error', () => end());
      socket.on('close', () => end());
      socket.on('data', chunk => {
        received = Buffer.concat([received, chunk]);
        const size = received.length < 2 ? Number.POSITIVE_INFINITY : received.readUInt16BE(0);
        if (received.length < 2 + size) return;
        const reply = received.subarray(2, 2 + size);
        end(accepts(reply) ? reply : undefined);
      });
      socket.write(framed(question));
    },
  );
}
