import type { PolicyRule } from '../../kube/types.generated.ts';
import type { UserInfo } from '../user.ts';
import { authorize, type RulesFor, rulesFor, rulesOfRole } from './authorizer.ts';
import { ruleAllows, urlMatches } from './match.ts';
import {
  isNamespaced,
  nameOf,
  namespaceOf,
  RBAC_GROUP,
  type RbacKind,
  type RbacObject,
  type RbacObjects,
} from './objects.ts';
import { RESOURCES } from './resources.ts';

/**
 * Nobody may give what he does not have (pkg/registry/rbac/{role,rolebinding}/policybased): undefined, or why a user may not
 * store a role or a binding. Whoever has the verb `escalate` for the role, or `bind` for the one of the binding, may.
 */
export function escalation(
  objects: RbacObjects,
  user: UserInfo,
  kind: RbacKind,
  object: RbacObject,
): string | undefined {
  const namespace = isNamespaced(kind) ? namespaceOf(object) : '';
  const isBinding = 'roleRef' in object;
  const role = isBinding ? object.roleRef : { kind, name: nameOf(object) };
  const allowed = authorize(objects, user, {
    verb: isBinding ? 'bind' : 'escalate',
    apiGroup: RBAC_GROUP,
    resource: RESOURCES.find(each => each.kind === role.kind)?.resource ?? '',
    name: role.name,
    ...(namespace === '' ? {} : { namespace }),
  });
  if (allowed.allowed) return undefined;
  const given = isBinding ? rulesOfRole(objects, object.roleRef, namespace) : (object.rules ?? []);
  if (typeof given === 'string') return given;
  const own = rulesFor(objects, user, namespace);
  const missing = given.flatMap(parts).filter(part => !isCovered(own, part));
  if (missing.length === 0) return undefined;
  const groups = user.groups.map(group => JSON.stringify(group)).join(' ');
  const because = own.evaluationError === '' ? '' : `; resolution errors: [${own.evaluationError}]`;
  return `user ${JSON.stringify(user.name)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${compact(missing).join('\n')}${because}`;
}

/** One verb for one thing (BreakdownRule). */
interface Part {
  readonly verb: string;
  readonly group?: string;
  readonly resource?: string;
  readonly name?: string;
  readonly url?: string;
}

function parts({
  verbs,
  apiGroups = [],
  resources = [],
  resourceNames = [],
  nonResourceURLs = [],
}: PolicyRule): readonly Part[] {
  const names = resourceNames.length === 0 ? [undefined] : resourceNames;
  const ofResources = apiGroups.flatMap(group =>
    resources.flatMap(resource =>
      verbs.flatMap(verb =>
        names.map(name => ({ verb, group, resource, ...(name === undefined ? {} : { name }) })),
      ),
    ),
  );
  return [...ofResources, ...nonResourceURLs.flatMap(url => verbs.map(verb => ({ verb, url })))];
}

/** Whether one of the user's rules has all of it (ruleCovers). `*` is covered by `*` alone. */
function isCovered({ rules }: RulesFor, { verb, group = '', resource = '', name, url }: Part): boolean {
  if (url !== undefined)
    return rules.some(
      rule =>
        (rule.verbs.includes('*') || rule.verbs.includes(verb)) &&
        rule.nonResourceURLs?.some(own => urlMatches(own, url)) === true,
    );
  const [plain = '', subresource = ''] = resource.split('/');
  return rules.some(
    rule =>
      // A rule for names does not give the right to all of them.
      (name !== undefined || (rule.resourceNames ?? []).length === 0) &&
      ruleAllows(rule, {
        verb,
        apiGroup: group,
        resource: plain,
        subresource,
        ...(name === undefined ? {} : { name }),
      }),
  );
}

/** `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`: the verbs of one thing together (CompactRules). */
function compact(missing: readonly Part[]): readonly string[] {
  const quoted = (name: string, values: readonly (string | undefined)[]): readonly string[] =>
    values[0] === undefined ? [] : [`${name}:[${values.map(value => JSON.stringify(value)).join(' ')}]`];
  const verbsOf = new Map<string, Set<string>>();
  for (const { verb, group, resource, name, url } of missing) {
    const key = [
      ...quoted('APIGroups', [group]),
      ...quoted('Resources', [resource]),
      ...quoted('NonResourceURLs', [url]),
      ...quoted('ResourceNames', [name]),
    ].join(', ');
    verbsOf.set(key, (verbsOf.get(key) ?? new Set()).add(verb));
  }
  return [...verbsOf].map(([key, verbs]) => `{${key}, ${quoted('Verbs', [...verbs])[0]}}`).sort();
}
