import { type Answer, answer } from './answer.ts';
import { aboutName, answersOf } from './forwarded.ts';
import { parseQuery, type Query, type Rcode, rcodeOf } from './message.ts';
import { aliasReply, answerReply, errorReply, limitOf, relayedReply } from './reply.ts';
import type { ZoneState } from './state.ts';
import type { Upstream } from './upstream.ts';

/** One message in, one out: what the servers for UDP and TCP have in common. */
export class Resolver {
  readonly #state: () => ZoneState;
  readonly #upstream: Upstream;

  constructor(state: () => ZoneState, upstream: Upstream) {
    this.#state = state;
    this.#upstream = upstream;
  }

  /** The reply to a message; undefined for what must not be replied to. Does not fail, whatever the bytes are. */
  async reply(bytes: Buffer, protocol: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    const parsed = parseQuery(bytes);
    if (parsed === undefined) return undefined;
    const { query, error = refusalOf(query) } = parsed;
    if (error !== undefined) return errorReply(query, error);
    try {
      return await this.#answer(query, limitOf(query, protocol));
    } catch {
      // The state of the moment is not to be had, or what another server said cannot be encoded.
      return errorReply(query, 'SERVFAIL');
    }
  }

  async #answer(query: Query, limit: number): Promise<Buffer> {
    const found = answer(query, this.#state());
    if (found.elsewhere === undefined) return answerReply(query, found, limit);
    if (this.#upstream.isEmpty) return errorReply(query, 'REFUSED');
    if (found.answers.length > 0) return this.#follow(query, found, found.elsewhere, limit);
    const reply = await this.#upstream.lookup(query);
    return reply === undefined ? errorReply(query, 'SERVFAIL') : relayedReply(query, reply, limit);
  }

  /** An ExternalName: its CNAME, and what others say of the name that it leads to. */
  async #follow(query: Query, found: Answer, name: string, limit: number): Promise<Buffer> {
    const reply = await this.#upstream.lookup(aboutName(query, name));
    if (reply === undefined) return errorReply(query, 'SERVFAIL');
    return aliasReply(query, found.answers, rcodeOf(reply), answersOf(reply), limit);
  }
}

/** Questions that nobody here answers: other classes, and transfers of zones. */
function refusalOf({ class: klass, type }: Query): Rcode | undefined {
  return klass !== 'IN' || type === 'AXFR' || type === 'IXFR' ? 'REFUSED' : undefined;
}
