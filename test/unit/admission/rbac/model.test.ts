import fc from 'fast-check';
import t from 'tap';
import { authorize } from '../../../../src/admission/rbac/authorizer.ts';
import type { ResourceAttributes } from '../../../../src/admission/rbac/match.ts';
import type { RbacObjects } from '../../../../src/admission/rbac/objects.ts';
import { impersonate, serviceAccountUser, type UserInfo } from '../../../../src/admission/user.ts';
import type { PolicyRule, RoleRef, Subject } from '../../../../src/kube/types.generated.ts';

/** A small world: every request in it can be tried. */
const NAMESPACES = ['dev', 'prod'];
const VERBS = ['get', 'use'];
const GROUPS = ['', 'policy'];
const RESOURCES = ['pods', 'psp'];
const SUBRESOURCES = ['', 'log'];
const NAMES = ['', 'a'];
const USERS: readonly UserInfo[] = [
  { name: 'bob', groups: ['staff'] },
  { name: 'amy', groups: [] },
  serviceAccountUser('dev', 'web'),
  serviceAccountUser('prod', 'web'),
];

const REQUESTS: readonly ResourceAttributes[] = [undefined, ...NAMESPACES].flatMap(namespace =>
  VERBS.flatMap(verb =>
    GROUPS.flatMap(apiGroup =>
      RESOURCES.flatMap(resource =>
        SUBRESOURCES.flatMap(subresource =>
          NAMES.map(name => ({ verb, apiGroup, resource, subresource, name, namespace })),
        ),
      ),
    ),
  ),
);

const few = (minLength: number, ...values: readonly string[]): fc.Arbitrary<string[]> =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength, maxLength: 2, size: 'max' });

const anyRule: fc.Arbitrary<PolicyRule> = fc.record({
  verbs: few(1, ...VERBS, '*'),
  apiGroups: few(1, ...GROUPS, '*'),
  resources: few(1, 'pods', 'psp', 'pods/log', '*/log', '*'),
  resourceNames: few(0, 'a', 'b'),
});
const anyRules = fc.array(anyRule, { minLength: 1, maxLength: 3, size: 'max' });
const anyRoleName = fc.constantFrom('r1', 'r2');
const anyName = fc.constantFrom('x', 'y');
const anyNamespace = fc.constantFrom(...NAMESPACES);
const anySubjects: fc.Arbitrary<Subject[]> = fc.array(
  fc.record(
    {
      kind: fc.constantFrom('User', 'Group', 'ServiceAccount'),
      name: fc.constantFrom(
        'bob',
        'amy',
        'staff',
        'web',
        'system:serviceaccounts:dev',
        'system:authenticated',
      ),
      namespace: anyNamespace,
    },
    { requiredKeys: ['kind', 'name'] },
  ),
  { minLength: 1, maxLength: 4, size: 'max' },
);
const metadata = (namespaced: boolean, name: fc.Arbitrary<string>) =>
  namespaced ? fc.record({ name, namespace: anyNamespace }) : fc.record({ name });
const anyRoleRef = (...kinds: readonly string[]): fc.Arbitrary<RoleRef> =>
  fc.record({ kind: fc.constantFrom(...kinds), name: anyRoleName });
const anyRoleBinding = fc.record({
  metadata: metadata(true, anyName),
  roleRef: anyRoleRef('Role', 'ClusterRole'),
  subjects: anySubjects,
});
const anyClusterRoleBinding = fc.record({
  metadata: metadata(false, anyName),
  roleRef: anyRoleRef('ClusterRole'),
  subjects: anySubjects,
});
/** One object per name, as an API server has them. */
const byKey = {
  selector: (object: { metadata: object }) => JSON.stringify(object.metadata),
  minLength: 1,
  maxLength: 4,
  size: 'max',
} as const;
const anyObjects: fc.Arbitrary<RbacObjects> = fc.record({
  roles: fc.uniqueArray(fc.record({ metadata: metadata(true, anyRoleName), rules: anyRules }), byKey),
  clusterRoles: fc.uniqueArray(fc.record({ metadata: metadata(false, anyRoleName), rules: anyRules }), byKey),
  roleBindings: fc.uniqueArray(anyRoleBinding, byKey),
  clusterRoleBindings: fc.uniqueArray(anyClusterRoleBinding, byKey),
});

/** What the objects allow, by writing out everything that they grant: the other way round than {@link authorize}. */
function grantedTo(objects: RbacObjects, user: UserInfo): ReadonlySet<string> {
  const granted = new Set<string>();
  const grant = (
    subjects: readonly Subject[] = [],
    rules: readonly PolicyRule[] = [],
    home?: string,
  ): void => {
    const places = home === undefined ? [undefined, ...NAMESPACES] : [home];
    const isMeant = subjects.flatMap(subject => usersOf(subject, home)).includes(user);
    if (isMeant)
      for (const request of rules.flatMap(writtenOut))
        for (const namespace of places) granted.add(keyOf({ ...request, namespace }));
  };
  const { roles, clusterRoles, roleBindings, clusterRoleBindings } = objects;
  for (const { metadata, rules } of clusterRoles) {
    const isRef = (ref: RoleRef): boolean => ref.kind === 'ClusterRole' && ref.name === metadata?.name;
    for (const { roleRef, subjects } of clusterRoleBindings) if (isRef(roleRef)) grant(subjects, rules);
    for (const binding of roleBindings)
      if (isRef(binding.roleRef)) grant(binding.subjects, rules, binding.metadata?.namespace);
  }
  for (const { metadata: own, rules } of roles)
    for (const { metadata, roleRef, subjects } of roleBindings)
      if (roleRef.kind === 'Role' && roleRef.name === own?.name && metadata?.namespace === own?.namespace)
        grant(subjects, rules, own?.namespace);
  return granted;
}

function usersOf({ kind, name, namespace = '' }: Subject, home = ''): readonly UserInfo[] {
  if (kind === 'User') return USERS.filter(user => user.name === name);
  if (kind === 'Group') return USERS.filter(user => user.groups.includes(name));
  return USERS.filter(user => user.name === `system:serviceaccount:${namespace || home}:${name}`);
}

function writtenOut(rule: PolicyRule): readonly ResourceAttributes[] {
  const all = (list: readonly string[] = [], values: readonly string[]): readonly string[] =>
    list.flatMap(item => (item === '*' ? values : [item]));
  const pairs = (rule.resources ?? []).flatMap(item => {
    const [resource = '', subresource = ''] = item.split('/');
    const subresources = item === '*' ? SUBRESOURCES : [subresource];
    return all([resource], RESOURCES).flatMap(plural => subresources.map(sub => [plural, sub] as const));
  });
  const names = rule.resourceNames?.length ? rule.resourceNames : NAMES;
  return all(rule.verbs, VERBS).flatMap(verb =>
    all(rule.apiGroups, GROUPS).flatMap(apiGroup =>
      pairs.flatMap(([resource, subresource]) =>
        names.map(name => ({ verb, apiGroup, resource, subresource, name })),
      ),
    ),
  );
}

function keyOf({ verb, apiGroup, resource, subresource, name, namespace }: ResourceAttributes): string {
  return [namespace ?? '-', verb, apiGroup, resource, subresource, name].join('|');
}

const allowedTo = (objects: RbacObjects, user: UserInfo): readonly string[] =>
  REQUESTS.filter(request => authorize(objects, user, request).allowed).map(keyOf);

t.test('what is allowed is what is written down', t => {
  let allowed = 0;
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(anyObjects, fc.constantFrom(...USERS), (objects, user) => {
        const granted = grantedTo(objects, user);
        const expected = REQUESTS.map(keyOf).filter(key => granted.has(key));
        allowed += expected.length;
        return allowedTo(objects, user).join() === expected.join();
      }),
      { numRuns: 300 },
    ),
  );
  t.ok(allowed > 2000, `enough is allowed for the comparison to mean something: ${allowed}`);
  t.end();
});

t.test('a binding more never takes anything away', t => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(
        anyObjects,
        anyRoleBinding,
        anyClusterRoleBinding,
        fc.constantFrom(...USERS),
        (objects, own, clusterWide, user) => {
          const more = {
            ...objects,
            roleBindings: [own, ...objects.roleBindings],
            clusterRoleBindings: [...objects.clusterRoleBindings, clusterWide],
          };
          const after = new Set(allowedTo(more, user));
          return allowedTo(objects, user).every(key => after.has(key));
        },
      ),
      { numRuns: 150 },
    ),
  );
  t.end();
});

t.test('the order of objects does not matter, nor a group more', t => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(anyObjects, fc.constantFrom(...USERS), (objects, user) => {
        const before = allowedTo(objects, user);
        const reversed = {
          roles: objects.roles.toReversed(),
          clusterRoles: objects.clusterRoles.toReversed(),
          roleBindings: objects.roleBindings.toReversed(),
          clusterRoleBindings: objects.clusterRoleBindings.toReversed(),
        };
        if (allowedTo(reversed, user).join() !== before.join()) return false;
        const after = new Set(allowedTo(objects, { ...user, groups: [...user.groups, 'staff'] }));
        return before.every(key => after.has(key));
      }),
      { numRuns: 100 },
    ),
  );
  t.end();
});

t.test('whoever --as makes, somebody is either authenticated or not', t => {
  const anyGroup: fc.Arbitrary<string> = fc.constantFrom(
    'system:authenticated',
    'system:unauthenticated',
    'staff',
    '',
  );
  const anyUser = fc.constantFrom('bob', 'system:anonymous', 'system:serviceaccount:dev:web');
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(anyUser, fc.uniqueArray(anyGroup), (as, asGroups) => {
        const made = impersonate(as, asGroups);
        if ('error' in made) return false;
        const extra = made.groups.filter(
          group => group.endsWith('authenticated') && !asGroups.includes(group),
        );
        return (
          extra.length <= 1 &&
          asGroups.every(group => made.groups.includes(group)) &&
          made.groups.some(group => group.endsWith('authenticated'))
        );
      }),
    ),
  );
  t.end();
});
