import t from 'tap';
import { ACCESS_HEADER, accessRows } from '../../../../src/admission/rbac/access-list.ts';
import { canI } from '../../../../src/admission/rbac/can-i.ts';
import type { RbacObjects } from '../../../../src/admission/rbac/objects.ts';
import { ROOT_USER } from '../../../../src/admission/user.ts';
import type { PolicyRule } from '../../../../src/kube/types.generated.ts';
import { type Golden, goldens } from './goldens.ts';
import { clusterRole, clusterRoleBinding, objectsOf, role, roleBinding, usePolicy, user } from './objects.ts';

const BOB = { name: 'bob', groups: [] };

/** Lets bob ask exactly the question that kubectl asks. */
function exactly(question: Readonly<Record<string, unknown>>): RbacObjects {
  const text = (field: string): string => String(question[field] ?? '');
  const [namespace, name] = [text('namespace'), text('name')];
  const resource = [text('resource'), text('subresource')]
    .filter((part, i) => i === 0 || part !== '')
    .join('/');
  const rule: PolicyRule =
    'path' in question
      ? { verbs: [text('verb')], nonResourceURLs: [text('path')] }
      : {
          verbs: [text('verb')],
          apiGroups: [text('group')],
          resources: [resource],
          ...(name === '' ? {} : { resourceNames: [name] }),
        };
  return namespace === ''
    ? objectsOf({
        clusterRoles: [clusterRole('r', rule)],
        clusterRoleBindings: [clusterRoleBinding('b', 'r', user('bob'))],
      })
    : objectsOf({
        roles: [role(namespace, 'r', rule)],
        roleBindings: [roleBinding(namespace, 'b', 'Role', 'r', user('bob'))],
      });
}

const ask = (objects: RbacObjects, { names, flags }: Pick<Golden, 'names' | 'flags'>) =>
  canI(objects, BOB, names, {
    namespace: flags.namespace?.at(-1) ?? 'default',
    allNamespaces: flags.A !== undefined,
    subresource: flags.subresource?.at(-1),
  });

t.test('asks what kubectl asks, and warns as it does', t => {
  const all = goldens('auth can-i').filter(({ command }) => !command.endsWith("''"));
  t.ok(all.length > 50, `${all.length} are recorded`);
  for (const golden of all) {
    const none = ask(objectsOf(), golden);
    t.same([...none.warnings, ...('error' in none ? [none.error] : [])], golden.stderr, golden.command);
    t.equal('error' in none, golden.stdout === undefined, golden.command);
    if (golden.stdout === undefined) continue;
    t.match(none, { allowed: false, answer: 'no' }, golden.command);
    t.match(ask(exactly(golden.stdout), golden), { allowed: true, answer: 'yes' }, golden.command);
  }
  t.end();
});

t.test('an empty word is no resource', t => {
  const [golden] = goldens('auth can-i').filter(({ command }) => command.endsWith("''"));
  t.same(canI(objectsOf(), BOB, ['get', ''], { namespace: 'default' }).warnings, golden?.stderr);
  t.end();
});

t.test('what somebody may', t => {
  const objects = objectsOf({
    roles: [
      role('dev', 'pods', { apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get', 'list'] }),
    ],
    clusterRoles: [
      clusterRole('psp', usePolicy('restricted')),
      clusterRole('health', { verbs: ['get'], nonResourceURLs: ['/healthz', '/healthz/*'] }),
    ],
    roleBindings: [
      roleBinding('dev', 'pods', 'Role', 'pods', user('bob')),
      roleBinding('prod', 'gone', 'Role', 'nosuch', user('bob')),
    ],
    clusterRoleBindings: [
      clusterRoleBinding('psp', 'psp', user('bob')),
      clusterRoleBinding('health', 'health', user('bob')),
    ],
  });
  const gone = 'no - RBAC: role.rbac.authorization.k8s.io "nosuch" not found';
  for (const [words, namespace, answer] of [
    ['use psp/restricted', 'dev', 'yes'],
    ['use podsecuritypolicies.policy/restricted', 'dev', 'yes'],
    ['use psp.extensions/restricted', 'dev', 'no'],
    ['use psp/privileged', 'dev', 'no'],
    ['use psp', 'dev', 'no'],
    ['get psp/restricted', 'dev', 'no'],
    ['get pods', 'dev', 'yes'],
    ['get po/web', 'dev', 'yes'],
    ['create pods', 'dev', 'no'],
    ['get pods', 'default', 'no'],
    ['get pods', 'prod', gone],
    ['get pods', undefined, 'no'],
    ['use psp/restricted', undefined, 'yes'],
    ['* *', 'dev', 'no'],
    ['get /healthz', 'dev', 'yes'],
    ['get /healthz/ping', 'prod', 'yes'],
    ['post /healthz', 'dev', 'no'],
    ['get /version', 'prod', 'no'],
  ] as const) {
    const options = { namespace: namespace ?? 'dev', allNamespaces: namespace === undefined };
    t.match(canI(objects, BOB, words.split(' '), options), { answer }, `${words} in ${namespace}`);
    t.match(canI(objects, ROOT_USER, words.split(' '), options), { answer: 'yes' }, `root: ${words}`);
  }
  t.match(canI(objects, BOB, ['get', 'pods'], { namespace: 'dev', subresource: 'log' }), { answer: 'yes' });
  t.match(canI(objects, BOB, ['get', 'pods'], { namespace: 'dev', subresource: 'exec' }), { answer: 'no' });
  t.end();
});

t.test('--list', t => {
  // The rows of kubectl 1.32 for the same rules, in its order.
  const rows = accessRows([
    { verbs: ['get', 'list'], apiGroups: ['', 'apps'], resources: ['pods', 'deployments/scale'] },
    { verbs: ['use'], apiGroups: ['policy'], resources: ['podsecuritypolicies'], resourceNames: ['a', 'b'] },
    { verbs: ['get', 'watch'], apiGroups: [''], resources: ['pods'] },
    { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
    { verbs: ['get', 'post'], nonResourceURLs: ['/healthz', '/a/*'] },
    { verbs: ['*'], nonResourceURLs: ['*'] },
  ]);
  t.same(ACCESS_HEADER, ['Resources', 'Non-Resource URLs', 'Resource Names', 'Verbs']);
  t.same(rows, [
    ['*.*', '[]', '[]', '[*]'],
    ['', '[*]', '[]', '[*]'],
    ['pods', '[]', '[]', '[get list watch]'],
    ['deployments/scale', '[]', '[]', '[get list]'],
    ['deployments.apps/scale', '[]', '[]', '[get list]'],
    ['pods.apps', '[]', '[]', '[get list]'],
    ['', '[/a/*]', '[]', '[get]'],
    ['', '[/healthz]', '[]', '[get]'],
    ['', '[/a/*]', '[]', '[post]'],
    ['', '[/healthz]', '[]', '[post]'],
    ['podsecuritypolicies.policy', '[]', '[a]', '[use]'],
    ['podsecuritypolicies.policy', '[]', '[b]', '[use]'],
  ]);
  const twice = { verbs: ['post', 'post'], nonResourceURLs: ['/a'] };
  t.same(accessRows([twice, { verbs: ['get', 'get'], apiGroups: [''], resources: ['pods', 'pods'] }]), [
    ['pods', '[]', '[]', '[get]'],
    ['', '[/a]', '[]', '[post]'],
    ['', '[/a]', '[]', '[post]'],
  ]);
  t.same(accessRows([]), []);
  t.end();
});
