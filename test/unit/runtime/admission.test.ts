import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { UserError } from '../../../src/base/errors.ts';
import { loadManifest } from '../../../src/kube/manifest.ts';
import { rootsAt } from '../../../src/oci/pod-paths.ts';
import { type AdmissionOptions, gatherAdmission, userOf } from '../../../src/runtime/admission.ts';
import { loadAdmission } from '../../../src/runtime/load-admission.ts';
import { ObjectStore } from '../../../src/runtime/object-store.ts';
import { HEAD } from '../kube/pods.ts';

const ANY = '{rule: RunAsAny}';
const policy = (name: string, more = ''): string =>
  `apiVersion: policy/v1beta1\nkind: PodSecurityPolicy\nmetadata: {name: ${name}}\n` +
  `spec: {runAsUser: ${ANY}, seLinux: ${ANY}, fsGroup: ${ANY}, supplementalGroups: ${ANY}${more}}\n`;
const namespace = (name: string, level: string): string =>
  `apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ${name}\n  labels:\n    pod-security.kubernetes.io/enforce: ${level}\n`;
const role = (name: string, verb: string): string =>
  `apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: ${name}}\nrules: [{apiGroups: [''], resources: [pods], verbs: [${verb}]}]\n`;

const NOWHERE = rootsAt('/nonexistent');
const othersOf = (text: string) => loadManifest([{ file: 'pod.yaml', text }]).others;
const gather = (text: string, options: AdmissionOptions = {}, roots = NOWHERE) =>
  gatherAdmission(roots, othersOf(text), options);

function mistakeOf(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
  return 'none';
}

t.test('objects of the file win over those of --policy, which win over the store', t => {
  const directory = t.testdir({
    'a.yaml': policy('p', ', hostIPC: true'),
    deep: { er: { 'b.yml': namespace('ns', 'baseline'), 'c.json': '' } },
    'README.md': 'not: [yaml',
    'd.yaml.bak': 'not: [yaml',
  });
  const roots = rootsAt(`${directory}-state`);
  t.teardown(() => rmSync(roots.state, { recursive: true }));
  const store = new ObjectStore(roots);
  for (const text of [policy('p', ', hostPID: true'), policy('stored'), namespace('ns', 'restricted')])
    for (const { kind, apiVersion, object } of othersOf(text)) {
      const { name } = object.metadata as { name: string };
      store.create({ kind, namespace: undefined, name }, apiVersion, object);
    }
  const decide = (text: string, options: AdmissionOptions) => {
    const { policies, namespaces } = gather(text, options, roots);
    const hosts = (name: string): string =>
      Object.entries(policies.find(({ metadata }) => metadata.name === name)?.spec ?? {})
        .flatMap(([field, value]) => (/^host[INP]/.test(field) && value === true ? [field] : []))
        .join(' ');
    return [
      policies.map(({ metadata }) => metadata.name).join(' '),
      hosts('p'),
      namespaces.get('ns')?.['pod-security.kubernetes.io/enforce'],
    ];
  };
  t.strictSame(decide('', {}), ['p stored', 'hostPID', 'restricted']);
  t.strictSame(decide('', { policy: directory }), ['p stored', 'hostIPC', 'baseline']);
  const file = `${policy('p', ', hostNetwork: true')}---\n${namespace('ns', 'privileged')}`;
  t.strictSame(decide(file, { policy: directory }), ['p stored', 'hostNetwork', 'privileged']);
  t.strictSame(decide(file, {}), ['p stored', 'hostNetwork', 'privileged']);
  t.end();
});

t.test('namespaced objects of one name are several, cluster-wide ones are one', t => {
  const other = role('r', 'list').replace('{name: r}', '{name: r, namespace: ns}');
  const { rbac } = gather([role('r', 'get'), other, role('r', 'watch')].join('---\n'));
  t.strictSame(
    rbac.roles.map(({ metadata, rules }) => [metadata?.namespace, rules?.[0]?.verbs?.[0]]),
    [
      ['default', 'watch'],
      ['ns', 'list'],
    ],
  );
  t.end();
});

t.test('cluster-admin is there from the start, and extensions/v1beta1 is a policy too', t => {
  const { policies, rbac } = gather(policy('old').replace('policy/v1beta1', 'extensions/v1beta1'));
  t.equal(policies[0]?.metadata.name, 'old');
  t.strictSame(
    rbac.clusterRoles.map(({ metadata }) => metadata?.name),
    ['cluster-admin'],
  );
  t.end();
});

t.test('names that are left to the API server', t => {
  const generated = policy('x').replace('{name: x}', '{generateName: psp-}');
  const { policies } = gather(`${generated}---\n${generated}`);
  t.equal(policies.length, 2);
  for (const { metadata } of policies) t.match(metadata.name, /^psp-[a-z0-9]{5}$/);
  t.end();
});

t.test('every object that an API server would refuse is told, with its place', t => {
  const message = mistakeOf(() =>
    gather(
      [
        policy('Bad'),
        policy('p').replace('RunAsAny', 'Foo'),
        namespace('ns', 'strict'),
        namespace('a.b', 'baseline'),
        role('a/b', 'get'),
        'apiVersion: v1\nkind: Namespace\nmetadata: {}\n',
      ].join('---\n'),
    ),
  );
  for (const expected of [
    /^The PodSecurityPolicy "Bad" is invalid: metadata\.name: Invalid value: "Bad": a lowercase RFC 1123 subdomain /,
    /\n {2}pod\.yaml:3:12: metadata\.name\n/,
    /\nThe PodSecurityPolicy "p" is invalid: spec\.runAsUser\.rule: Unsupported value: "Foo": supported values: /,
    /\n {2}pod\.yaml:9:20: spec\.runAsUser\.rule\n/,
    /\nThe Namespace "ns" is invalid: metadata\.labels\[pod-security\.kubernetes\.io\/enforce\]: Invalid value: "strict": must be one of privileged, baseline, restricted\n {2}pod\.yaml:16:5: /,
    /\nThe Namespace "a\.b" is invalid: metadata\.name: Invalid value: "a\.b": a lowercase RFC 1123 label must /,
    /\nThe Role "a\/b" is invalid: metadata\.name: Invalid value: "a\/b": may not contain '\/'\n/,
    /\nThe Namespace "" is invalid: metadata\.name: Required value: name or generateName is required\n/,
  ])
    t.match(message, expected);
  t.end();
});

t.test('what --policy cannot be', t => {
  const directory = t.testdir({
    empty: { 'README.md': '' },
    nested: { 'x.yaml': { 'p.yaml': policy('p') } },
    'pod.yaml': HEAD,
    'broken.yaml': 'a: [',
    'unknown.yaml': policy('p', ', hostPid: true'),
    dir: { 'ok.yaml': policy('p'), 'pod.yaml': HEAD },
  });
  writeFileSync(join(directory, 'latin1.yaml'), Buffer.from('a: \xe9\n', 'latin1'));
  mkdirSync(join(directory, 'dangling'));
  symlinkSync('nowhere', join(directory, 'dangling/x.yaml'));
  const cases: Readonly<Record<string, RegExp>> = {
    nosuch: /^option --policy: cannot read ".*nosuch": no such file$/,
    empty: /^option --policy: there is no YAML or JSON file in ".*empty"$/,
    'pod.yaml': /^option --policy: .*pod\.yaml: pods are not policies$/,
    'dir/': /^option --policy: .*dir\/pod\.yaml: pods are not policies$/,
    'broken.yaml': /broken\.yaml:1:5: /,
    'unknown.yaml': /unknown\.yaml:4:\d+: unknown field "spec\.hostPid"/,
    'latin1.yaml': /latin1\.yaml:1: not UTF-8 text$/,
    dangling: /^cannot read ".*dangling\/x\.yaml": no such file$/,
    '../../../../../../../../../../../../dev/zero': /is larger than 8 MiB$/,
    nested: /^none$/,
  };
  for (const [path, message] of Object.entries(cases))
    t.match(
      mistakeOf(() => gather('', { policy: join(directory, path) })),
      message,
      path,
    );
  t.equal(
    gather('', { policy: join(directory, 'nested') }).policies.length,
    1,
    'a directory may be called x.yaml',
  );
  t.end();
});

t.test('--level', t => {
  for (const [text, expected] of [
    ['restricted', { level: 'restricted', version: 'latest' }],
    ['baseline:v1.30', { level: 'baseline', version: 30 }],
    ['privileged:latest', { level: 'privileged', version: 'latest' }],
  ] as const)
    t.strictSame(gather('', { level: text }).level, expected);
  for (const text of [
    '',
    'Restricted',
    'foo',
    'baseline:',
    'baseline:1.30',
    'baseline:v1.30:x',
    'baseline:v2.0',
  ])
    t.equal(
      mistakeOf(() => gather('', { level: text })),
      `option --level: "${text}" is not a level of the Pod Security Standards`,
    );
  t.equal(gather('').level, undefined);
  t.end();
});

t.test('who asks', t => {
  t.strictSame(userOf({}), { name: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] });
  t.strictSame(userOf({ as: 'bob', asGroups: ['dev'] }), {
    name: 'bob',
    groups: ['dev', 'system:authenticated'],
  });
  t.strictSame(userOf({ as: 'system:serviceaccount:n:web' }).groups, [
    'system:serviceaccounts',
    'system:serviceaccounts:n',
    'system:authenticated',
  ]);
  t.match(
    mistakeOf(() => userOf({ asGroups: ['dev'] })),
    /without impersonating a user$/,
  );
  t.end();
});

t.test('nothing is loaded where there is nothing to decide by', async t => {
  const none = await loadAdmission(NOWHERE, [], {});
  t.equal(none.admission, undefined);
  for (const options of [{ as: 'bob' }, { asGroups: ['a'], as: 'b' }, { level: 'baseline' }])
    t.ok((await loadAdmission(NOWHERE, [], options)).admission, JSON.stringify(options));
  const { admission, isUsed } = await loadAdmission(NOWHERE, othersOf(policy('p')), {});
  t.ok(admission);
  t.strictSame(
    othersOf(`${policy('p')}---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: s}\n`).map(isUsed),
    [true, false],
  );
  await t.rejects(
    loadAdmission(NOWHERE, [], { asGroups: ['a'] }),
    { message: /without impersonating a user/ },
    'a group without a user is an error everywhere',
  );
});
