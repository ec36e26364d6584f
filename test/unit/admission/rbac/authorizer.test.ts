import t from 'tap';
import { authorize, rulesFor } from '../../../../src/admission/rbac/authorizer.ts';
import { withBootstrap } from '../../../../src/admission/rbac/bootstrap.ts';
import type { Attributes } from '../../../../src/admission/rbac/match.ts';
import type { RbacObjects } from '../../../../src/admission/rbac/objects.ts';
import { ROOT_USER, serviceAccountUser, type UserInfo } from '../../../../src/admission/user.ts';
import type { ClusterRole, Subject } from '../../../../src/kube/types.generated.ts';
import {
  account,
  clusterRole,
  clusterRoleBinding,
  group,
  objectsOf,
  role,
  roleBinding,
  usePolicy,
  user,
} from './objects.ts';

const BOB: UserInfo = { name: 'bob', groups: ['staff', 'system:authenticated'] };
const WEB = serviceAccountUser('dev', 'web');
const use = (namespace?: string): Attributes => ({
  verb: 'use',
  apiGroup: 'policy',
  resource: 'podsecuritypolicies',
  name: 'restricted',
  namespace,
});
const DENIED = { allowed: false, reason: '' };

/** What a ClusterRoleBinding, then a RoleBinding in `dev`, for one subject gives to a user. */
const bothBindings = (subject: Subject): readonly [RbacObjects, RbacObjects] => {
  const clusterRoles = [clusterRole('r', usePolicy('restricted'))];
  return [
    objectsOf({ clusterRoles, clusterRoleBindings: [clusterRoleBinding('b', 'r', subject)] }),
    objectsOf({ clusterRoles, roleBindings: [roleBinding('dev', 'b', 'ClusterRole', 'r', subject)] }),
  ];
};

t.test('whom a binding is for', t => {
  for (const [subject, who, inCluster, inDev] of [
    [user('bob'), BOB, true, true],
    [user('Bob'), BOB, false, false],
    [user('staff'), BOB, false, false],
    [group('staff'), BOB, true, true],
    [group('bob'), BOB, false, false],
    [group('system:authenticated'), BOB, true, true],
    [group('system:serviceaccounts'), WEB, true, true],
    [group('system:serviceaccounts:dev'), WEB, true, true],
    [group('system:serviceaccounts:prod'), WEB, false, false],
    [user('system:serviceaccount:dev:web'), WEB, true, true],
    [account('web', 'dev'), WEB, true, true],
    [account('web', 'prod'), WEB, false, false],
    [account('db', 'dev'), WEB, false, false],
    // Without a namespace it is the binding's, and nobody where that has none.
    [account('web'), WEB, false, true],
    [account('bob', 'dev'), BOB, false, false],
    [account('web'), { name: 'system:serviceaccount::web', groups: [] }, false, false],
    [{ kind: 'user', name: 'bob' }, BOB, false, false],
    [{ name: 'bob' }, BOB, false, false],
  ] as const) {
    const [clusterWide, own] = bothBindings(subject);
    t.equal(authorize(clusterWide, who, use('dev')).allowed, inCluster, JSON.stringify(subject));
    t.equal(authorize(own, who, use('dev')).allowed, inDev, `${JSON.stringify(subject)} in dev`);
  }
  t.end();
});

t.test('where a binding is for', t => {
  const [clusterWide, own] = bothBindings(user('bob'));
  for (const [namespace, inDev] of [
    ['dev', true],
    ['prod', false],
    ['', false],
    [undefined, false],
  ] as const) {
    t.equal(authorize(clusterWide, BOB, use(namespace)).allowed, true, `cluster, ${namespace}`);
    t.equal(authorize(own, BOB, use(namespace)).allowed, inDev, `dev, ${namespace}`);
  }
  t.end();
});

t.test('a Role is looked for in the namespace of the binding', t => {
  const of = (...roles: RbacObjects['roles']): RbacObjects =>
    objectsOf({ roles, roleBindings: [roleBinding('dev', 'b', 'Role', 'r', user('bob'))] });
  t.ok(authorize(of(role('dev', 'r', usePolicy())), BOB, use('dev')).allowed);
  t.same(authorize(of(role('prod', 'r', usePolicy())), BOB, use('dev')), {
    allowed: false,
    reason: 'RBAC: role.rbac.authorization.k8s.io "r" not found',
  });
  t.end();
});

t.test('an object without a namespace is in "default"', t => {
  const { metadata, ...rest } = roleBinding('', 'b', 'Role', 'r', user('bob'), account('web'));
  const objects = objectsOf({
    roles: [{ metadata: { name: 'r' }, rules: [usePolicy()] }],
    roleBindings: [{ ...rest, metadata: { name: metadata?.name } }],
  });
  t.ok(authorize(objects, BOB, use('default')).allowed);
  t.ok(authorize(objects, serviceAccountUser('default', 'web'), use('default')).allowed);
  t.notOk(authorize(objects, BOB, use('dev')).allowed);
  t.end();
});

t.test('reasons are those of the API server', t => {
  const roles = {
    clusterRoles: [clusterRole('psp', usePolicy('restricted'))],
    roles: [role('dev', 'own', usePolicy())],
  };
  for (const [parts, who, reason] of [
    [
      { clusterRoleBindings: [clusterRoleBinding('all', 'psp', user('amy'), group('staff'))] },
      BOB,
      'ClusterRoleBinding "all" of ClusterRole "psp" to Group "staff"',
    ],
    [
      { clusterRoleBindings: [clusterRoleBinding('all', 'psp', account('web', 'dev'))] },
      WEB,
      'ClusterRoleBinding "all" of ClusterRole "psp" to ServiceAccount "web/dev"',
    ],
    [
      { roleBindings: [roleBinding('dev', 'some', 'Role', 'own', user('bob'))] },
      BOB,
      'RoleBinding "some/dev" of Role "own" to User "bob"',
    ],
    [
      { roleBindings: [roleBinding('dev', 'some', 'ClusterRole', 'psp', account('web'))] },
      WEB,
      'RoleBinding "some/dev" of ClusterRole "psp" to ServiceAccount "web/dev"',
    ],
    // The cluster-wide ones are looked at first, then each in order.
    [
      {
        roleBindings: [roleBinding('dev', 'some', 'Role', 'own', user('bob'))],
        clusterRoleBindings: [
          clusterRoleBinding('gone', 'nosuch', user('bob')),
          clusterRoleBinding('one', 'psp', user('bob')),
          clusterRoleBinding('two', 'psp', user('bob')),
        ],
      },
      BOB,
      'ClusterRoleBinding "one" of ClusterRole "psp" to User "bob"',
    ],
  ] as const)
    t.same(authorize(objectsOf({ ...roles, ...parts }), who, use('dev')), {
      allowed: true,
      reason: `RBAC: allowed by ${reason}`,
    });
  t.end();
});

t.test('bindings that point at nothing give nothing, and say so', t => {
  const missing = (name: string): string => `clusterrole.rbac.authorization.k8s.io "${name}" not found`;
  const bound = (...bindings: RbacObjects['clusterRoleBindings']): string =>
    authorize(objectsOf({ clusterRoleBindings: bindings }), BOB, use('dev')).reason;
  const a = clusterRoleBinding('1', 'a', user('bob'));
  t.equal(bound(a), `RBAC: ${missing('a')}`);
  t.equal(bound(a, clusterRoleBinding('2', 'a', group('staff'))), `RBAC: ${missing('a')}`);
  t.equal(bound(a, clusterRoleBinding('2', 'b', user('bob'))), `RBAC: [${missing('a')}, ${missing('b')}]`);
  t.equal(bound(clusterRoleBinding('1', 'a', user('amy'))), '');
  t.equal(
    bound({ ...a, roleRef: { kind: 'User', name: 'x' } }),
    'RBAC: unsupported role reference kind: "User"',
  );
  t.end();
});

t.test('URLs are cluster-wide', t => {
  const clusterRoles = [clusterRole('r', { verbs: ['get'], nonResourceURLs: ['/healthz'] })];
  const question = { verb: 'get', path: '/healthz' };
  const clusterWide = { clusterRoleBindings: [clusterRoleBinding('b', 'r', user('bob'))] };
  const own = { roleBindings: [roleBinding('dev', 'b', 'ClusterRole', 'r', user('bob'))] };
  t.ok(authorize(objectsOf({ clusterRoles, ...clusterWide }), BOB, question).allowed);
  t.same(authorize(objectsOf({ clusterRoles, ...own }), BOB, question), DENIED);
  t.end();
});

t.test('system:masters', t => {
  t.ok(authorize(objectsOf(), ROOT_USER, use('dev')).allowed);
  t.ok(authorize(objectsOf(), ROOT_USER, { verb: 'x', path: '/y' }).allowed);
  t.same(authorize(objectsOf(), { name: 'system:masters', groups: [] }, use('dev')), DENIED);
  t.same(authorize(objectsOf(), BOB, use('dev')), DENIED);
  t.end();
});

t.test('cluster-admin is there from the start', t => {
  const binding = clusterRoleBinding('bob-admin', 'cluster-admin', user('bob'));
  const objects = withBootstrap(objectsOf({ clusterRoleBindings: [binding] }));
  t.ok(authorize(objects, BOB, use('dev')).allowed);
  t.ok(authorize(objects, BOB, { verb: 'get', path: '/' }).allowed);
  t.same(rulesFor(objects, ROOT_USER, 'dev').rules.length, 2, 'what root may do can be listed');
  t.same(withBootstrap(objects), objects, 'once is enough');
  const own = clusterRole('cluster-admin');
  t.same(withBootstrap(objectsOf({ clusterRoles: [own] })).clusterRoles, [own], 'the user may change it');
  t.end();
});

t.test('rules of a user', t => {
  const pods = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };
  const urls = { verbs: ['get'], nonResourceURLs: ['/version'] };
  const objects = objectsOf({
    roles: [role('dev', 'r', pods), role('prod', 'r', usePolicy('other'))],
    clusterRoles: [clusterRole('c', urls, usePolicy('restricted'))],
    roleBindings: [
      roleBinding('dev', 'b', 'Role', 'r', user('bob')),
      roleBinding('prod', 'b', 'Role', 'r', user('bob')),
      roleBinding('dev', 'gone', 'Role', 'nosuch', user('bob')),
    ],
    clusterRoleBindings: [clusterRoleBinding('b', 'c', group('staff'))],
  });
  const evaluationError = 'role.rbac.authorization.k8s.io "nosuch" not found';
  t.same(rulesFor(objects, BOB, 'dev'), { rules: [urls, usePolicy('restricted'), pods], evaluationError });
  t.same(rulesFor(objects, BOB, 'prod').rules, [urls, usePolicy('restricted'), usePolicy('other')]);
  t.same(rulesFor(objects, WEB, 'dev'), { rules: [], evaluationError: '' });
  const twice = objectsOf({
    clusterRoles: [clusterRole('c', urls, urls)],
    clusterRoleBindings: [clusterRoleBinding('b', 'c', group('staff'))],
  });
  t.same(rulesFor(twice, BOB, 'dev').rules, [urls, urls], 'as they are written');
  t.end();
});

t.test('a role that combines others has their rules and none of its own', t => {
  const labelled = (name: string, label: string, ...rest: readonly string[]): ClusterRole => ({
    metadata: { name, labels: { [label]: 'true' } },
    rules: [usePolicy(name)],
    ...(rest.length === 0
      ? {}
      : {
          aggregationRule: {
            clusterRoleSelectors: rest.map(key => ({ matchLabels: { [key]: 'true' } })),
          },
        }),
  });
  const namesOf = (bound: string, ...clusterRoles: readonly ClusterRole[]): readonly string[] => {
    const clusterRoleBindings = [clusterRoleBinding('b', bound, user('bob'))];
    const { rules } = rulesFor(objectsOf({ clusterRoles, clusterRoleBindings }), BOB, 'dev');
    return rules.flatMap(({ resourceNames = [] }) => resourceNames);
  };
  const [a, b, c] = [labelled('a', 'to-view'), labelled('b', 'to-view'), labelled('c', 'to-edit')];
  const view = labelled('view', 'to-edit', 'to-view');
  t.same(namesOf('view', view, b, a, c), ['a', 'b'], 'by name');
  t.same(
    namesOf('edit', labelled('edit', 'x', 'to-edit'), view, a, b, c),
    ['c', 'a', 'b'],
    'of one that combines',
  );
  t.same(namesOf('both', labelled('both', 'x', 'to-edit', 'to-view'), a, b, c), ['c', 'a', 'b']);
  t.same(namesOf('self', labelled('self', 'to-view', 'to-view'), a), ['a'], 'one that selects itself');
  const [left, right] = [labelled('left', 'l', 'r'), labelled('right', 'r', 'l', 'to-view')];
  t.same(namesOf('left', left, right, a), ['a'], 'a circle');
  t.same(namesOf('right', left, right, a), ['a']);
  t.same(namesOf('none', { metadata: { name: 'none' }, aggregationRule: {}, rules: [usePolicy()] }, a), []);
  const twice = { ...b, rules: a.rules };
  t.same(namesOf('view', view, a, twice), ['a'], 'a rule that two have');
  t.end();
});
