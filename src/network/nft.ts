import type { Family } from '../base/addresses.ts';
import { sha256 } from '../base/sha256.ts';

/** The one table that podspace has. */
export const TABLE = 'inet podspace';

/** nftables' words for each family. */
export const NFT_FAMILIES: Readonly<
  Record<Family, { readonly header: string; readonly type: string; readonly suffix: string }>
> = {
  IPv4: { header: 'ip', type: 'ipv4_addr', suffix: 'v4' },
  IPv6: { header: 'ip6', type: 'ipv6_addr', suffix: 'v6' },
};

/** A name that a thing keeps in every state. */
export function contentName(prefix: string, content: string): string {
  return `${prefix}-${sha256(content).slice(0, 12)}`;
}

/** NFTNL_UDATA_COMMENT_MAXLEN. */
const MAX_COMMENT = 128;

/** For people who read `nft list table inet podspace`. */
export function comment(text: string): string {
  return `comment "${text.replace(/[^\w./:,()-]/g, '_').slice(0, MAX_COMMENT)}"`;
}

export interface Chain {
  /** `type filter hook forward priority 0; policy accept;` of one that the kernel calls. */
  readonly hook?: string;
  readonly rules: readonly string[];
}

/** Everything in the table, in the order in which it was said. */
export class NftTable {
  readonly #objects = new Map<string, string>();
  readonly #chains = new Map<string, Chain>();
  /** What is shared, by its content, and how many of a prefix there are. */
  readonly #shared = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  /** A set that rules share; returns `@NAME`. The prefix says what is in it. */
  sharedSet(prefix: string, type: string, elements: readonly string[], flags = ''): string {
    const content = `${prefix} ${type} ${flags} ${elements.join(',')}`;
    return `@${this.#share(prefix, content, name => this.set(name, type, elements, flags))}`;
  }

  #share(prefix: string, content: string, make: (name: string) => void): string {
    const found = this.#shared.get(content);
    if (found !== undefined) return found;
    const count = (this.#counts.get(prefix) ?? 0) + 1;
    const name = `${prefix}-${count}`;
    this.#counts.set(prefix, count);
    this.#shared.set(content, name);
    make(name);
    return name;
  }

  set(name: string, type: string, elements: readonly string[], flags = ''): void {
    this.#objects.set(name, container('set', name, [`type ${type}`, flags], elements));
  }

  /** Keys are unique: of two elements with one key the first counts, where nft would refuse the whole table. */
  map(name: string, type: string, elements: Iterable<readonly [key: string, value: string]>): void {
    const unique = new Map<string, string>();
    for (const [key, value] of elements) if (!unique.has(key)) unique.set(key, value);
    const lines = [...unique].map(([key, value]) => `${key} : ${value}`);
    this.#objects.set(name, container('map', name, [`type ${type}`], lines));
  }

  /** A chain that all share who need these rules. Returns its name. */
  sharedChain(prefix: string, rules: readonly string[]): string {
    return this.#share(prefix, `${prefix} ${rules.join('\n')}`, name => this.chain(name, { rules }));
  }

  chain(name: string, chain: Chain): void {
    this.#chains.set(name, chain);
  }

  /** A chain that the kernel calls; none if there are no rules for it. */
  hook(type: 'filter' | 'nat', name: string, priority: number, rules: readonly string[]): void {
    const hook = `type ${type} hook ${name} priority ${priority}; policy accept;`;
    if (rules.length > 0) this.chain(`${type}-${name}`, { hook, rules });
  }

  /** Whether there is a set or a map of this name. */
  has(name: string): boolean {
    return this.#objects.has(name);
  }

  get isEmpty(): boolean {
    return this.#chains.size === 0;
  }

  /** nft's own syntax. Maps name chains, which may follow: nft reads all before it makes anything. */
  toString(): string {
    const chains = [...this.#chains].map(([name, { hook, rules }]) =>
      block(`chain ${name}`, hook === undefined ? rules : [hook, ...rules]),
    );
    return `table ${TABLE} {\n${[...this.#objects.values(), ...chains].join('\n')}\n}\n`;
  }
}

function container(
  kind: 'set' | 'map',
  name: string,
  properties: readonly string[],
  elements: readonly string[],
): string {
  return block(`${kind} ${name}`, [
    ...properties.filter(text => text !== ''),
    ...(elements.length > 0 ? [`elements = { ${elements.join(', ')} }`] : []),
  ]);
}

function block(head: string, lines: readonly string[]): string {
  return [`  ${head} {`, ...lines.map(line => `    ${line}`), '  }'].join('\n');
}
