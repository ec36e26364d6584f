import { createHash, randomBytes } from 'node:crypto';
import { impersonate, type UserInfo } from '../admission/user.ts';
import { UserError } from '../base/errors.ts';
import { timestamp } from './objects.ts';
import { readPrivate, writePrivate } from './private-file.ts';

interface KeptToken {
  /** SHA-256: tokens are random, and the file is root's. */
  readonly hash: string;
  readonly user: string;
  readonly groups: readonly string[];
  readonly createdAt: string;
}

const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');

/** Who may come in with what token. The tokens themselves are kept nowhere. */
export class Tokens {
  readonly #file: string;
  #kept: ReadonlyMap<string, KeptToken>;

  constructor(file: string) {
    this.#file = file;
    this.#kept = read(file);
  }

  /** A new token of a user; those that he has stay good. */
  create(user: string, groups: readonly string[]): string {
    const token = randomBytes(32).toString('base64url');
    const hash = hashOf(token);
    this.#write(new Map([...this.#kept, [hash, { hash, user, groups, createdAt: timestamp() }]]));
    return token;
  }

  /** Takes all tokens of a user back; how many there were. */
  revoke(user: string): number {
    const left = new Map([...this.#kept].filter(([, token]) => token.user !== user));
    const count = this.#kept.size - left.size;
    if (count > 0) this.#write(left);
    return count;
  }

  /** Whoever has that token. What takes time here does not depend on how much of it is right. */
  find(token: string): UserInfo | undefined {
    const kept = this.#kept.get(hashOf(token));
    if (kept === undefined) return undefined;
    const user = impersonate(kept.user, kept.groups);
    return 'error' in user ? undefined : user;
  }

  #write(kept: ReadonlyMap<string, KeptToken>): void {
    writePrivate(this.#file, `${JSON.stringify([...kept.values()], null, 2)}\n`);
    this.#kept = kept;
  }
}

function read(file: string): ReadonlyMap<string, KeptToken> {
  const text = readPrivate(file);
  if (text === undefined) return new Map();
  try {
    const tokens = JSON.parse(text) as readonly KeptToken[];
    return new Map(tokens.map(token => [token.hash, token]));
  } catch (cause) {
    throw new UserError(`"${file}" is damaged: ${(cause as Error).message}`, {
      cause,
      hint: 'remove the file, and make the kubeconfigs again',
    });
  }
}
