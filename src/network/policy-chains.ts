import type { Family } from '../base/addresses.ts';
import type { NetworkPolicy, NetworkPolicyPort } from '../kube/types.generated.ts';
import type { Isolation } from './filter-rules.ts';
import { comment, NFT_FAMILIES, type NftTable } from './nft.ts';
import {
  type Direction,
  isGoverned,
  mergePorts,
  type PolicyRule,
  type PortRange,
  portRanges,
  rulesOf,
  type Selection,
} from './policies.ts';
import {
  addressRange,
  blockRanges,
  formatRange,
  isEverything,
  isWithin,
  mergeRanges,
  type Ranges,
} from './ranges.ts';
import { addressOf, type NetworkPod, PROTOCOLS, type Protocol, qualifiedName } from './state.ts';

/** How each direction looks at a packet, and where one goes that it lets through: egress first, then ingress. */
const SIDES = {
  Egress: { prefix: 'egress', peer: 'daddr', allow: 'goto ingress' },
  Ingress: { prefix: 'ingress', peer: 'saddr', allow: 'accept' },
} as const satisfies Record<Direction, unknown>;

/** Up to so many things are compared one after the other: the kernel makes rules faster than sets. */
const FEW = 2;

/** What a rule's peers come to. */
interface Peers {
  /** Nobody is named, so everybody is meant. */
  readonly isEverybody: boolean;
  readonly pods: readonly NetworkPod[];
  readonly blocks: Ranges;
}

/** Turns policies into chains, for one family of addresses. What is said twice is worked out once. */
export class PolicyCompiler {
  readonly #table: NftTable;
  readonly #selection: Selection;
  readonly #family: Family;
  /** Addresses of all pods that have one, and their places in the order of pods. */
  readonly #addresses = new Map<NetworkPod, string>();
  readonly #places = new Map<NetworkPod, number>();
  readonly #known = new Map<string, unknown>();

  constructor(table: NftTable, pods: readonly NetworkPod[], selection: Selection, family: Family) {
    this.#table = table;
    this.#selection = selection;
    this.#family = family;
    for (const [place, pod] of pods.filter(isGoverned).entries()) {
      const address = addressOf(pod, family);
      if (address !== undefined) this.#addresses.set(pod, address);
      this.#places.set(pod, place);
    }
  }

  /** The name of the chain that lets through what the policies allow, and nothing else. */
  chain({ direction, pod, policies }: Isolation): string {
    const key = policies.map(policy => keyOf(policy, direction, pod)).join(' ');
    return this.#once(`chain ${direction} ${key}`, () => {
      const rules = policies.flatMap(policy => this.#policyRules(policy, direction, pod));
      return this.#table.sharedChain(SIDES[direction].prefix, [...rules, 'drop']);
    });
  }

  #once<T>(key: string, make: () => T): T {
    const found = this.#known.get(key);
    if (found !== undefined) return found as T;
    const made = make();
    this.#known.set(key, made);
    return made;
  }

  #policyRules(policy: NetworkPolicy, direction: Direction, pod: NetworkPod): readonly string[] {
    return this.#once(`policy ${direction} ${keyOf(policy, direction, pod)}`, () => {
      const namespace = policy.metadata?.namespace ?? 'default';
      const end = `${SIDES[direction].allow} ${comment(qualifiedName(policy))}`;
      return (rulesOf(policy, direction) ?? [])
        .flatMap(rule => this.#matches(rule, direction, pod, namespace))
        .map(match => `${match} ${end}`.trim());
    });
  }

  /** What a packet must be like for a rule to let it through: one match for each way. */
  #matches(rule: PolicyRule, direction: Direction, pod: NetworkPod, namespace: string): readonly string[] {
    const key = peersKey(rule, namespace);
    const peers = this.#once(`peers ${key}`, () => this.#peers(rule, namespace));
    const field = `${NFT_FAMILIES[this.#family].header} ${SIDES[direction].peer}`;
    const matches = this.#once(`matches ${key}`, () => this.#peerMatches(peers)).map(match =>
      match === '' ? '' : `${field} ${match}`,
    );
    if (rule.ports.length === 0) return matches;
    const numbered = rule.ports.filter(({ port }) => typeof port !== 'string');
    const named = rule.ports.filter(({ port }) => typeof port === 'string');
    const own = direction === 'Ingress' ? named.flatMap(port => portRanges(port, pod)) : [];
    const ports = portMatches(mergePorts([...numbered.flatMap(port => portRanges(port, undefined)), ...own]));
    return [
      ...matches.flatMap(match => ports.map(port => `${match} ${port}`.trim())),
      ...(direction === 'Egress' && named.length > 0
        ? this.#once(`named ${JSON.stringify(named)} ${key}`, () => this.#namedMatches(named, peers))
        : []),
    ];
  }

  #peers({ peers }: PolicyRule, namespace: string): Peers {
    const selectors = peers.filter(({ ipBlock }) => ipBlock === undefined);
    return {
      isEverybody: peers.length === 0,
      pods: selectors.flatMap(peer => this.#selection.peers(peer, namespace)),
      blocks: peers
        .flatMap(({ ipBlock }) => (ipBlock === undefined ? [] : blockRanges(ipBlock)))
        .filter(({ family }) => family === this.#family),
    };
  }

  /** Pods once each, in order. */
  #inOrder(pods: readonly NetworkPod[]): readonly NetworkPod[] {
    const place = (pod: NetworkPod): number => this.#places.get(pod) ?? 0;
    return [...new Set(pods)].sort((one, other) => place(one) - place(other));
  }

  /** Addresses, or the name of a set of them; empty for every address of the family. Of no address there is no match. */
  #peerMatches({ isEverybody, pods, blocks }: Peers): readonly string[] {
    if (isEverybody) return [''];
    const { type } = NFT_FAMILIES[this.#family];
    const addresses = this.#inOrder(pods).flatMap(pod => this.#addresses.get(pod) ?? []);
    if (blocks.length === 0)
      return addresses.length <= FEW ? addresses : [this.#table.sharedSet('pods', type, addresses)];
    const ranges = mergeRanges([...blocks, ...addresses.flatMap(addressRange)]);
    if (isEverything(ranges)) return [''];
    const texts = ranges.map(formatRange);
    return texts.length <= FEW ? texts : [this.#table.sharedSet('addresses', type, texts, 'flags interval')];
  }

  /** Names of ports, going out: each destination has its own numbers for them. */
  #namedMatches(
    named: readonly NetworkPolicyPort[],
    { isEverybody, pods, blocks }: Peers,
  ): readonly string[] {
    const { header, type } = NFT_FAMILIES[this.#family];
    const elements = new Map<Protocol, Set<string>>();
    const all = [...this.#addresses.keys()];
    const inBlocks = blocks.length === 0 ? [] : all.filter(pod => this.#isIn(blocks, pod));
    for (const pod of isEverybody ? all : this.#inOrder([...pods, ...inBlocks])) {
      const address = this.#addresses.get(pod);
      for (const { protocol, first } of address === undefined
        ? []
        : named.flatMap(port => portRanges(port, pod))) {
        const own = elements.get(protocol) ?? new Set();
        elements.set(protocol, own.add(`${address} . ${first}`));
      }
    }
    return [...elements].map(([protocol, own]) => {
      const set = this.#table.sharedSet('ports', `${type} . inet_service`, [...own]);
      return `${header} daddr . ${protocol.toLowerCase()} dport ${set}`;
    });
  }

  #isIn(blocks: Ranges, pod: NetworkPod): boolean {
    return addressRange(this.#addresses.get(pod) ?? '').some(({ first }) => isWithin(blocks, first));
  }
}

/** What a rule's peers depend on: a selector of pods alone means those of the policy's namespace. */
function peersKey({ peers }: PolicyRule, namespace: string): string {
  const isOwn = peers.some(each => each.ipBlock === undefined && each.namespaceSelector === undefined);
  return `${isOwn ? namespace : ''} ${JSON.stringify(peers)}`;
}

/** One match for each protocol, or for each of a few ports. */
function portMatches(ranges: readonly PortRange[]): readonly string[] {
  return PROTOCOLS.flatMap(protocol => {
    const own = ranges.filter(range => range.protocol === protocol);
    const [range] = own;
    const word = protocol.toLowerCase();
    if (range === undefined) return [];
    if (range.first === 0 && range.last === 65535) return [`meta l4proto ${word}`];
    const texts = own.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`));
    return (texts.length <= FEW ? texts : [`{ ${texts.join(', ')} }`]).map(text => `${word} dport ${text}`);
  });
}

/** A policy with names of ports means something else for each pod that gives them other numbers. */
function keyOf(policy: NetworkPolicy, direction: Direction, { ports }: NetworkPod): string {
  const isNamed = (): boolean | undefined =>
    rulesOf(policy, direction)?.some(rule => rule.ports.some(({ port }) => typeof port === 'string'));
  if (direction === 'Egress' || isNamed() !== true) return qualifiedName(policy);
  const names = ports.flatMap(({ name, protocol, containerPort }) =>
    name === undefined ? [] : [`${name}/${protocol}=${containerPort}`],
  );
  return `${qualifiedName(policy)}(${names.sort().join(',')})`;
}
