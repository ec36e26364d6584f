import t from 'tap';
import { escalation } from '../../../../src/admission/rbac/escalation.ts';
import type { RbacKind, RbacObject } from '../../../../src/admission/rbac/objects.ts';
import { ROOT_USER, type UserInfo } from '../../../../src/admission/user.ts';
import type { PolicyRule } from '../../../../src/kube/types.generated.ts';
import { clusterRole, clusterRoleBinding, objectsOf, role, roleBinding, user } from './objects.ts';

const BOB: UserInfo = { name: 'bob', groups: ['staff', 'system:authenticated'] };
const rule = (verbs: string, resources: string, more: Partial<PolicyRule> = {}): PolicyRule => ({
  verbs: verbs.split(' '),
  apiGroups: [''],
  resources: resources.split(' '),
  ...more,
});
/** Bob has these rules in the namespace dev. */
const having = (...rules: readonly PolicyRule[]) =>
  objectsOf({
    roles: [role('dev', 'own', ...rules), role('dev', 'other', rule('get', 'secrets'))],
    clusterRoles: [clusterRole('view', rule('get', 'pods'))],
    roleBindings: [roleBinding('dev', 'b', 'Role', 'own', user('bob'))],
  });
const asked = (objects: ReturnType<typeof having>, kind: RbacKind, object: RbacObject) =>
  escalation(objects, BOB, kind, object);
const HEAD =
  'user "bob" (groups=["staff" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n';

t.test('rights that one has may be given', t => {
  for (const [own, given] of [
    [rule('get list', 'pods secrets'), rule('list', 'secrets')],
    [rule('*', '*'), rule('delete', 'pods/log')],
    [rule('*', '*', { apiGroups: ['*'] }), rule('*', '*', { apiGroups: ['*'] })],
    [rule('get', '*/log'), rule('get', 'pods/log')],
    [rule('get', 'pods'), rule('get', 'pods', { resourceNames: ['a'] })],
    [rule('get', 'pods', { resourceNames: ['a', 'b'] }), rule('get', 'pods', { resourceNames: ['b'] })],
    [
      { verbs: ['get'], nonResourceURLs: ['/healthz*'] },
      { verbs: ['get'], nonResourceURLs: ['/healthz/x'] },
    ],
  ] as const)
    t.equal(asked(having(own), 'Role', role('dev', 'new', given)), undefined, JSON.stringify([own, given]));
  t.end();
});

t.test('others may not, and are listed', t => {
  for (const [own, given, missing] of [
    [
      rule('get', 'pods'),
      rule('get list watch', 'pods'),
      '{APIGroups:[""], Resources:["pods"], Verbs:["list" "watch"]}',
    ],
    [rule('get', 'pods'), rule('get', 'pods/log'), '{APIGroups:[""], Resources:["pods/log"], Verbs:["get"]}'],
    [rule('get', 'pods'), rule('*', 'pods'), '{APIGroups:[""], Resources:["pods"], Verbs:["*"]}'],
    [rule('get', 'pods'), rule('get', '*'), '{APIGroups:[""], Resources:["*"], Verbs:["get"]}'],
    [
      rule('get', 'pods', { resourceNames: ['a'] }),
      rule('get', 'pods', { resourceNames: ['a', 'b'] }),
      '{APIGroups:[""], Resources:["pods"], ResourceNames:["b"], Verbs:["get"]}',
    ],
    [
      rule('get', 'pods', { resourceNames: ['a'] }),
      rule('get', 'pods'),
      '{APIGroups:[""], Resources:["pods"], Verbs:["get"]}',
    ],
    [
      rule('get', 'pods'),
      rule('get', 'roles pods', { apiGroups: ['', 'x'] }),
      [
        '{APIGroups:[""], Resources:["roles"], Verbs:["get"]}',
        '{APIGroups:["x"], Resources:["pods"], Verbs:["get"]}',
        '{APIGroups:["x"], Resources:["roles"], Verbs:["get"]}',
      ].join('\n'),
    ],
    [
      rule('get', '*'),
      { verbs: ['get'], nonResourceURLs: ['/x'] },
      '{NonResourceURLs:["/x"], Verbs:["get"]}',
    ],
  ] as const)
    t.equal(asked(having(own), 'Role', role('dev', 'new', given)), `${HEAD}${missing}`);
  t.end();
});

t.test('rights of one namespace are none elsewhere', t => {
  const objects = having(rule('*', '*'));
  const given = rule('get', 'pods');
  const missing = `${HEAD}{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`;
  t.equal(asked(objects, 'Role', role('dev', 'new', given)), undefined);
  t.equal(asked(objects, 'Role', role('ops', 'new', given)), missing);
  t.equal(asked(objects, 'ClusterRole', clusterRole('new', given)), missing);
  t.end();
});

t.test('a binding gives what its role has', t => {
  const binding = (name: string, kind: 'Role' | 'ClusterRole' = 'Role'): RbacObject =>
    roleBinding('dev', 'new', kind, name, user('eve'));
  const few = having(rule('get', 'pods'));
  t.equal(asked(few, 'RoleBinding', binding('own')), undefined);
  t.equal(asked(few, 'RoleBinding', binding('view', 'ClusterRole')), undefined);
  t.equal(
    asked(few, 'RoleBinding', binding('other')),
    `${HEAD}{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}`,
  );
  t.match(asked(few, 'ClusterRoleBinding', clusterRoleBinding('new', 'view', user('eve'))), HEAD);
  t.equal(asked(few, 'RoleBinding', binding('none')), 'role.rbac.authorization.k8s.io "none" not found');
  t.end();
});

t.test('escalate and bind are rights to give what one has not', t => {
  const of = (verb: string, resource: string, name: string): PolicyRule => ({
    verbs: [verb],
    apiGroups: ['rbac.authorization.k8s.io'],
    resources: [resource],
    resourceNames: [name],
  });
  const objects = having(of('escalate', 'roles', 'new'), of('bind', 'roles', 'other'));
  t.equal(asked(objects, 'Role', role('dev', 'new', rule('*', '*'))), undefined);
  t.match(asked(objects, 'Role', role('dev', 'newer', rule('*', '*'))), HEAD);
  const binding = roleBinding('dev', 'x', 'Role', 'other', user('eve'));
  t.equal(asked(objects, 'RoleBinding', binding), undefined);
  t.equal(escalation(having(), ROOT_USER, 'ClusterRole', clusterRole('x', rule('*', '*'))), undefined);
  t.end();
});
