import t from 'tap';
import type { RbacObjects } from '../../../../src/admission/rbac/objects.ts';
import { mayUsePolicy } from '../../../../src/admission/rbac/policy-access.ts';
import { impersonate, ROOT_USER, type UserInfo } from '../../../../src/admission/user.ts';
import type { PolicyRule, Subject } from '../../../../src/kube/types.generated.ts';
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

const as = (name: string, ...groups: readonly string[]): UserInfo => {
  const made = impersonate(name, groups);
  return 'error' in made ? ROOT_USER : made;
};
const BOB = as('bob');

const bound = (rule: PolicyRule, ...subjects: readonly Subject[]): RbacObjects =>
  objectsOf({
    clusterRoles: [clusterRole('psp', rule)],
    clusterRoleBindings: [clusterRoleBinding('b', 'psp', ...subjects)],
  });
const RESTRICTED = usePolicy('restricted');

t.test('the user or the pod’s service account', t => {
  for (const [subject, by] of [
    [user('bob'), ['user']],
    [group('system:authenticated'), ['user']],
    [group('system:serviceaccounts'), ['serviceAccount']],
    [group('system:serviceaccounts:dev'), ['serviceAccount']],
    [group('system:serviceaccounts:prod'), []],
    [account('web', 'dev'), ['serviceAccount']],
    [account('web', 'prod'), []],
    [account('default', 'dev'), []],
    [user('amy'), []],
  ] as const) {
    const access = mayUsePolicy(bound(RESTRICTED, subject), 'restricted', BOB, 'dev', 'web');
    const allowed = access.decisions.filter(decision => decision.allowed);
    t.same(
      allowed.map(({ who }) => who),
      by,
      JSON.stringify(subject),
    );
    t.equal(access.allowed, by.length > 0);
  }
  t.end();
});

t.test('who is allowed by what', t => {
  const objects = bound(RESTRICTED, user('bob'), account('default', 'dev'));
  t.same(mayUsePolicy(objects, 'restricted', BOB, 'dev'), {
    allowed: true,
    decisions: [
      {
        who: 'serviceAccount',
        name: 'system:serviceaccount:dev:default',
        allowed: true,
        reason:
          'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "psp" to ServiceAccount "default/dev"',
      },
      {
        who: 'user',
        name: 'bob',
        allowed: true,
        reason: 'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "psp" to User "bob"',
      },
    ],
  });
  t.same(mayUsePolicy(objects, 'privileged', BOB, 'dev').decisions, [
    { who: 'serviceAccount', name: 'system:serviceaccount:dev:default', allowed: false, reason: '' },
    { who: 'user', name: 'bob', allowed: false, reason: '' },
  ]);
  const gone = objectsOf({ clusterRoleBindings: [clusterRoleBinding('b', 'gone', user('bob'))] });
  t.equal(
    mayUsePolicy(gone, 'x', BOB, 'dev').decisions[1]?.reason,
    'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found',
  );
  t.end();
});

t.test('which rules let use a policy', t => {
  for (const [rule, allowed] of [
    [{}, true],
    [{ apiGroups: ['extensions'] }, true],
    [{ apiGroups: ['*'] }, true],
    [{ apiGroups: [''] }, false],
    [{ apiGroups: ['apps'] }, false],
    [{ resourceNames: [] }, true],
    [{ resourceNames: ['other'] }, false],
    [{ verbs: ['get', 'list'] }, false],
    [{ verbs: ['*'] }, true],
    [{ resources: ['pods'] }, false],
    [{ resources: ['*'] }, true],
  ] as const)
    t.equal(
      mayUsePolicy(bound({ ...RESTRICTED, ...rule }, user('bob')), 'restricted', BOB, 'dev').allowed,
      allowed,
      JSON.stringify(rule),
    );
  t.end();
});

t.test('a RoleBinding grants in its namespace', t => {
  const objects = objectsOf({
    roles: [role('dev', 'psp', RESTRICTED)],
    roleBindings: [roleBinding('dev', 'b', 'Role', 'psp', user('bob'), account('web'))],
  });
  for (const [who, namespace, serviceAccount, allowed] of [
    [BOB, 'dev', 'default', true],
    [BOB, 'prod', 'default', false],
    [as('amy'), 'dev', 'web', true],
    [as('amy'), 'dev', 'default', false],
    // The service account is the one of the pod's own namespace.
    [as('amy'), 'prod', 'web', false],
  ] as const)
    t.equal(mayUsePolicy(objects, 'restricted', who, namespace, serviceAccount).allowed, allowed);
  t.end();
});

t.test('root, and somebody who is nobody', t => {
  t.ok(mayUsePolicy(objectsOf(), 'restricted', ROOT_USER, 'dev').allowed);
  // The service account of a pod is not authenticated: it has not asked.
  const all = bound(RESTRICTED, group('system:authenticated'));
  t.notOk(mayUsePolicy(all, 'restricted', as('system:anonymous'), 'dev').allowed);
  t.ok(mayUsePolicy(all, 'restricted', as('system:serviceaccount:dev:web'), 'dev').allowed);
  t.end();
});
