import { readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import t from 'tap';
import { isRoot, needsRoot, runPod, start } from './harness.ts';
import { importImages, listOf, ownState, scripted } from './with-policies.ts';

const state = ownState(t.testdir({}));
const { root, on, write, outputOf } = state;

t.before(() => {
  if (isRoot) importImages(state);
});

const configMap = (name: string, data: object, more: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
  ...more,
});
const secret = (name: string, stringData: object): object => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name },
  stringData,
});
const apply = (...objects: readonly object[]) => on('apply', '-f', write('objects.json', ...objects));
const mountOf = (...names: readonly string[]): object => ({
  volumeMounts: names.map(name => ({ name, mountPath: `/${name}` })),
});

t.test('ConfigMaps and Secrets are stored, shown and changed', { skip: needsRoot }, t => {
  t.match(apply(configMap('settings', { a: '1' }), secret('keys', { token: 's3cret' })), {
    status: 0,
    stdout: 'configmap/settings created\nsecret/keys created\n',
  });
  t.match(apply(secret('keys', { token: 's3cret' })), { status: 0, stdout: 'secret/keys unchanged\n' });
  t.match(
    on('get', 'cm,secrets').stdout,
    /^NAME +DATA +AGE\nconfigmap\/settings +1 +\d+s\n\nNAME +TYPE +DATA +AGE\nsecret\/keys +Opaque +1 +\d+s\n$/,
  );
  t.match(on('get', 'secret', 'keys', '-o', 'yaml').stdout, `token: ${btoa('s3cret')}`);
  const [file = ''] = readdirSync(join(root, 'objects/Secret/default'));
  t.equal(statSync(join(root, 'objects/Secret/default', file)).mode & 0o777, 0o600);
  t.match(
    apply(configMap('bad', { '../a': '' })).stderr,
    /ConfigMap "bad" is invalid: data\[\.\.\/a\]: Invalid value/,
  );
  t.match(apply(configMap('fixed', { a: '1' }, { immutable: true })), { status: 0 });
  t.match(
    apply(configMap('fixed', { a: '2' }, { immutable: true })).stderr,
    /ConfigMap "fixed" is invalid: data: Forbidden: field is immutable when `immutable` is set/,
  );
  t.end();
});

t.test('a pod finds them where its manifest has none of the name', { skip: needsRoot }, t => {
  const spec = {
    volumes: [
      { name: 'c', configMap: { name: 'settings' } },
      { name: 's', secret: { secretName: 'keys' } },
    ],
  };
  const env = [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'settings', key: 'a' } } }];
  const script = 'cat /c/a /s/token; echo " $A $B"';
  const container = {
    ...mountOf('c', 's'),
    env,
    envFrom: [{ prefix: 'B', secretRef: { name: 'none', optional: true } }],
  };
  t.equal(outputOf(scripted(script, spec, container)), '1s3cret 1 \n');
  t.equal(
    outputOf(listOf(configMap('settings', { a: 'own' }), scripted(script, spec, container))),
    'owns3cret own \n',
  );
  const elsewhere = scripted(script, spec, container);
  const moved = { ...elsewhere, metadata: { ...elsewhere.metadata, namespace: 'other' } };
  t.match(runPod(moved, '--root', root), {
    phase: 'Pending',
    reason: 'FailedMount',
    message: /configmap "settings" not found$/,
  });
  t.end();
});

const changed = (file: string, value: string): string =>
  `i=0; until [ "$(cat ${file} 2>/dev/null)" = ${value} ]; do i=$((i+1)); [ $i -gt 1500 ] && exit 9; sleep 0.02; done`;

for (const more of [{}, { hostUsers: false, securityContext: { runAsUser: 405, fsGroup: 555 } }])
  t.test(`changes reach a pod that runs ${JSON.stringify(more)}`, { skip: needsRoot }, async t => {
    apply(configMap('settings', { a: '1', gone: 'x' }), secret('keys', { token: '1' }));
    on('delete', 'cm', 'later');
    const sources = [{ secret: { name: 'keys' } }, { configMap: { name: 'settings' } }];
    const volumes = [
      { name: 'c', configMap: { name: 'settings' } },
      { name: 'p', projected: { sources, defaultMode: 0o440 } },
      { name: 'later', configMap: { name: 'later', optional: true } },
    ];
    // What mounts a subPath stays as it was.
    const script = `cd /c; echo ready; ${changed('/c/a', '2')}; ${changed('/p/token', '2')}
      echo "a=$(cat a) b=$(cat b) gone=$(ls gone 2>/dev/null) sub=$(cat /sub) $(stat -L -c %a /p/token) $(ls -a /c | grep -c '^[.][.]2')"
      ${changed('/later/x', 'new')}; echo later; ${changed('/later/x', '""')}; cat /c/a; echo end`;
    const { volumeMounts } = mountOf('c', 'p', 'later') as { volumeMounts: object[] };
    const pod = scripted(
      script,
      { volumes, ...more },
      {
        volumeMounts: [...volumeMounts, { name: 'c', mountPath: '/sub', subPath: 'a' }],
      },
    );
    const run = start(['run', '-', '--root', root], JSON.stringify(pod));
    t.teardown(() => run.child.kill('SIGKILL'));
    await run.waitFor('ready');
    t.match(apply(configMap('settings', { a: '2', b: 'new' })), {
      stdout: 'configmap/settings configured\n',
    });
    t.match(apply(secret('keys', { token: '2' })), { stdout: 'secret/keys configured\n' });

    await run.waitFor(`a=2 b=new gone= sub=1 440 1\n`);
    apply(configMap('later', { x: 'new' }));
    await run.waitFor('later\n');
    // An object that goes leaves the files of a volume that needs it.
    on('delete', 'cm', 'later', 'settings');
    await run.waitFor('2end\n');
    t.equal(await run.ended, 0, run.output());
    t.end();
  });

t.test('a container reads either the old files or the new ones', { skip: needsRoot }, async t => {
  const pair = (n: number): object => configMap('pair', { a: String(n), b: String(n) });
  apply(pair(0));
  // Both through one directory, as a program does that follows ..data once.
  const script = `echo ready; while :; do cd -P /v/..data || exit 8; a=$(cat a 2>/dev/null); b=$(cat b 2>/dev/null); cd /
    [ "$a" = "$b" ] || [ -z "$a" ] || [ -z "$b" ] || { echo "torn $a $b"; exit 7; }
    [ "$a" = 20 ] && exit 0; done`;
  const pod = scripted(script, { volumes: [{ name: 'v', configMap: { name: 'pair' } }] }, mountOf('v'));
  const run = start(['run', '-', '--root', root], JSON.stringify(pod));
  t.teardown(() => run.child.kill('SIGKILL'));
  await run.waitFor('ready');
  for (let n = 1; n <= 20; n++) apply(pair(n));
  t.equal(await run.ended, 0, run.output());
  t.end();
});

t.test('a container that can write to its volume leads no update out of it', { skip: needsRoot }, async t => {
  const host = t.testdir({ victim: { a: 'host' } });
  apply(configMap('hostile', { a: '0' }));
  const script = `mount -o remount,rw,bind /v || exit 5; echo ready
    while ! grep -q 9 /v/..data/a 2>/dev/null; do
      ln -sfn ${host}/victim /v/..data_tmp; ln -sfn ../../../../${relative(root, host)}/victim /v/..data; rm -rf /v/a; ln -sfn ${host}/victim/a /v/a; done 2>/dev/null; echo end`;
  const pod = scripted(
    script,
    { volumes: [{ name: 'v', configMap: { name: 'hostile' } }], terminationGracePeriodSeconds: 0 },
    {
      ...mountOf('v'),
      securityContext: { privileged: true },
    },
  );
  const run = start(['run', '-', '--root', root], JSON.stringify(pod));
  t.teardown(() => run.child.kill('SIGKILL'));
  await run.waitFor('ready');
  for (let n = 1; n <= 9; n++) apply(configMap('hostile', { a: String(n) }));
  await Promise.race([run.ended, new Promise(done => setTimeout(done, 3000))]);
  run.child.kill('SIGTERM');
  await run.ended;
  t.same(readdirSync(join(host, 'victim')), ['a'], 'nothing was written or removed beyond the volume');
  t.end();
});

t.test('nothing is left behind', { skip: needsRoot }, t => {
  on('delete', 'cm', 'fixed', 'pair', 'hostile');
  on('delete', 'secret', 'keys');
  t.same(state.left(), []);
  t.end();
});
