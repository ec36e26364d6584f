import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isRoot, needsRoot, podspace, runPod, start } from './harness.ts';
import { importImages, listOf, ownState, scripted } from './with-policies.ts';

const state = ownState(t.testdir({}));
const { root, on, write, outputOf } = state;

t.before(() => {
  if (isRoot) importImages(state);
});

const SPEC = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
const claim = (name: string, spec: object = SPEC): object => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name },
  spec,
});
const mounted = { volumeMounts: [{ name: 'v', mountPath: '/v' }] };
const using = (script: string, source: object = {}, more: object = {}) =>
  scripted(
    script,
    { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data', ...source } }], ...more },
    mounted,
  );

t.test('a claim outlives its pods, and goes when it is deleted', { skip: needsRoot }, async t => {
  t.match(on('apply', '-f', write('claim.json', claim('data'))), {
    status: 0,
    stdout: 'persistentvolumeclaim/data created\n',
  });
  t.match(on('get', 'pvc').stdout, /^NAME +STATUS .*\ndata +Pending +<unset> +\d+s\n$/);
  t.equal(outputOf(using('stat -c %a /v; echo kept > /v/file')), '777\n');
  t.match(on('get', 'pvc').stdout, /\ndata +Bound +pvc-[0-9a-f-]{36} +1Gi +RWO +<unset> +\d+s\n$/);
  t.equal(outputOf(using('cat /v/file')), 'kept\n');
  t.match(
    outputOf(using('cat /v/file; touch /v/x', { readOnly: true })),
    /^kept\ntouch: .*Read-only file system/,
  );
  const pod = using('echo ready; sleep 60');
  const running = start(['run', '-', '--root', root], JSON.stringify(pod));
  t.teardown(() => running.child.kill('SIGKILL'));
  await running.waitFor('ready');
  // What runs is written down for other commands a little later.
  const { name } = pod.metadata;
  for (let i = 0; i < 200; i++) {
    if (podspace(['exec', '--root', root, name, '--', 'true']).status === 0) break;
    await new Promise(done => setTimeout(done, 20));
  }
  t.match(on('delete', 'pvc', 'data'), {
    status: 1,
    stderr: `error: persistentvolumeclaim "data" is in use by pod "default/${name}"\n`,
  });
  running.child.kill('SIGKILL');
  await running.ended;
  const swept = on('gc');
  t.equal(swept.status, 0, swept.stderr);
  t.match(on('delete', 'pvc', 'data'), { status: 0, stdout: 'persistentvolumeclaim "data" deleted\n' });
  t.notOk(existsSync(join(root, 'claims')));
  t.match(on('delete', 'pvc', 'data'), {
    status: 1,
    stderr: 'Error from server (NotFound): persistentvolumeclaims "data" not found\n',
  });
  t.end();
});

t.test('a claim that is not there, or cannot be had', { skip: needsRoot }, t => {
  const failure = (...items: readonly object[]) => {
    const { phase, reason, message, status } = runPod(listOf(...items), '--root', root);
    return { phase, reason, message, status };
  };
  t.match(failure(using('true')), {
    phase: 'Pending',
    reason: 'Unschedulable',
    message: '0/1 nodes are available: persistentvolumeclaim "data" not found.',
    status: 1,
  });
  t.match(failure(claim('data', { ...SPEC, volumeMode: 'Block' }), using('true')), {
    reason: 'FailedMount',
    message: /volume v has volumeMode Block, but is specified in volumeMounts$/,
  });
  const said = (spec: object): string => {
    try {
      return String(failure(claim('data', spec), using('true')).message);
    } catch (error) {
      return (error as Error).message;
    }
  };
  t.match(said({}), /The PersistentVolumeClaim "data" is invalid: /);
  t.match(
    said({ ...SPEC, volumeName: 'pv' }),
    /persistentvolumeclaim "data": spec.volumeName: .*\nhint: remove volumeName/,
  );
  t.same(state.left(), []);
  t.end();
});

t.test('a claim of the manifest, in a user namespace, the group’s with fsGroup', { skip: needsRoot }, t => {
  const more = { hostUsers: false, securityContext: { runAsUser: 405, fsGroup: 555 } };
  const both = (script: string): string => outputOf(listOf(claim('data'), using(script, {}, more)));
  t.equal(
    both('echo 1 > /v/file; chmod 600 /v/file; stat -c "%a %u:%g" /v /v/file'),
    '2777 0:555\n600 405:555\n',
  );
  const file = join(root, 'claims/default/data/file');
  t.match(statSync(file), { uid: 405, gid: 555 }, 'on the disk with the ids of the pod');
  t.equal(both('stat -c "%a %u:%g" /v/file'), '660 405:555\n');
  t.equal(on('delete', 'pvc', 'data').status, 0);
  t.end();
});

t.test('what a container leaves in a claim leads nobody out of it', { skip: needsRoot }, t => {
  const outside = join(t.testdir({ outside: { victim: 'host' } }), 'outside');
  const pod = (script: string, more: object = {}) => listOf(claim('data'), using(script, {}, more));
  // Links to the host, a name that is no UTF-8, and a directory that is a link the next time.
  outputOf(pod(`ln -s ${outside} /v/dir; ln -s ${outside}/victim /v/file; touch "/v/$(printf '\\377')"`));
  const before = statSync(join(outside, 'victim'));
  t.equal(outputOf(pod('stat -c %g /v/dir', { securityContext: { fsGroup: 555 } })), '555\n');
  t.match(statSync(join(outside, 'victim')), { gid: before.gid, mode: before.mode });
  t.equal(statSync(outside).gid, before.gid);
  t.equal(on('delete', 'pvc', 'data').status, 0);
  t.same(readdirSync(outside), ['victim'], 'to delete a claim removes links, not what they lead to');
  t.same(state.left(), []);
  t.end();
});

t.test(
  'fsGroup goes over a claim while another pod swaps its directories for links',
  { skip: needsRoot },
  async t => {
    const outside = join(t.testdir({ outside: { victim: 'host' } }), 'outside');
    const claims = join(root, 'claims/default/data');
    const loop = `mkdir -p /v/real; touch /v/real/victim; echo ready
    while :; do mv -T /v/real /v/a 2>/dev/null; ln -s ${outside} /v/l; mv -T /v/a /v/real; mv -T /v/l /v/a; rm -f /v/a; done 2>/dev/null`;
    const swapping = start(
      ['run', '-', '--root', root],
      JSON.stringify(listOf(claim('data'), using(loop, {}, { terminationGracePeriodSeconds: 0 }))),
    );
    t.teardown(() => swapping.child.kill('SIGKILL'));
    await swapping.waitFor('ready');
    for (let i = 0; i < 8; i++) {
      const { phase } = runPod(
        listOf(claim('data'), using('true', {}, { securityContext: { fsGroup: 555 } })),
        '--root',
        root,
      );
      t.equal(phase, 'Succeeded');
    }
    t.equal(statSync(outside).gid, 0);
    t.equal(statSync(join(outside, 'victim')).gid, 0);
    t.ok(existsSync(claims));
    swapping.child.kill('SIGTERM');
    await swapping.ended;
    t.equal(on('delete', 'pvc', 'data').status, 0);
    t.end();
  },
);

t.test('ephemeral: a claim that goes with the pod', { skip: needsRoot }, t => {
  const volumes = [{ name: 'v', ephemeral: { volumeClaimTemplate: { spec: SPEC } } }];
  const pod = scripted('stat -c %a /v; ls /v; touch /v/x', { volumes }, mounted);
  t.equal(outputOf(pod), '777\n');
  t.equal(outputOf(pod), '777\n');
  const { name } = pod.metadata;
  t.match(runPod(listOf(claim(`${name}-v`), pod), '--root', root), {
    phase: 'Pending',
    reason: 'Unschedulable',
    message: `PVC default/${name}-v was not created for pod default/${name} (pod is not owner)`,
  });
  t.same(state.left(), []);
  t.end();
});

t.test('image: a read-only, noexec look into another image', { skip: needsRoot }, t => {
  const volumes = [{ name: 'v', image: { reference: 'localhost/probe' } }];
  const mounts = [
    { name: 'v', mountPath: '/v' },
    { name: 'v', mountPath: '/etc/of-image', subPath: 'etc' },
  ];
  const script =
    'ls /v | head -1 >/dev/null && echo there; (touch /v/x) 2>&1 | grep -o "Read-only file system"; grep " /v " /proc/self/mountinfo | grep -o "ro,[a-z,]*noexec"';
  const source = join(t.testdir({ tree: {} }), 'tree');
  mkdirSync(join(source, 'etc'));
  writeFileSync(join(source, 'etc/motd'), 'of the image');
  symlinkSync('/etc', join(source, 'out'));
  t.equal(on('image', 'import', 'localhost/data', source).status, 0);
  for (const more of [{}, { hostUsers: false }]) {
    const result = outputOf(scripted(script, { volumes, ...more }, { volumeMounts: mounts.slice(0, 1) }));
    t.match(result, /^there\nRead-only file system\nro,/);
  }
  const data = [{ name: 'v', image: { reference: 'data' } }];
  const cat = (subPath: string) =>
    runPod(
      scripted('cat /m/motd', { volumes: data }, { volumeMounts: [{ name: 'v', mountPath: '/m', subPath }] }),
      '--root',
      root,
    ).containers[0];
  t.equal(cat('etc')?.stdout, 'of the image');
  t.match(cat('none')?.message, /ENOENT/, 'nothing is made in an image');
  t.match(cat('out')?.message, /EXDEV/, 'a link leads nowhere');
  const id = readdirSync(join(root, 'images/roots'));
  t.ok(id.length > 0);
  const missing = [{ name: 'v', image: { reference: 'localhost/none' } }];
  t.throws(
    () => runPod(scripted('true', { volumes: missing }, mounted), '--root', root),
    /volume "v": image "localhost\/none" is not in the local store/,
  );
  t.equal(on('image', 'rm', 'localhost/data').status, 0);
  t.equal(readFileSync(join(source, 'etc/motd'), 'utf8'), 'of the image');
  t.end();
});

t.test('nothing is left behind', { skip: needsRoot }, t => {
  t.same(state.left(), []);
  t.end();
});
