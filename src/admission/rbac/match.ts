import type { PolicyRule } from '../../kube/types.generated.ts';

/** A request for objects. Without a namespace it is about all of them, or about something that has none. */
export interface ResourceAttributes {
  readonly verb: string;
  readonly apiGroup: string;
  /** The plural, as in a URL: `pods`. */
  readonly resource: string;
  readonly subresource?: string;
  readonly name?: string;
  readonly namespace?: string;
}

/** A request for a URL that is no object's: `/healthz`. */
export interface NonResourceAttributes {
  readonly verb: string;
  readonly path: string;
}

export type Attributes = ResourceAttributes | NonResourceAttributes;

const ALL = '*';

/** Does one rule allow the request (RuleAllows of plugin/pkg/auth/authorizer/rbac)? */
export function ruleAllows(rule: PolicyRule, attributes: Attributes): boolean {
  if (!includesOrAll(rule.verbs, attributes.verb)) return false;
  if ('path' in attributes)
    return rule.nonResourceURLs?.some(url => urlMatches(url, attributes.path)) === true;
  const { apiGroup, resource, subresource = '', name = '' } = attributes;
  const combined = subresource === '' ? resource : `${resource}/${subresource}`;
  const { resourceNames = [] } = rule;
  return (
    includesOrAll(rule.apiGroups, apiGroup) &&
    (includesOrAll(rule.resources, combined) ||
      (subresource !== '' && rule.resources?.includes(`*/${subresource}`) === true)) &&
    (resourceNames.length === 0 || resourceNames.includes(name))
  );
}

function includesOrAll(list: readonly string[] | undefined, value: string): boolean {
  return list?.some(item => item === ALL || item === value) === true;
}

/** `*` stands for the rest of a URL, at its end only. */
export function urlMatches(url: string, path: string): boolean {
  return url === path || (url.endsWith(ALL) && path.startsWith(url.replace(/\*+$/, '')));
}
