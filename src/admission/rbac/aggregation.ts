import { selectorMatches } from '../../kube/label-selector.ts';
import type { ClusterRole, PolicyRule } from '../../kube/types.generated.ts';
import { nameOf, type RbacObjects } from './objects.ts';

/**
 * The rules of a ClusterRole. One with an aggregationRule has those of the roles that it selects and none of its own: a
 * controller overwrites them (pkg/controller/clusterroleaggregation). Roles that select each other have what the others
 * of the circle bring; upstream that depends on which is looked at first.
 */
export function rulesOfClusterRole(objects: RbacObjects, role: ClusterRole): readonly PolicyRule[] {
  if (role.aggregationRule === undefined) return role.rules ?? [];
  const found = new Map<string, PolicyRule>();
  for (const source of sourcesOf(objects, role, new Set()))
    for (const rule of source.rules ?? []) found.set(JSON.stringify(rule), rule);
  return [...found.values()];
}

/** The roles that bring rules of their own, each once, by name within a selector. */
function sourcesOf(objects: RbacObjects, role: ClusterRole, visited: Set<string>): readonly ClusterRole[] {
  if (visited.has(nameOf(role))) return [];
  visited.add(nameOf(role));
  if (role.aggregationRule === undefined) return [role];
  return (role.aggregationRule.clusterRoleSelectors ?? []).flatMap(selector =>
    objects.clusterRoles
      .filter(candidate => selectorMatches(selector, candidate.metadata?.labels))
      .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
      .flatMap(candidate => sourcesOf(objects, candidate, visited)),
  );
}
