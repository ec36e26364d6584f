/** What the kernel would do with a packet in the forward hook: the few words of nft that policies are made of. */

export interface Packet {
  readonly family: 'ip' | 'ip6';
  readonly saddr: string;
  readonly daddr: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly dport: number;
}

interface Rules {
  readonly sets: ReadonlyMap<string, readonly string[]>;
  readonly maps: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly chains: ReadonlyMap<string, readonly string[]>;
}

/** Reads the text of a rule set. */
export function readRules(text: string): Rules {
  const sets = new Map<string, readonly string[]>();
  const maps = new Map<string, ReadonlyMap<string, string>>();
  const chains = new Map<string, readonly string[]>();
  for (const [, kind, name = '', body = ''] of text.matchAll(
    /^ {2}(set|map|chain) (\S+) \{\n(.*?)^ {2}\}/gms,
  )) {
    const lines = body
      .split('\n')
      .map(line => line.trim())
      .filter(line => line !== '');
    const elements = /elements = \{ (.*) \}/.exec(body)?.[1]?.split(', ') ?? [];
    if (kind === 'chain') chains.set(name, lines);
    else if (kind === 'set') sets.set(name, elements);
    else maps.set(name, new Map(elements.map(element => element.split(' : ') as [string, string])));
  }
  return { sets, maps, chains };
}

const bigint = (address: string): bigint => {
  if (!address.includes(':')) return address.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  const [head = '', tail = ''] = address.split('::');
  const list = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const middle = Array<string>(8 - list(head).length - list(tail).length).fill('0');
  return [...list(head), ...middle, ...list(tail)].reduce(
    (sum, group) => sum * 65536n + BigInt(`0x${group}`),
    0n,
  );
};

/** An address, a prefix, or a run. */
function matchesAddress(pattern: string, address: string): boolean {
  if (pattern.includes(':') !== address.includes(':')) return false;
  const [first = '', last = first] = pattern.split('-');
  const [network = '', length] = first.split('/');
  if (length === undefined) return bigint(network) <= bigint(address) && bigint(address) <= bigint(last);
  const shift = BigInt((address.includes(':') ? 128 : 32) - Number(length));
  return bigint(network) >> shift === bigint(address) >> shift;
}

function matchesPort(pattern: string, port: number): boolean {
  const [first = '', last = first] = pattern.split('-');
  return Number(first) <= port && port <= Number(last);
}

/** One match of a rule: its words, and whether it fits a packet. */
interface Match {
  readonly words: RegExp;
  fits(found: readonly string[], packet: Packet, rules: Rules): boolean;
}

const addressOf = (packet: Packet, header: string, field: string): string | undefined =>
  header === packet.family ? (field === 'saddr' ? packet.saddr : packet.daddr) : undefined;

function elementsOf(text: string, { sets }: Rules): readonly string[] {
  if (text.startsWith('@')) return sets.get(text.slice(1)) ?? [];
  return text.startsWith('{') ? text.slice(2, -2).split(', ') : [text];
}

const MATCHES: readonly Match[] = [
  { words: /^ct state established,related/, fits: () => false },
  // Whatever an address is, it has a link: none of these packets is for nobody.
  { words: /^iifname "ps\*" oifname != "ps\*"/, fits: () => false },
  {
    words: /^(ip6?) saddr \. ip6? daddr (@\S+)/,
    fits: ([, header, set = ''], { family, saddr, daddr }, rules) =>
      header === family && elementsOf(set, rules).includes(`${saddr} . ${daddr}`),
  },
  {
    words: /^(ip6?) daddr \. (\w+) dport (@\S+)/,
    fits: ([, header, word, set = ''], { family, protocol, daddr, dport }, rules) =>
      header === family && word === protocol && elementsOf(set, rules).includes(`${daddr} . ${dport}`),
  },
  {
    words: /^(ip6?) ([sd]addr) (@\S+|\{[^}]*\}|[0-9a-f:]\S*)/,
    fits: ([, header = '', field = '', text = ''], packet, rules) => {
      const address = addressOf(packet, header, field);
      return address !== undefined && elementsOf(text, rules).some(each => matchesAddress(each, address));
    },
  },
  {
    words: /^(tcp|udp|sctp) dport (\{[^}]*\}|\S+)/,
    fits: ([, word, text = ''], { protocol, dport }, rules) =>
      word === protocol && elementsOf(text, rules).some(each => matchesPort(each, dport)),
  },
  { words: /^meta l4proto (\w+)/, fits: ([, word], { protocol }) => word === protocol },
];

/** What a rule decides; undefined if it is not about the packet. */
function decide(line: string, packet: Packet, rules: Rules): string | undefined {
  for (let rest = line.replace(/ comment "[^"]*"$/, ''); ; ) {
    const [, header = '', field = '', map = ''] = /^(ip6?) ([sd]addr) vmap @(\S+)$/.exec(rest) ?? [];
    if (map !== '') return rules.maps.get(map)?.get(addressOf(packet, header, field) ?? '');
    if (/^(accept|drop|goto \S+)$/.test(rest)) return rest;
    const match = MATCHES.find(({ words }) => words.test(rest));
    const found = match?.words.exec(rest);
    if (match === undefined || !found) throw new Error(`unreadable: ${rest}`);
    if (!match.fits(found, packet, rules)) return undefined;
    rest = rest.slice(found[0].length).trimStart();
  }
}

/** `accept` or `drop`: what becomes of a packet that begins a connection, and how many rules are looked at for it. */
export function walk(
  rules: Rules,
  packet: Packet,
): { readonly verdict: 'accept' | 'drop'; readonly looked: number } {
  let looked = 0;
  for (let chain = 'filter-forward'; ; ) {
    const lines = (rules.chains.get(chain) ?? []).filter(line => !line.startsWith('type '));
    let verdict: string | undefined;
    for (const line of lines) {
      looked++;
      verdict = decide(line, packet, rules);
      if (verdict !== undefined) break;
    }
    if (verdict === undefined || verdict === 'accept') return { verdict: 'accept', looked };
    if (verdict === 'drop') return { verdict: 'drop', looked };
    chain = verdict.replace('goto ', '');
    if (!rules.chains.has(chain)) throw new Error(`no chain ${chain}`);
  }
}

export const forward = (rules: Rules, packet: Packet): 'accept' | 'drop' => walk(rules, packet).verdict;
