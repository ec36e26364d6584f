import type { ClusterRole, PolicyRule, Role } from '../../kube/types.generated.ts';
import { type Built, failed, listed, nameError } from './create.ts';
import { RBAC_GROUP, RBAC_VERSION } from './objects.ts';
import { noResourceType, resourceFor, splitOnce } from './resources.ts';
import { ROLE_VERBS, URL_VERBS } from './verbs.ts';

/** The flags of `create role`, each value as it was written. */
export interface RoleFlags {
  /** The words after the command: NAME. */
  readonly names: readonly string[];
  readonly verb?: readonly string[];
  readonly resource?: readonly string[];
  readonly resourceName?: readonly string[];
  /** `--namespace`, if it was given. */
  readonly namespace?: string;
}

/** The flags of `create clusterrole`. */
export interface ClusterRoleFlags extends Omit<RoleFlags, 'namespace'> {
  readonly nonResourceUrl?: readonly string[];
  /** `label=value`, of the roles to combine. */
  readonly aggregationRule?: readonly string[];
}

/** `create role NAME --verb=get,list --resource=pods,deployments.apps/status` (kubectl's create_role.go). */
export function createRole(flags: RoleFlags): Built<Role> {
  const verbs = verbsOf(flags);
  const resources = resourcesOf(flags);
  const error = nameError(flags.names) ?? (verbs.length === 0 ? NO_VERB : undefined);
  if (error !== undefined) return failed(error);
  const warnings = verbWarnings(verbs);
  if (resources.length === 0) return failed('at least one resource must be specified', warnings);
  const wrong = resourceError(resources, verbs);
  if (wrong !== undefined) return failed(wrong, warnings);
  const [name = ''] = flags.names;
  const { namespace } = flags;
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }) };
  const rules = rulesOf(verbs, resources, flags.resourceName ?? [], []);
  return { object: { apiVersion: RBAC_VERSION, kind: 'Role', metadata, rules }, warnings };
}

/** `create clusterrole`, which also takes URLs and aggregation rules (kubectl's create_clusterrole.go). */
export function createClusterRole(flags: ClusterRoleFlags): Built<ClusterRole> {
  const labels = listed(flags.aggregationRule);
  const malformed = labels.find(label => !label.includes('='));
  if (malformed !== undefined)
    return failed(
      `invalid argument ${JSON.stringify(malformed)} for "--aggregation-rule" flag: malformed pair, expect string=string`,
    );
  const wrongName = nameError(flags.names);
  if (wrongName !== undefined) return failed(wrongName);
  const [name = ''] = flags.names;
  const head = { apiVersion: RBAC_VERSION, kind: 'ClusterRole', metadata: { name } };
  const verbs = verbsOf(flags);
  const resources = resourcesOf(flags);
  const urls = [...new Set(listed(flags.nonResourceUrl))];
  const { resourceName = [] } = flags;
  if (labels.length > 0) {
    if ([urls, verbs, resources, resourceName].some(({ length }) => length > 0))
      return failed(ONLY_AGGREGATION);
    const matchLabels = Object.fromEntries(labels.map(pairOf));
    return {
      object: { ...head, aggregationRule: { clusterRoleSelectors: [{ matchLabels }] } },
      warnings: [],
    };
  }
  if (verbs.length === 0) return failed(NO_VERB);
  if (resources.length === 0 && urls.length === 0)
    return failed('one of resource or nonResourceURL must be specified');
  const warnings = resources.length === 0 ? [] : verbWarnings(verbs);
  const error = resourceError(resources, verbs) ?? urlError(urls, verbs);
  if (error !== undefined) return failed(error, warnings);
  return { object: { ...head, rules: rulesOf(verbs, resources, resourceName, urls) }, warnings };
}

const NO_VERB = 'at least one verb must be specified';
const ONLY_AGGREGATION =
  'aggregation rule must be specified without nonResourceURLs, verbs, resources or resourceNames';

function pairOf(label: string): readonly [string, string] {
  const [key, value = ''] = splitOnce(label, '=');
  return [key.trim(), value.trim()];
}

/** One of `--resource`: `deployments.apps/status`. */
interface Resource {
  readonly resource: string;
  readonly group: string;
  readonly subresource: string;
}

function verbsOf(flags: Pick<RoleFlags, 'verb'>): readonly string[] {
  const verbs = [...new Set(listed(flags.verb))];
  return verbs.includes('*') ? ['*'] : verbs;
}

function resourcesOf(flags: Pick<RoleFlags, 'resource'>): readonly Resource[] {
  const texts = listed(flags.resource);
  // All of them: what else is listed says nothing more.
  return (texts.includes('*') ? ['*'] : texts).map(text => {
    const [type, subresource = ''] = splitOnce(text, '/');
    const [resource, group = ''] = splitOnce(type, '.');
    return { resource, group, subresource };
  });
}

function verbWarnings(verbs: readonly string[]): readonly string[] {
  return verbs
    .filter(verb => !ROLE_VERBS.has(verb))
    .map(verb => `Warning: '${verb}' is not a standard resource verb`);
}

const ROLES = [`roles.${RBAC_GROUP}`, `clusterroles.${RBAC_GROUP}`];

/** Verbs that mean something for these resources only. */
const SPECIAL_VERBS: Readonly<Record<string, readonly string[]>> = {
  use: ['podsecuritypolicies.policy', 'podsecuritypolicies.extensions'],
  bind: ROLES,
  escalate: ROLES,
  impersonate: ['users.', 'serviceaccounts.', 'groups.', 'userextras.authentication.k8s.io'],
};

function resourceError(resources: readonly Resource[], verbs: readonly string[]): string | undefined {
  for (const argument of resources) {
    if (argument.resource === '') return 'resource must be specified if apiGroup/subresource specified';
    // kubectl stops here, too, and leaves those after it unchecked.
    if (argument.resource === '*') return undefined;
    const { resource, group } = resourceFor(argument) ?? argument;
    const special = verbs.filter(verb => Object.hasOwn(SPECIAL_VERBS, verb));
    const wrong = special.find(verb => !SPECIAL_VERBS[verb]?.includes(`${resource}.${group}`));
    if (wrong !== undefined) return `can not perform '${wrong}' on '${resource}' in group '${group}'`;
    if (special.length === 0 && resourceFor(argument) === undefined) return noResourceType(argument);
  }
  return undefined;
}

function urlError(urls: readonly string[], verbs: readonly string[]): string | undefined {
  if (urls.length === 0) return undefined;
  const verb = verbs.find(candidate => !URL_VERBS.has(candidate));
  if (verb !== undefined) return `invalid verb: '${verb}' for nonResourceURL`;
  for (const url of urls.filter(candidate => candidate !== '*')) {
    if (!url.startsWith('/')) return 'nonResourceURL should start with /';
    if (url.slice(0, -1).includes('*'))
      return "nonResourceURL only supports wildcard matches when '*' is at the end";
  }
  return undefined;
}

/** One rule for each API group, by name, and one for the URLs (generateResourcePolicyRules). */
function rulesOf(
  verbs: readonly string[],
  resources: readonly Resource[],
  names: readonly string[],
  urls: readonly string[],
): readonly PolicyRule[] {
  const groups = new Map<string, Set<string>>();
  for (const argument of resources) {
    const { resource, group } = resourceFor(argument) ?? argument;
    const combined = argument.subresource === '' ? resource : `${resource}/${argument.subresource}`;
    const known = groups.get(group);
    if (known === undefined) groups.set(group, new Set([combined]));
    else known.add(combined);
  }
  const resourceNames = [...new Set(names)];
  const rules: PolicyRule[] = [...groups].sort(byName).map(([group, combined]) => ({
    apiGroups: [group],
    ...(resourceNames.length === 0 ? {} : { resourceNames }),
    resources: [...combined],
    verbs,
  }));
  return urls.length === 0 ? rules : [...rules, { nonResourceURLs: urls, verbs }];
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
