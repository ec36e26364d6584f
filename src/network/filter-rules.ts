import type { Family } from '../base/addresses.ts';
import type { NetworkPolicy } from '../kube/types.generated.ts';
import { NFT_FAMILIES, type NftTable } from './nft.ts';
import { toItself } from './node-rules.ts';
import { DIRECTIONS, type Direction, rulesOf, type Selection, selectPods } from './policies.ts';
import { PolicyCompiler } from './policy-chains.ts';
import { addressOf, byText, type NetworkPod, type NodeState, qualifiedName } from './state.ts';

/** What one direction of one pod is made of. */
export interface Isolation {
  readonly direction: Direction;
  readonly pod: NetworkPod;
  /** By name. */
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
  const rules: string[] = [];
  const ingress: string[] = [];
  for (const family of families) {
    const { header, type, suffix } = NFT_FAMILIES[family];
    const compiler = new PolicyCompiler(table, state.pods, selection, family);
    // Also by way of a host port or a Service.
    rules.push(...toItself(table, family).map(match => `${match} accept`));
    for (const [direction, field, target] of [
      ['Egress', 'saddr', rules],
      ['Ingress', 'daddr', ingress],
    ] as const) {
      const elements = isolated
        .filter(each => each.direction === direction)
        .flatMap(isolation => {
          const address = addressOf(isolation.pod, family);
          return address === undefined ? [] : [[address, `goto ${compiler.chain(isolation)}`] as const];
        });
      if (elements.length === 0) continue;
      const name = `${direction.toLowerCase()}-${suffix}`;
      table.map(name, `${type} : verdict`, elements);
      target.push(`${header} ${field} vmap @${name}`);
    }
  }
  table.chain('ingress', { rules: [...ingress, ...rest] });
  return [...rules, 'goto ingress'];
}

function isolations(state: NodeState, selection: Selection): readonly Isolation[] {
  const found = new Map<string, { direction: Direction; pod: NetworkPod; policies: NetworkPolicy[] }>();
  for (const policy of [...state.policies].sort(byText(qualifiedName))) {
    const directions = DIRECTIONS.filter(direction => rulesOf(policy, direction) !== undefined);
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
