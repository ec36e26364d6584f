import t from 'tap';
import { admitByNamespace, admitByPolicy, type Denial } from '../../../src/admission/admission.ts';
import type { Pod } from '../../../src/kube/types.generated.ts';
import { pod, policyOf, withContext } from './pod-security-policy/policies.ts';
import { objectsOf, role, roleBinding, usePolicy, user } from './rbac/objects.ts';
import { BOB, enforcing, podIn, RBAC, requestOf } from './requests.ts';

const READ_ONLY = policyOf({ readOnlyRootFilesystem: true }, { name: 'default' });
const OPEN = policyOf({ privileged: true, readOnlyRootFilesystem: true }, { name: 'open' });

const denialOf = (result: object): Denial => {
  if ('denial' in result) return result as Denial;
  throw new Error('it is admitted');
};

t.test('without a policy the plugin is off', t => {
  const asked = pod();
  t.strictSame(admitByPolicy(asked, requestOf({ user: BOB })), { pod: asked, policy: undefined });
  t.end();
});

t.test('who may use the policy, and what it has set', t => {
  const asked = pod();
  for (const [request, name, who] of [
    [requestOf({ policies: [READ_ONLY] }), 'default', 'kubernetes-admin'],
    [requestOf({ policies: [READ_ONLY, OPEN], user: BOB }), 'open', 'bob'],
  ] as const) {
    const result = admitByPolicy(asked, request);
    if ('denial' in result || result.policy === undefined) return t.fail('not admitted by a policy');
    t.equal(result.policy.policy.metadata.name, name);
    t.match(result.policy.allowedBy, { who: 'user', name: who, allowed: true });
    t.strictSame(result.policy.changes, [
      {
        path: 'spec.containers[0].securityContext.readOnlyRootFilesystem',
        before: undefined,
        after: true,
      },
    ]);
    t.equal(result.pod.metadata?.annotations?.['kubernetes.io/psp'], name);
    t.equal(asked.metadata?.annotations, undefined, 'the pod that was given is as it was');
  }
  return t.end();
});

t.test('the service account is asked first, in the pod’s namespace only', t => {
  const rbac = objectsOf({
    roles: [role('n', 'use', usePolicy('default'))],
    roleBindings: [
      roleBinding('n', 'use', 'Role', 'use', { kind: 'ServiceAccount', name: 'web', namespace: 'n' }),
    ],
  });
  const request = requestOf({ policies: [READ_ONLY], rbac, user: BOB });
  const named = (namespace: string, serviceAccountName: string): Pod =>
    podIn(namespace, { serviceAccountName });
  t.match(admitByPolicy(named('n', 'web'), request), {
    policy: { allowedBy: { who: 'serviceAccount', name: 'system:serviceaccount:n:web' } },
  });
  t.ok('denial' in admitByPolicy(named('n', 'default'), request));
  t.ok('denial' in admitByPolicy(named('default', 'web'), request));
  t.end();
});

t.test('a RoleBinding gives in its namespace only', t => {
  const rbac = objectsOf({
    roles: [role('n', 'use', usePolicy('default'))],
    roleBindings: [roleBinding('n', 'use', 'Role', 'use', user('bob'))],
  });
  const request = requestOf({ policies: [READ_ONLY], rbac, user: BOB });
  t.notOk('denial' in admitByPolicy(podIn('n'), request));
  t.ok('denial' in admitByPolicy(podIn('default'), request));
  t.end();
});

t.test('what each usable policy refuses, at fields of the manifest', t => {
  const asked = withContext({ privileged: true }, { hostPID: true });
  const denial = denialOf(
    admitByPolicy(asked, requestOf({ policies: [READ_ONLY, policyOf({ hostPID: true }, { name: 'a' })] })),
  );
  t.equal(
    denial.denial,
    'PodSecurityPolicy: unable to admit pod: [spec.containers[0].securityContext.privileged: Invalid value: true: ' +
      'Privileged containers are not allowed spec.securityContext.hostPID: Invalid value: true: Host PID is not ' +
      'allowed to be used spec.containers[0].securityContext.privileged: Invalid value: true: Privileged containers ' +
      'are not allowed]',
  );
  t.strictSame(
    denial.breaches.map(({ rule, paths }) => [rule, ...paths]),
    [
      ['PodSecurityPolicy/a', 'spec.containers[0].securityContext.privileged'],
      ['PodSecurityPolicy/default', 'spec.hostPID'],
      ['PodSecurityPolicy/default', 'spec.containers[0].securityContext.privileged'],
    ],
  );
  t.end();
});

t.test('a denial always has a reason', t => {
  t.strictSame(denialOf(admitByPolicy(pod(), requestOf({ policies: [READ_ONLY], user: BOB }))), {
    denial: 'PodSecurityPolicy: unable to admit pod: []',
    breaches: [
      {
        rule: 'PodSecurityPolicy',
        message: '"system:serviceaccount:default:default" or "bob" may use none of: default',
        paths: [],
      },
    ],
  });
  const useless = policyOf({ runAsUser: { rule: 'MustRunAs' } }, { name: 'useless' });
  t.strictSame(denialOf(admitByPolicy(pod(), requestOf({ policies: [useless] }))), {
    denial: 'PodSecurityPolicy: no providers available to validate pod request',
    breaches: [
      {
        rule: 'PodSecurityPolicy',
        message: '"useless" cannot be used: MustRunAs requires at least one range',
        paths: [],
      },
    ],
  });
  const both = admitByPolicy(pod(), requestOf({ policies: [useless, READ_ONLY], user: BOB }));
  t.match(denialOf(both).breaches, [{ message: /^.* none of: default; "useless" cannot be used: / }]);
  t.end();
});

t.test('a namespace enforces its level, and warns of what it does not enforce', t => {
  const restricted = denialOf(admitByNamespace(pod(), requestOf({ namespaces: enforcing('restricted') })));
  t.match(
    restricted.denial,
    /^violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false \(/,
  );
  t.strictSame(
    restricted.breaches.map(({ rule }) => rule),
    ['allowPrivilegeEscalation', 'capabilities_restricted', 'runAsNonRoot', 'seccompProfile_restricted'].map(
      id => `PodSecurity/${id}`,
    ),
  );
  for (const { message, paths } of restricted.breaches) {
    t.match(message, /^restricted:latest: .* \(.*\)$/);
    t.match(paths, [/^spec\.containers\[0\]\.securityContext\./]);
  }
  const warned = admitByNamespace(
    pod(),
    requestOf({ namespaces: enforcing('baseline', { 'pod-security.kubernetes.io/warn': 'restricted' }) }),
  );
  t.match(warned, {
    enforced: { level: 'baseline', version: 'latest' },
    warnings: [/^would violate PodSecurity "restricted:latest": /],
  });
  t.strictSame(admitByNamespace(podIn('other'), requestOf({ namespaces: enforcing('restricted') })), {
    enforced: { level: 'privileged', version: 'latest' },
    warnings: [],
  });
  t.end();
});

t.test('a level of the request is enforced everywhere, in its version', t => {
  const level = { level: 'restricted', version: 18 } as const;
  const request = requestOf({ namespaces: enforcing('privileged'), level });
  t.match(denialOf(admitByNamespace(podIn('other'), request)), {
    denial: /^violates PodSecurity "restricted:v1\.18": /,
  });
  const lax = requestOf({
    namespaces: enforcing('restricted'),
    level: { level: 'privileged', version: 'latest' },
  });
  t.match(admitByNamespace(pod(), lax), { enforced: { level: 'privileged' } });
  t.end();
});

t.test('the RBAC choice: who may use both policies gets the one that changes nothing', t => {
  const policies = [READ_ONLY, policyOf({ privileged: true }, { name: 'privileged' })];
  const chosen = (request: Parameters<typeof requestOf>[0]) => {
    const result = admitByPolicy(pod(), requestOf({ policies, ...request }));
    return 'denial' in result ? 'none' : result.policy?.policy.metadata.name;
  };
  const rbac = objectsOf({
    roles: [role('default', 'use', usePolicy('default'))],
    roleBindings: [roleBinding('default', 'use', 'Role', 'use', user('bob'))],
  });
  t.equal(chosen({}), 'privileged');
  t.equal(chosen({ user: BOB, rbac }), 'default');
  t.equal(chosen({ user: BOB, rbac: RBAC }), 'none');
  t.end();
});
