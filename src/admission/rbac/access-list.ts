import type { PolicyRule } from '../../kube/types.generated.ts';
import { splitOnce } from './resources.ts';

/** The first row of the table of `auth can-i --list`. */
export const ACCESS_HEADER = ['Resources', 'Non-Resource URLs', 'Resource Names', 'Verbs'] as const;

/** A rule for one resource or one URL. */
interface SimpleRule {
  readonly group?: string;
  readonly resource?: string;
  readonly name?: string;
  readonly url?: string;
}

/**
 * The rows of `auth can-i --list`: rules taken apart and put together again by resource, with the verbs of each
 * (BreakdownRule and CompactRules of kubectl, which leave the verbs of a URL apart).
 */
export function accessRows(rules: readonly PolicyRule[]): readonly (readonly string[])[] {
  const compacted = new Map<string, { readonly rule: SimpleRule; readonly verbs: string[] }>();
  let count = 0;
  for (const { rule, verb } of rules.flatMap(breakdown)) {
    const key = rule.url === undefined ? JSON.stringify(rule) : String(count++);
    const known = compacted.get(key);
    if (known === undefined) compacted.set(key, { rule, verbs: [verb] });
    else if (!known.verbs.includes(verb)) known.verbs.push(verb);
  }
  return [...compacted.values()]
    .map(({ rule, verbs }) => ({ key: sortKey(rule, verbs), row: rowOf(rule, verbs) }))
    .sort((a, b) => (a.key === b.key ? 0 : a.key < b.key ? -1 : 1))
    .map(({ row }) => row);
}

function breakdown(rule: PolicyRule): readonly { readonly rule: SimpleRule; readonly verb: string }[] {
  const { verbs = [], apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
  const names = resourceNames.length === 0 ? [undefined] : resourceNames;
  const ofResources: readonly SimpleRule[] = apiGroups.flatMap(group =>
    resources.flatMap(resource =>
      names.map(name => ({ group, resource, ...(name === undefined ? {} : { name }) })),
    ),
  );
  const ofURLs = nonResourceURLs.map(url => ({ url }));
  return [...ofResources, ...ofURLs].flatMap(simple => verbs.map(verb => ({ rule: simple, verb })));
}

const list = (...items: readonly (string | undefined)[]): string =>
  `[${items.filter(item => item !== undefined).join(' ')}]`;

/** kubectl sorts by Go's print of the rule, verbs first. */
function sortKey({ group, resource, name, url }: SimpleRule, verbs: readonly string[]): string {
  return `&PolicyRule{Verbs:${list(...verbs)},APIGroups:${list(group)},Resources:${list(resource)},ResourceNames:${list(name)},NonResourceURLs:${list(url)},}`;
}

function rowOf(
  { group = '', resource = '', name, url }: SimpleRule,
  verbs: readonly string[],
): readonly string[] {
  const [base, subresource] = splitOnce(resource, '/');
  const type = group === '' ? base : `${base}.${group}`;
  const combined = subresource === undefined ? type : `${type}/${subresource}`;
  return [combined, list(url), list(name), list(...verbs)];
}
