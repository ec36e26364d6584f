import t from 'tap';
import { type RbacKind, type RbacObject, setRbacDefaults } from '../../../../src/admission/rbac/objects.ts';
import { validateRbac } from '../../../../src/admission/rbac/validate.ts';
import { formatFieldError } from '../../../../src/kube/field-error.ts';
import type { PolicyRule, RoleBinding, RoleRef, Subject } from '../../../../src/kube/types.generated.ts';

const RBAC = 'rbac.authorization.k8s.io';
const metadata = { name: 'x', namespace: 'dev' };
const PODS: PolicyRule = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };

const errorsOf = (object: RbacObject, kind: RbacKind): readonly string[] =>
  validateRbac(object, kind).map(formatFieldError);

t.test('rules', t => {
  const urls = { verbs: ['get'], nonResourceURLs: ['/a', '*'] };
  const both = 'rules cannot apply to both regular resources and non-resource URLs';
  const rows: readonly (readonly [rule: object, clusterWide: readonly string[], own?: readonly string[]])[] =
    [
      [PODS, []],
      [{ ...PODS, resources: ['pods', 'secrets'], resourceNames: ['a'] }, []],
      [{ ...PODS, verbs: [] }, ['rules[0].verbs: Required value: verbs must contain at least one value']],
      [
        { ...PODS, apiGroups: [] },
        ['rules[0].apiGroups: Required value: resource rules must supply at least one api group'],
      ],
      [
        { verbs: ['use'], apiGroups: ['policy'] },
        ['rules[0].resources: Required value: resource rules must supply at least one resource'],
      ],
      [
        {},
        [
          'rules[0].verbs: Required value: verbs must contain at least one value',
          'rules[0].apiGroups: Required value: resource rules must supply at least one api group',
          'rules[0].resources: Required value: resource rules must supply at least one resource',
        ],
      ],
      [
        urls,
        [],
        [
          'rules[0].nonResourceURLs: Invalid value: ["/a","*"]: namespaced rules cannot apply to non-resource URLs',
        ],
      ],
      [
        { ...urls, resourceNames: ['a'] },
        [`rules[0].nonResourceURLs: Invalid value: ["/a","*"]: ${both}`],
        [
          'rules[0].nonResourceURLs: Invalid value: ["/a","*"]: namespaced rules cannot apply to non-resource URLs',
          `rules[0].nonResourceURLs: Invalid value: ["/a","*"]: ${both}`,
        ],
      ],
    ];
  for (const [rule, clusterWide, own = clusterWide] of rows) {
    const rules = [rule as PolicyRule];
    t.same(errorsOf({ metadata: { name: 'x' }, rules }, 'ClusterRole'), clusterWide, JSON.stringify(rule));
    t.same(errorsOf({ metadata, rules }, 'Role'), own, JSON.stringify(rule));
  }
  t.same(errorsOf({ metadata, rules: [PODS, { ...PODS, verbs: [] }] }, 'Role'), [
    'rules[1].verbs: Required value: verbs must contain at least one value',
  ]);
  t.same(errorsOf({ metadata }, 'Role'), [], 'a role without rules grants nothing');
  t.end();
});

t.test('names', t => {
  for (const [given, errors] of [
    [{ name: 'system:node' }, []],
    [{ name: 'A b_c' }, []],
    [{ generateName: 'x-' }, []],
    [{}, ['metadata.name: Required value: name or generateName is required']],
    [{ name: '' }, ['metadata.name: Required value: name or generateName is required']],
    [{ name: '.' }, ['metadata.name: Invalid value: ".": may not be \'.\'']],
    [{ name: '..' }, ['metadata.name: Invalid value: "..": may not be \'..\'']],
    [
      { name: 'a/b%c' },
      [
        'metadata.name: Invalid value: "a/b%c": may not contain \'/\'',
        'metadata.name: Invalid value: "a/b%c": may not contain \'%\'',
      ],
    ],
    [{ generateName: 'a/' }, ['metadata.generateName: Invalid value: "a/": may not contain \'/\'']],
    [{ name: 'x', namespace: 'dev' }, ['metadata.namespace: Forbidden: not allowed on this type']],
  ] as const)
    t.same(errorsOf({ metadata: given }, 'ClusterRole'), errors, JSON.stringify(given));
  t.same(errorsOf({ metadata: { name: 'x' } }, 'Role'), ['metadata.namespace: Required value']);
  t.match(errorsOf({ metadata: { name: 'x', namespace: 'Dev' } }, 'Role'), [
    /^metadata.namespace: Invalid value: "Dev": a lowercase RFC 1123 label /,
  ]);
  t.match(errorsOf({ metadata: { name: 'x', labels: { a: '-' } } }, 'ClusterRole'), [
    /^metadata.labels: Invalid value: "-": a valid label /,
  ]);
  t.end();
});

t.test('the role of a binding', t => {
  const ofBoth = (roleRef: object): readonly [readonly string[], readonly string[]] => [
    errorsOf({ metadata, roleRef: roleRef as RoleRef }, 'RoleBinding'),
    errorsOf({ metadata: { name: 'x' }, roleRef: roleRef as RoleRef }, 'ClusterRoleBinding'),
  ];
  const good = { apiGroup: RBAC, kind: 'ClusterRole', name: 'r' };
  t.same(ofBoth(good), [[], []]);
  const kinds = (kind: string): readonly [readonly string[], readonly string[]] => {
    const wrong = `roleRef.kind: Unsupported value: "${kind}": supported values:`;
    return [[`${wrong} "Role", "ClusterRole"`], [`${wrong} "ClusterRole"`]];
  };
  t.same(ofBoth({ ...good, kind: 'Role' }), [[], kinds('Role')[1]]);
  t.same(ofBoth({ ...good, kind: 'User' }), kinds('User'));
  t.same(ofBoth({ apiGroup: RBAC, name: 'r' }), kinds(''));
  for (const [roleRef, error] of [
    [
      { ...good, apiGroup: 'apps' },
      `roleRef.apiGroup: Unsupported value: "apps": supported values: "${RBAC}"`,
    ],
    [{ ...good, apiGroup: '' }, `roleRef.apiGroup: Unsupported value: "": supported values: "${RBAC}"`],
    [{ ...good, name: '' }, 'roleRef.name: Required value'],
    [{ ...good, name: 'a/b' }, 'roleRef.name: Invalid value: "a/b": may not contain \'/\''],
  ] as const)
    t.same(ofBoth(roleRef), [[error], [error]]);
  t.end();
});

t.test('subjects', t => {
  const roleRef = { apiGroup: RBAC, kind: 'ClusterRole', name: 'r' };
  const ofBoth = (...subjects: readonly object[]): readonly [readonly string[], readonly string[]] => [
    errorsOf({ metadata, roleRef, subjects: subjects as readonly Subject[] }, 'RoleBinding'),
    errorsOf(
      { metadata: { name: 'x' }, roleRef, subjects: subjects as readonly Subject[] },
      'ClusterRoleBinding',
    ),
  ];
  const wrongGroup = (group: string, wanted: string): string =>
    `subjects[0].apiGroup: Unsupported value: "${group}": supported values: "${wanted}"`;
  for (const kind of ['User', 'Group']) {
    t.same(ofBoth({ kind, apiGroup: RBAC, name: 'A/b c' }), [[], []]);
    t.same(ofBoth({ kind, name: 'a' })[0], [wrongGroup('', RBAC)]);
    t.same(ofBoth({ kind, apiGroup: RBAC, name: '' })[1], ['subjects[0].name: Required value']);
  }
  const account = { kind: 'ServiceAccount', name: 'web' };
  t.same(ofBoth(account), [[], ['subjects[0].namespace: Required value']]);
  t.same(ofBoth({ ...account, namespace: 'dev' }), [[], []]);
  t.same(ofBoth({ ...account, apiGroup: RBAC })[0], [wrongGroup(RBAC, '')]);
  t.match(ofBoth({ ...account, name: 'Web', namespace: 'dev' })[1], [
    /^subjects\[0\].name: Invalid value: "Web": a lowercase RFC 1123 subdomain /,
  ]);
  t.same(ofBoth({ ...account, name: '' })[0], ['subjects[0].name: Required value']);
  const unknown = 'Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"';
  t.same(ofBoth({ ...account, namespace: 'dev' }, { kind: 'Robot', name: '' })[1], [
    'subjects[1].name: Required value',
    `subjects[1].kind: ${unknown}`,
  ]);
  t.end();
});

t.test('roles that combine others', t => {
  const of = (clusterRoleSelectors: readonly object[] | undefined): readonly string[] =>
    errorsOf(
      { metadata: { name: 'x' }, aggregationRule: { clusterRoleSelectors } as object, rules: [] },
      'ClusterRole',
    );
  const path = 'aggregationRule.clusterRoleSelectors';
  const none = `${path}: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil`;
  t.same(of([{ matchLabels: { a: 'b' } }]), []);
  t.same(of([]), [none]);
  t.same(of(undefined), [none]);
  t.same(of([{}, { matchExpressions: [{ key: 'a', operator: 'In' }] }]), [
    `${path}[1].matchExpressions[0].values: Required value: must be specified when \`operator\` is 'In' or 'NotIn'`,
    `${path}[1]: Invalid value: null: invalid label selector.`,
  ]);
  t.end();
});

t.test('defaults', t => {
  const subjects = [
    { kind: 'User', name: 'a' },
    { kind: 'Group', name: 'b', apiGroup: '' },
    { kind: 'ServiceAccount', name: 'c' },
    { kind: 'User', name: 'd', apiGroup: 'apps' },
  ];
  const binding: RoleBinding = {
    metadata: { name: 'x' },
    roleRef: { kind: 'ClusterRole', name: 'r' },
    subjects,
  };
  const defaulted = {
    roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: 'r' },
    subjects: [
      { kind: 'User', name: 'a', apiGroup: RBAC },
      { kind: 'Group', name: 'b', apiGroup: RBAC },
      { kind: 'ServiceAccount', name: 'c' },
      { kind: 'User', name: 'd', apiGroup: 'apps' },
    ],
  };
  t.same(setRbacDefaults(binding, 'ClusterRoleBinding'), { metadata: { name: 'x' }, ...defaulted });
  t.same(setRbacDefaults(binding, 'RoleBinding', 'dev'), { metadata, ...defaulted });
  t.same(setRbacDefaults({ ...binding, subjects: undefined }, 'RoleBinding').metadata?.namespace, 'default');
  t.same(setRbacDefaults({ metadata, rules: [PODS] }, 'Role', 'other'), { metadata, rules: [PODS] });
  t.same(setRbacDefaults({ metadata, rules: [] }, 'ClusterRole'), { metadata: { name: 'x' }, rules: [] });
  t.end();
});
