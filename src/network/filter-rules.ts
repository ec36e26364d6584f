import type { Family } from '../base/addresses.ts';
import type { NetworkPolicy } from '../kube/types.generated.ts';
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
  selectPods,
} from './policies.ts';
import {
  addressRange,
  blockRanges,
  containsAddress,
  formatRange,
  isEverything,
  mergeRanges,
  type Ranges,
} from './ranges.ts';
import { addressOf, byText, type NetworkPod, type NodeState, PROTOCOLS, qualifiedName } from './state.ts';

/** How each direction looks at a packet, and where one goes that it lets through: egress first, then ingress. */
const SIDES = {
  Egress: { prefix: 'egress', peer: 'daddr', own: 'saddr', allow: 'goto ingress' },
  Ingress: { prefix: 'ingress', peer: 'saddr', own: 'daddr', allow: 'accept' },
} as const satisfies Record<Direction, unknown>;

/** What one direction of one pod is made of: its policies, and the pod where a name of a port is to be looked up. */
interface Isolation {
  readonly direction: Direction;
  readonly pod: NetworkPod;
  readonly policies: readonly NetworkPolicy[];
}

/**
 * Chains and maps that hold policies up. A pod's address leads to the chain of its direction: one lookup, however many
 * pods there are. Pods that the same policies are about share it. Returns what the forward hook has to say about what is
 * not of an established connection; `rest` is for what policies let through.
 */
export function addPolicies(
  table: NftTable,
  state: NodeState,
  families: readonly Family[],
  rest: readonly string[],
): readonly string[] {
  const selection = selectPods(state);
  const isolated = isolations(state, selection);
  if (isolated.length === 0) return rest;
  const pods = state.pods.filter(isGoverned);
  const rules: string[] = [];
  const ingress: string[] = [];
  for (const family of families) {
    const { header, type, suffix } = NFT_FAMILIES[family];
    const compiler = new PolicyCompiler(table, selection, pods, family);
    // Also by way of a host port or a Service.
    rules.push(`${header} saddr . ${header} daddr @itself-${suffix} accept`);
    for (const direction of ['Egress', 'Ingress'] as const) {
      const { prefix, own } = SIDES[direction];
      const elements = isolated
        .filter(each => each.direction === direction)
        .flatMap(each => {
          const address = addressOf(each.pod, family);
          return address === undefined ? [] : [[address, `goto ${compiler.chain(each)}`] as const];
        });
      if (elements.length === 0) continue;
      table.map(`${prefix}-${suffix}`, `${type} : verdict`, elements);
      (direction === 'Egress' ? rules : ingress).push(`${header} ${own} vmap @${prefix}-${suffix}`);
    }
  }
  table.chain('ingress', { rules: [...ingress, ...rest] });
  return [...rules, 'goto ingress'];
}

function isolations(state: NodeState, selection: Selection): readonly Isolation[] {
  const found = new Map<string, { direction: Direction; pod: NetworkPod; policies: NetworkPolicy[] }>();
  for (const policy of [...state.policies].sort(byText(qualifiedName))) {
    const directions = (['Egress', 'Ingress'] as const).filter(
      direction => rulesOf(policy, direction) !== undefined,
    );
    for (const pod of directions.length > 0 ? selection.selectedBy(policy) : []) {
      for (const direction of directions) {
        const key = `${direction} ${pod.uid}`;
        const isolation = found.get(key);
        if (isolation === undefined) found.set(key, { direction, pod, policies: [policy] });
        else isolation.policies.push(policy);
      }
    }
  }
  return [...found.values()];
}

/** Turns policies into chains, for one family of addresses. */
class PolicyCompiler {
  readonly #table: NftTable;
  readonly #selection: Selection;
  /** All that have an address of their own. */
  readonly #pods: readonly NetworkPod[];
  readonly #family: Family;
  readonly #chains = new Map<string, string>();
  readonly #rules = new Map<string, readonly string[]>();

  constructor(table: NftTable, selection: Selection, pods: readonly NetworkPod[], family: Family) {
    this.#table = table;
    this.#selection = selection;
    this.#pods = pods;
    this.#family = family;
  }

  /** The name of the chain that lets through what the policies allow, and nothing else. */
  chain({ direction, pod, policies }: Isolation): string {
    const key = `${direction} ${policies.map(policy => keyOf(policy, direction, pod)).join(' ')}`;
    let name = this.#chains.get(key);
    if (name === undefined) {
      const rules = policies.flatMap(policy => this.#policyRules(policy, direction, pod));
      name = this.#table.sharedChain(SIDES[direction].prefix, [...rules, 'drop']);
      this.#chains.set(key, name);
    }
    return name;
  }

  #policyRules(policy: NetworkPolicy, direction: Direction, pod: NetworkPod): readonly string[] {
    const key = `${direction} ${keyOf(policy, direction, pod)}`;
    let rules = this.#rules.get(key);
    if (rules === undefined) {
      const namespace = policy.metadata?.namespace ?? 'default';
      const { allow } = SIDES[direction];
      rules = (rulesOf(policy, direction) ?? [])
        .flatMap(rule => this.#matches(rule, direction, pod, namespace))
        .map(match => `${match} ${allow} ${comment(qualifiedName(policy))}`.trim());
      this.#rules.set(key, rules);
    }
    return rules;
  }

  /** What a packet must be like for a rule to let it through: one match for each way. */
  #matches(rule: PolicyRule, direction: Direction, pod: NetworkPod, namespace: string): readonly string[] {
    const { pods, blocks } = this.#peers(rule, namespace);
    const peer = this.#peerMatch(rule, direction, pods, blocks);
    if (rule.ports.length === 0) return peer === undefined ? [] : [peer];
    const numbered = rule.ports.filter(({ port }) => typeof port !== 'string');
    const named = rule.ports.filter(({ port }) => typeof port === 'string');
    const own = direction === 'Ingress' ? named.flatMap(port => portRanges(port, pod)) : [];
    const ranges = mergePorts([...numbered.flatMap(port => portRanges(port, undefined)), ...own]);
    return [
      ...(peer === undefined ? [] : portMatches(ranges).map(match => `${peer} ${match}`.trim())),
      ...(direction === 'Egress' ? this.#namedMatches(named, pods) : []),
    ];
  }

  #peers(
    { peers }: PolicyRule,
    namespace: string,
  ): { readonly pods: readonly NetworkPod[]; readonly blocks: Ranges } {
    if (peers.length === 0) return { pods: this.#pods, blocks: [] };
    const selectors = peers.filter(({ ipBlock }) => ipBlock === undefined);
    const pods = new Set(selectors.flatMap(peer => this.#selection.peers(peer, namespace)));
    const blocks = peers
      .flatMap(({ ipBlock }) => (ipBlock === undefined ? [] : blockRanges(ipBlock)))
      .filter(({ family }) => family === this.#family);
    for (const pod of blocks.length === 0 ? [] : this.#pods)
      if (containsAddress(blocks, addressOf(pod, this.#family) ?? '')) pods.add(pod);
    return { pods: [...pods], blocks };
  }

  /** Empty for every address of the family; undefined where there is none. */
  #peerMatch(
    { peers }: PolicyRule,
    direction: Direction,
    pods: readonly NetworkPod[],
    blocks: Ranges,
  ): string | undefined {
    if (peers.length === 0) return '';
    const { header, type } = NFT_FAMILIES[this.#family];
    const addresses = pods.flatMap(pod => addressOf(pod, this.#family) ?? []);
    const field = `${header} ${SIDES[direction].peer}`;
    if (blocks.length === 0) {
      if (addresses.length === 0) return undefined;
      return `${field} ${this.#table.sharedSet('pods', type, [...addresses].sort())}`;
    }
    const ranges = mergeRanges([...blocks, ...addresses.flatMap(addressRange)]);
    if (isEverything(ranges)) return '';
    return `${field} ${this.#table.sharedSet('addresses', type, ranges.map(formatRange), 'flags interval')}`;
  }

  /** Names of ports, going out: each destination has its own numbers for them. */
  #namedMatches(named: PolicyRule['ports'], pods: readonly NetworkPod[]): readonly string[] {
    const { header, type } = NFT_FAMILIES[this.#family];
    return PROTOCOLS.flatMap(protocol => {
      const elements = pods.flatMap(pod => {
        const address = addressOf(pod, this.#family);
        const ports = named.flatMap(port => portRanges(port, pod));
        return address === undefined
          ? []
          : ports.filter(each => each.protocol === protocol).map(({ first }) => `${address} . ${first}`);
      });
      if (elements.length === 0) return [];
      const set = this.#table.sharedSet('ports', `${type} . inet_service`, [...new Set(elements)].sort());
      return [`${header} daddr . ${protocol.toLowerCase()} dport ${set}`];
    });
  }
}

/** One match for each protocol. */
function portMatches(ranges: readonly PortRange[]): readonly string[] {
  return PROTOCOLS.flatMap(protocol => {
    const own = ranges.filter(range => range.protocol === protocol);
    const [range] = own;
    const word = protocol.toLowerCase();
    if (range === undefined) return [];
    if (range.first === 0 && range.last === 65535) return [`meta l4proto ${word}`];
    const texts = own.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`));
    return [`${word} dport ${texts.length === 1 ? texts[0] : `{ ${texts.join(', ')} }`}`];
  });
}

/** A policy with names of ports means something else for each pod that gives them other numbers. */
function keyOf(policy: NetworkPolicy, direction: Direction, { ports }: NetworkPod): string {
  const isNamed = rulesOf(policy, direction)?.some(rule =>
    rule.ports.some(({ port }) => typeof port === 'string'),
  );
  if (direction === 'Egress' || isNamed !== true) return qualifiedName(policy);
  const names = ports.flatMap(({ name, protocol, containerPort }) =>
    name === undefined ? [] : [`${name}/${protocol}=${containerPort}`],
  );
  return `${qualifiedName(policy)}(${names.sort().join(',')})`;
}
