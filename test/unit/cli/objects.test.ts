import { writeFileSync } from 'node:fs';
import t from 'tap';
import { loadManifest } from '../../../src/kube/manifest.ts';
import { rootsAt } from '../../../src/oci/pod-paths.ts';
import { apiVersionOf, keyOf, storedKind } from '../../../src/runtime/kinds.ts';
import { ObjectStore } from '../../../src/runtime/object-store.ts';
import { HEAD } from '../kube/pods.ts';
import { command, type Printed } from './command.ts';

const needsRoot = process.geteuid?.() === 0 ? false : 'needs root';

const OBJECTS = `
apiVersion: policy/v1beta1
kind: PodSecurityPolicy
metadata: {name: restricted}
spec:
  allowedCapabilities: [CHOWN, KILL]
  readOnlyRootFilesystem: true
  runAsUser: {rule: MustRunAsNonRoot}
  seLinux: {rule: RunAsAny}
  fsGroup: {rule: MustRunAs, ranges: [{min: 1, max: 9}]}
  supplementalGroups: {rule: RunAsAny}
  volumes: [emptyDir, secret]
---
apiVersion: v1
kind: Namespace
metadata: {name: dev, labels: {answer: 'yes', octal: '012'}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: psp}
rules: [{apiGroups: [policy], resources: [podsecuritypolicies], verbs: [use]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: all}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: psp}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [''], resources: [pods], verbs: ['on', '1e3', 'y']}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: dev}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
`;

type Command = (...words: readonly string[]) => Promise<Printed>;

/** A store with one object of each kind, and the command line on it. */
function stored(t: { testdir: typeof import('tap').default.testdir }): {
  readonly run: Command;
  readonly directory: string;
} {
  const directory = t.testdir({ 'pod.yaml': HEAD, 'objects.yaml': OBJECTS });
  const root = `${directory}/state`;
  const store = new ObjectStore(rootsAt(root));
  for (const loaded of loadManifest([{ file: 'objects.yaml', text: OBJECTS }]).others) {
    const type = storedKind(loaded.kind);
    store.create(keyOf(type, loaded, 'default'), apiVersionOf(type), loaded.object);
  }
  return { run: (...words) => command(words, { root }), directory };
}

const TABLES: Readonly<Record<string, RegExp>> = {
  psp: /^NAME +PRIV +CAPS +SELINUX +RUNASUSER +FSGROUP +SUPGROUP +READONLYROOTFS +VOLUMES\nrestricted +false +CHOWN,KILL +RunAsAny +MustRunAsNonRoot +MustRunAs +RunAsAny +true +emptyDir,secret\n$/,
  ns: /^NAME +STATUS +AGE\ndev +Active +\ds\n$/,
  clusterroles: /^NAME +CREATED AT\npsp +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n$/,
  'clusterrolebinding.rbac.authorization.k8s.io': /^NAME +ROLE +AGE\nall +ClusterRole\/psp +\ds\n$/,
  Role: /^NAME +CREATED AT\nreader +\d{4}-/,
  'rolebindings -n dev': /^NAME +ROLE +AGE\nreader +Role\/reader +\ds\n$/,
  'rolebindings -A': /^NAMESPACE +NAME +ROLE +AGE\ndev +reader +Role\/reader +\ds\n$/,
  'psp -A': /^NAME +PRIV .*\nrestricted /,
  'psp.extensions restricted': /^NAME +PRIV .*\nrestricted /,
  'role,clusterrole':
    /^NAME +CREATED AT\nrole\.rbac\.authorization\.k8s\.io\/reader +\S+\n\nNAME +CREATED AT\nclusterrole\.rbac\.authorization\.k8s\.io\/psp +\S+\n$/,
  'psp/restricted ns/dev':
    /^NAME +PRIV .*\npodsecuritypolicy\.policy\/restricted .*\n\nNAME +STATUS +AGE\nnamespace\/dev +Active +\ds\n$/,
  'psp,role -o name': /^podsecuritypolicy\.policy\/restricted\nrole\.rbac\.authorization\.k8s\.io\/reader\n$/,
};

t.test('get prints kubectl’s tables', async t => {
  const { run } = stored(t);
  for (const [words, table] of Object.entries(TABLES))
    t.match(await run('get', ...words.split(' ')), { stdout: table, stderr: '', exitCode: 0 }, words);
});

const MISSES: Readonly<Record<string, string>> = {
  'psp a restricted b':
    'Error from server (NotFound): podsecuritypolicies.policy "a" not found\nError from server (NotFound): podsecuritypolicies.policy "b" not found\n',
  'ns/nosuch': 'Error from server (NotFound): namespaces "nosuch" not found\n',
  'role reader -n dev': 'Error from server (NotFound): roles.rbac.authorization.k8s.io "reader" not found\n',
  [`psp ${'x'.repeat(300)}`]: `Error from server (NotFound): podsecuritypolicies.policy "${'x'.repeat(300)}" not found\n`,
  'psp ../Namespace/dev': 'error: there is no need to specify a resource type as a separate argument',
  'psp/a/b': 'error: arguments in resource/name form may not have more than one slash\n',
  'psp/': 'error: arguments in resource/name form must have a single resource and name\n',
  'role reader -A': 'error: a resource cannot be retrieved by name across all namespaces\n',
  foo: 'error: the server doesn\'t have a resource type "foo"\nhint: kept are: Pod, Namespace, ',
  'psp,foo': 'error: the server doesn\'t have a resource type "foo"\n',
  deploy:
    'error: objects of kind Deployment are not kept by podspace\nhint: what makes pods of a Deployment belongs to a cluster; ',
  leases: 'error: objects of kind Lease are not kept by podspace\nhint: kept are: ',
  'ns -o foo': 'error: unable to match a printer suitable for the output format "foo", allowed formats are: ',
  'ns -o json=x': 'error: unable to match a printer suitable for the output format "json=x", ',
  'ns -o jsonpath': 'error: template format specified but no template given\n',
  'ns -w': 'error: there is no agent whose changes could be watched\n',
};

t.test('what get does not find', async t => {
  const { run } = stored(t);
  for (const [words, stderr] of Object.entries(MISSES)) {
    const printed = await run('get', ...words.split(' '));
    t.equal(printed.exitCode, 1, words);
    t.ok(printed.stderr.startsWith(stderr), printed.stderr);
  }
  t.match(
    (await run('get', 'psp', 'a', 'restricted', 'b')).stdout,
    /\nrestricted /,
    'what is there is printed',
  );
  t.match(await run('get', 'role', '-n', 'dev'), {
    stdout: '',
    stderr: 'No resources found in dev namespace.\n',
    exitCode: 0,
  });
  const empty: Command = (...words) => command(words);
  t.match(await empty('get', 'psp'), { stdout: '', stderr: 'No resources found\n', exitCode: 0 });
  t.match(await empty('get', 'role', '-A'), { stdout: '', stderr: 'No resources found\n', exitCode: 0 });
  t.match(JSON.parse((await empty('get', 'psp', '-o', 'json')).stdout), { kind: 'List', items: [] });
  t.match(await empty('get', 'psp', '-o', 'name'), { stdout: '', exitCode: 0 });
});

// tap teaches the YAML package its own timestamps: only here are those without quotes.
t.test('-o yaml and json: one that is named is itself, others are a list', async t => {
  const { run } = stored(t);
  const namespace = await run('get', 'ns', 'dev', '-o', 'yaml');
  t.match(
    namespace.stdout,
    /^apiVersion: v1\nkind: Namespace\nmetadata:\n {2}creationTimestamp: "?[^"\n]+"?\n {2}labels:\n {4}answer: "yes"\n {4}octal: "012"\n {2}name: dev\n {2}uid: \S+\n$/,
  );
  t.match(JSON.parse((await run('get', 'ns', 'dev', '-o', 'json')).stdout), { kind: 'Namespace' });
  t.match(JSON.parse((await run('get', 'ns', '-o', 'json')).stdout), {
    kind: 'List',
    metadata: { resourceVersion: '' },
    items: [{ kind: 'Namespace' }],
  });
  t.match(JSON.parse((await run('get', 'ns/dev', 'psp/restricted', '-o', 'json')).stdout), {
    items: [{ kind: 'Namespace' }, { kind: 'PodSecurityPolicy' }],
  });
});

t.test('what get prints, create takes', { skip: needsRoot }, async t => {
  const { run, directory } = stored(t);
  const kinds = 'psp,ns,clusterrole,clusterrolebinding,role,rolebinding';
  for (const format of ['yaml', 'json']) {
    const { stdout } = await run('get', kinds, '-A', '-o', format);
    const file = `${directory}/saved.${format}`;
    writeFileSync(file, stdout);
    t.match(await run('delete', '-f', file), {
      exitCode: 0,
      stderr: '',
      stdout:
        'podsecuritypolicy.policy "restricted" deleted\nnamespace "dev" deleted\n' +
        'clusterrole.rbac.authorization.k8s.io "psp" deleted\nclusterrolebinding.rbac.authorization.k8s.io "all" deleted\n' +
        'role.rbac.authorization.k8s.io "reader" deleted\nrolebinding.rbac.authorization.k8s.io "reader" deleted\n',
    });
    t.match(await run('get', kinds, '-A'), { stdout: '', stderr: 'No resources found\n' });
    t.match(await run('create', '-f', file), {
      exitCode: 0,
      stdout: /^podsecuritypolicy\.policy\/restricted created\n/,
    });
    const again = await run('get', kinds, '-A', '-o', format);
    const stable = (text: string): string => text.replace(/(uid|creationTimestamp)"?: .*/g, '$1');
    t.equal(stable(again.stdout), stable(stdout));
  }
});

t.test('create and delete: what is said, and what is not passed over', { skip: needsRoot }, async t => {
  const { run, directory } = stored(t);
  const file = (name: string, text: string): string => {
    writeFileSync(`${directory}/${name}`, text);
    return `${directory}/${name}`;
  };
  const role = file(
    'role.yaml',
    'apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: dev}\nrules: []\n',
  );
  const account = file(
    'sa.yaml',
    `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: c}\n---\n${OBJECTS}`,
  );
  const generated = file(
    'generated.yaml',
    'apiVersion: v1\nkind: Namespace\nmetadata: {generateName: dev-}\n',
  );
  const bad = file(
    'bad.yaml',
    'apiVersion: v1\nkind: Namespace\nmetadata: {name: Bad}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: good}\n',
  );
  const objects = `${directory}/objects.yaml`;
  const cases: readonly (readonly [
    words: string,
    printed: { [part in keyof Printed]?: Printed[part] | RegExp },
  ])[] = [
    [
      `create -f ${objects}`,
      {
        exitCode: 1,
        stdout: '',
        stderr:
          /^Error from server \(AlreadyExists\): error when creating ".*objects\.yaml": podsecuritypolicies\.policy "restricted" already exists\nError from server \(AlreadyExists\): error when creating ".*": namespaces "dev" already exists\n/,
      },
    ],
    [`create -f ${role}`, { exitCode: 0, stdout: 'role.rbac.authorization.k8s.io/r created\n', stderr: '' }],
    [
      `create -f ${role} -n dev`,
      { exitCode: 1, stderr: /roles\.rbac\.authorization\.k8s\.io "r" already exists/ },
    ],
    [
      `create -f ${role} -n other`,
      {
        exitCode: 1,
        stderr:
          /^error: the namespace from the provided object "dev" does not match the namespace "other"\. You must pass '--namespace=dev' to perform this operation\.\n/,
      },
    ],
    [`delete -f ${role} -n other`, { exitCode: 1, stderr: /does not match the namespace "other"/ }],
    [
      `delete role r`,
      {
        exitCode: 1,
        stderr: 'Error from server (NotFound): roles.rbac.authorization.k8s.io "r" not found\n',
      },
    ],
    [
      `delete role/r role/s -n dev`,
      {
        exitCode: 1,
        stdout: 'role.rbac.authorization.k8s.io "r" deleted\n',
        stderr: 'Error from server (NotFound): roles.rbac.authorization.k8s.io "s" not found\n',
      },
    ],
    [`create -f ${role} -o name`, { exitCode: 0, stdout: 'role.rbac.authorization.k8s.io/r\n' }],
    [`delete -f ${role}`, { exitCode: 0, stdout: 'role.rbac.authorization.k8s.io "r" deleted\n' }],
    [
      `delete role a b -n dev`,
      {
        exitCode: 1,
        stderr:
          /^Error from server \(NotFound\): roles.* "a" not found\nError from server \(NotFound\): roles.* "b" not found\n$/,
      },
    ],
    [
      `create -f ${account}`,
      {
        exitCode: 1,
        stdout: '',
        stderr: /^error: objects of kind Deployment are not kept by podspace\n/,
      },
    ],
    [
      `delete -f ${account}`,
      {
        exitCode: 1,
        stdout: '',
        stderr: /^error: objects of kind Deployment are not kept by podspace\n/,
      },
    ],
    [`create -f ${generated}`, { exitCode: 0, stdout: /^namespace\/dev-[a-z0-9]{5} created\n$/ }],
    [
      `create -f ${bad}`,
      {
        exitCode: 1,
        stdout: '',
        stderr:
          /^error: The Namespace "Bad" is invalid: metadata\.name: .*\n {2}.*bad\.yaml:3:12: metadata\.name\n$/,
      },
    ],
    ['get ns good', { exitCode: 1, stderr: 'Error from server (NotFound): namespaces "good" not found\n' }],
    [
      'create role x --verb=get --resource=pods -n ..',
      {
        exitCode: 1,
        stderr: /^error: The Role "x" is invalid: metadata\.namespace: Invalid value: "\.\.": /,
      },
    ],
    [
      `create -f ${directory}/nosuch.yaml`,
      { exitCode: 1, stderr: /^error: cannot read ".*nosuch\.yaml": no such file\n$/ },
    ],
    [
      `create -f ${file('empty.yaml', '')}`,
      { exitCode: 1, stderr: /empty\.yaml: no objects passed to create\n$/ },
    ],
    [
      `create -f ${role} clusterrole x`,
      { exitCode: 1, stderr: 'error: unexpected argument "clusterrole"\n' },
    ],
    [`delete -f ${role} role x`, { exitCode: 1, stderr: 'error: unexpected argument "role"\n' }],
    [
      'create clusterrole x --verb=use --resource=psp',
      { exitCode: 0, stdout: 'clusterrole.rbac.authorization.k8s.io/x created\n' },
    ],
    [
      'create clusterrole x --verb=use --resource=psp',
      {
        exitCode: 1,
        stderr:
          'Error from server (AlreadyExists): failed to create clusterrole: clusterroles.rbac.authorization.k8s.io "x" already exists\n',
      },
    ],
    [
      'create clusterrole y --verb=fly --resource=pods',
      { exitCode: 0, stderr: "Warning: 'fly' is not a standard resource verb\n" },
    ],
    [
      'create clusterrole z --verb=use --resource=pods',
      { exitCode: 1, stderr: /^error: can not perform 'use' on 'pods' in group ''\n/ },
    ],
    ['create', { exitCode: 1, stderr: /^error: must specify -f, or what to create\n/ }],
    ['create foo', { exitCode: 1, stderr: /^error: unknown object "foo"\n/ }],
    ['delete', { exitCode: 1, stderr: /^error: nothing to delete\n/ }],
    [
      'delete psp',
      { exitCode: 1, stderr: /^error: resource\(s\) were provided, but no name was specified\n/ },
    ],
  ];
  for (const [words, printed] of cases) t.match(await run(...words.split(' ')), printed, words);
});

t.test('a dry run stores nothing, and needs no root', async t => {
  const run: Command = (...words) => command(words);
  t.match(
    await run('create', 'clusterrolebinding', 'a', '--clusterrole=x', '--user=bob', '--dry-run=client'),
    {
      exitCode: 0,
      stdout: 'clusterrolebinding.rbac.authorization.k8s.io/a created (dry run)\n',
    },
  );
  t.equal(
    (
      await run(
        'create',
        'rolebinding',
        'a',
        '--clusterrole=x',
        '--user=bob',
        '-n',
        'dev',
        '--dry-run=client',
        '-o',
        'yaml',
      )
    ).stdout,
    // As kubectl 1.32 prints it, but for its `creationTimestamp: null`.
    'apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata:\n  name: a\n  namespace: dev\n' +
      'roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: x\n' +
      'subjects:\n- apiGroup: rbac.authorization.k8s.io\n  kind: User\n  name: bob\n',
  );
});

t.test('names are printed without what a terminal obeys', { skip: needsRoot }, async t => {
  const { run, directory } = stored(t);
  writeFileSync(
    `${directory}/role.yaml`,
    'apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: "\\e[31mred"}\nrules: []\n',
  );
  t.equal(
    (await run('create', '-f', `${directory}/role.yaml`)).stdout,
    'role.rbac.authorization.k8s.io/?[31mred created\n',
  );
  t.match(await run('get', 'role'), { stdout: /\n\?\[31mred / });
  t.match(await run('get', 'role', '-o', 'name'), { stdout: /\/\?\[31mred\n/ });
  t.equal(
    (await run('delete', '-f', `${directory}/role.yaml`)).stdout,
    'role.rbac.authorization.k8s.io "\\u001b[31mred" deleted\n',
  );
});

const BINDINGS = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: bob}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: psp}
subjects: [{kind: User, name: bob}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: dev}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: Group, name: ops}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: view}
rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]
`;

t.test('auth can-i', async t => {
  const { run, directory } = stored(t);
  const warning = "Warning: resource 'podsecuritypolicies' is not namespace scoped in group 'policy'\n";
  const rbac = `${directory}/rbac.yaml`;
  writeFileSync(rbac, BINDINGS);
  const cases: readonly (readonly [words: string, printed: Partial<Printed>])[] = [
    ['use psp/restricted', { stdout: 'yes\n', stderr: warning, exitCode: 0 }],
    ['use psp/restricted --as bob', { stdout: 'no\n', stderr: warning, exitCode: 1 }],
    [`use psp/restricted --as bob --policy ${rbac}`, { stdout: 'yes\n', exitCode: 0 }],
    [`use psp/restricted --as bob --policy ${rbac} -q`, { stdout: '', exitCode: 0 }],
    ['use psp/restricted --as bob -q', { stdout: '', exitCode: 1 }],
    [`get pods --as eve --as-group ops --policy ${rbac}`, { stdout: 'no\n', stderr: '', exitCode: 1 }],
    [
      `get pods --as eve --as-group ops --policy ${rbac} -n dev`,
      { stdout: 'yes\n', stderr: '', exitCode: 0 },
    ],
    [`get pods/log --as eve --as-group ops --policy ${rbac} -n dev`, { stdout: 'yes\n', exitCode: 0 }],
    [
      `get pods --subresource log --as eve --as-group ops --policy ${rbac} -n dev`,
      { stdout: 'no\n', exitCode: 1 },
    ],
    [`get pods -A --as eve --as-group ops --policy ${rbac}`, { stdout: 'no\n', exitCode: 1 }],
    [
      '--list --as nobody',
      { stdout: 'Resources   Non-Resource URLs   Resource Names   Verbs\n', exitCode: 0 },
    ],
  ];
  for (const [words, printed] of cases)
    t.match(await run('auth', 'can-i', ...words.split(' ')), printed, words);
  const wrong: Readonly<Record<string, RegExp>> = {
    'can-i': /^error: you must specify two arguments: verb resource or verb resource\/resourceName\.\n/,
    'can-i use psp default': /^error: you must specify two arguments/,
    'can-i --list get': /^error: unexpected argument "get"\n/,
    whoami: /^error: unknown action "whoami"\n/,
    'can-i use psp/x --as-group g':
      /^error: requesting uid, groups or user-extra for kubernetes-admin without /,
  };
  for (const [words, stderr] of Object.entries(wrong))
    t.match(await run('auth', ...words.split(' ')), { stdout: '', stderr, exitCode: 1 }, words);
});
