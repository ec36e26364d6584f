import { join } from 'node:path';
import t from 'tap';
import { compilePod, runPod as runInProcess } from '../../src/library.ts';
import { isRoot, needsRoot, podspace, probePod, type Ran } from './harness.ts';
import {
  importImages,
  inNamespace,
  listOf,
  mayUse,
  namespace,
  ownState,
  PRIVILEGED,
  policy,
  RESTRICTED,
  range,
  SECCOMP,
  scripted,
} from './with-policies.ts';

const state = ownState(t.testdir({}));
const { directory, root, write, outputOf, reportOf, left } = state;

t.before(() => {
  if (isRoot) importImages(state);
});

t.test('MustRunAs overrides the image’s USER', { skip: needsRoot }, t => {
  const pod = probePod({}, { image: 'localhost/user' });
  const policies = write('a.json', policy('p', { runAsUser: range(405, 500) }));
  t.equal(outputOf(pod), 'uid=1234(user) gid=1234 groups=1234\n', 'as the image has it');
  t.equal(outputOf(pod, '--policy', policies), 'uid=405 gid=0(root) groups=0(root)\n');
  t.match(
    outputOf(scripted('id'), '--policy', write('b.json', RESTRICTED)),
    'uid=1000 gid=3000 groups=5(tty),7,3000\n',
  );
  t.end();
});

t.test(
  'requiredDropCapabilities, readOnlyRootFilesystem, allowPrivilegeEscalation and seccomp',
  { skip: needsRoot },
  t => {
    const profiles = ['allowedProfileNames', 'defaultProfileName'].map(name => [
      `${SECCOMP}/${name}`,
      'runtime/default',
    ]);
    const settings = {
      requiredDropCapabilities: ['NET_RAW', 'MKNOD'],
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
    };
    const policies = write('a.json', policy('p', settings, Object.fromEntries(profiles)));
    const [before, after] = [reportOf(probePod()), reportOf(probePod(), '--policy', policies)];
    const dropped = (1n << 13n) | (1n << 27n);
    for (const set of ['capBnd', 'capEff', 'capPrm'] as const)
      t.equal(BigInt(`0x${after[set]}`), BigInt(`0x${before[set]}`) & ~dropped, set);
    t.match([before.noNewPrivs, after.noNewPrivs], ['0', '1']);
    t.match([before.seccomp, after.seccomp], ['0', '2']);
    t.match([before.rootWritable, after.rootWritable], [true, 30], 'EROFS');
    t.equal(outputOf(scripted('touch /x'), '--policy', policies), 'touch: /x: Read-only file system\n');
    const all = reportOf(probePod(), '--policy', write('b.json', RESTRICTED));
    t.equal(all.capBnd, '0000000000000000');
    t.end();
  },
);

t.test('a denied pod leaves nothing behind', { skip: needsRoot }, t => {
  const before = left();
  const policies = write('a.json', RESTRICTED, namespace('strict', { enforce: 'restricted' }));
  const privileged = scripted('true', {}, { securityContext: { privileged: true } });
  const cases: readonly (readonly [pod: object, args: readonly string[], stderr: RegExp])[] = [
    [
      privileged,
      ['--policy', policies],
      /^error: pods "test-\d+-\d+" is forbidden: PodSecurityPolicy: unable to admit pod: \[spec\.containers\[0\]\.securityContext\.privileged: Invalid value: true: Privileged containers are not allowed\]\n {2}\(stdin\):1:\d+: spec\.containers\[0\]\.securityContext\.privileged\n$/,
    ],
    [
      scripted('true'),
      ['--policy', policies, '--as', 'bob'],
      /is forbidden: PodSecurityPolicy: unable to admit pod: \[\]\nhint: "system:serviceaccount:default:default" or "bob" may use none of: restricted\n$/,
    ],
    [
      inNamespace(scripted('true'), 'strict'),
      ['--policy', write('b.json', namespace('strict', { enforce: 'restricted' }))],
      /is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false \(container "probe" must set securityContext\.allowPrivilegeEscalation=false\), /,
    ],
    [
      { ...scripted('true'), spec: { containers: [{ name: 'c', image: 'localhost/busybox', tty: 'x' }] } },
      ['--policy', policies],
      /expected a boolean/,
    ],
  ];
  for (const [i, [pod, args, stderr]] of cases.entries())
    for (const command of i === 0 ? ['run', 'audit', 'compile', 'explain'] : ['run'])
      t.match(podspace([command, '-', ...args, '--root', root], JSON.stringify(pod)), {
        status: 1,
        stdout: '',
        stderr,
      });
  t.strictSame(left(), before);
  // One that is denied keeps the others from running.
  const both = JSON.stringify(listOf(scripted('echo ran'), privileged));
  t.match(podspace(['run', '-', '--policy', policies, '--root', root], both), { status: 1, stdout: '' });
  t.strictSame(left(), before);
  t.end();
});

t.test('who may use both policies gets the one that changes nothing', { skip: needsRoot }, t => {
  const policies = write(
    'a.json',
    policy('default', { readOnlyRootFilesystem: true }),
    PRIVILEGED,
    ...mayUse('users', 'default'),
    ...mayUse('admins', 'default', 'privileged'),
  );
  const pod = probePod();
  const rootOf = (...groups: readonly string[]): unknown =>
    reportOf(pod, '--policy', policies, '--as', 'bob', ...groups.flatMap(group => ['--as-group', group]))
      .rootWritable;
  t.equal(rootOf('users'), 30, 'only "default", which makes the root read-only');
  t.equal(rootOf('users', 'admins'), true, '"privileged", which leaves the pod alone');
  t.equal(reportOf(pod, '--policy', policies).rootWritable, true, 'root may use all');
  const page = podspace(
    ['explain', '-', '--policy', policies, '--as', 'bob', '--as-group', 'users', '--root', root],
    JSON.stringify(pod),
  );
  t.match(
    page.stdout,
    /\n {2}admission +policy default +PodSecurityPolicy, which bob may use \(RBAC: allowed by ClusterRoleBinding "users" of ClusterRole "users" to Group "users"\)\n/,
  );
  t.match(page.stdout, /\n {2}root filesystem +policy default +read-only/);
  t.match(page.stdout, /\n {2}user +default +/, 'what the policy has not set is not its');
  t.end();
});

t.test('namespaces enforce and warn', { skip: needsRoot }, t => {
  const pod = scripted('echo ran');
  const labels = write(
    'a.json',
    namespace('lax', { enforce: 'baseline', warn: 'restricted', 'warn-version': 'v1.18' }),
    namespace('strict', { enforce: 'restricted' }),
  );
  const run = (name: string): Ran =>
    podspace(['run', '-', '--policy', labels, '--root', root], JSON.stringify(inNamespace(pod, name)));
  t.match(run('lax'), {
    status: 0,
    stdout: 'ran\n',
    stderr:
      'Warning: would violate PodSecurity "restricted:v1.18": allowPrivilegeEscalation != false (container "probe" must set securityContext.allowPrivilegeEscalation=false), runAsNonRoot != true (pod or container "probe" must set securityContext.runAsNonRoot=true)\n',
  });
  t.match(run('strict'), { status: 1, stdout: '', stderr: /violates PodSecurity "restricted:latest"/ });
  t.match(run('other'), { status: 0, stdout: 'ran\n', stderr: '' });
  t.end();
});

t.test('the library’s options', { skip: needsRoot }, async t => {
  const policies = write('a.json', RESTRICTED, PRIVILEGED, ...mayUse('users', 'restricted'));
  const pod = scripted('id -u');
  const options = { root, policy: policies };
  const user = { ...options, as: 'bob', asGroups: ['users'] };
  t.match(await runInProcess(pod, user), { containers: [{ stdout: '1000\n' }] });
  t.match(await runInProcess(pod, options), { containers: [{ stdout: '0\n' }] });
  t.match(await compilePod(pod, user), [
    { security: { identity: { uid: 1000 }, readOnlyRootFilesystem: true } },
  ]);
  await t.rejects(runInProcess(pod, { ...options, as: 'bob' }), {
    name: 'ForbiddenPodError',
    message: /is forbidden: PodSecurityPolicy: unable to admit pod: \[\]$/,
    hint: /"bob" may use none of: privileged, restricted$/,
  });
  await t.rejects(compilePod(pod, { root, level: 'restricted' }), {
    message: /violates PodSecurity "restricted:latest"/,
  });
  await t.rejects(compilePod(pod, { root, level: 'strict' }), { message: /"strict" is not a level/ });
  await t.rejects(compilePod(pod, { root, asGroups: ['users'] }), {
    message: /without impersonating a user/,
  });
  await t.rejects(compilePod(pod, { root, policy: join(directory, 'nosuch') }), { message: /cannot read/ });
  const warnings: string[] = [];
  const manifest = JSON.stringify(
    listOf(
      namespace('default', { enforce: 'privileged', warn: 'baseline' }),
      scripted('true', { hostPID: true }),
    ),
  );
  await runInProcess(manifest, { root, onWarning: warning => warnings.push(warning) });
  t.match(warnings, [/^would violate PodSecurity "baseline:latest": host namespaces \(hostPID=true\)$/]);
});
