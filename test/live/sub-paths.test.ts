import { spawnSync } from 'node:child_process';
import { readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isRoot, needsRoot, runPod, start } from './harness.ts';
import { importImages, listOf, ownState, scripted } from './with-policies.ts';

const state = ownState(t.testdir({}));
const { root, on } = state;

t.before(() => {
  if (isRoot) importImages(state);
});

const run = (
  script: string,
  volume: object,
  mounts: readonly object[],
  more: object = {},
  container: object = {},
) => {
  const pod = scripted(
    script,
    { volumes: [{ name: 'v', ...volume }], ...more },
    { volumeMounts: mounts.map(mount => ({ name: 'v', mountPath: '/m', ...mount })), ...container },
  );
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  };
  return runPod(listOf(claim, pod), '--root', root).containers[0];
};
const env = (name: string, value: string): object => ({ env: [{ name, value }] });

t.test('subPathExpr: a directory for each pod, made with the mode of its volume', { skip: needsRoot }, t => {
  const claimed = { persistentVolumeClaim: { claimName: 'data' } };
  const expression = [{ subPathExpr: 'logs/$(WHO)' }];
  const user = { securityContext: { runAsUser: 405 } };
  t.equal(
    run('stat -c %a /m; echo a > /m/log; cat /m/log', claimed, expression, user, env('WHO', 'a'))?.stdout,
    '777\na\n',
  );
  t.equal(run('ls /m', claimed, expression, user, env('WHO', 'b'))?.stdout, '');
  t.equal(run('ls /m/*', claimed, [{ subPath: 'logs' }])?.stdout, '/m/a:\nlog\n\n/m/b:\n');
  t.equal(run('stat -c %a /m', { emptyDir: { medium: 'Memory' } }, [{ subPath: 'a/b' }])?.stdout, '777\n');
  t.equal(
    run('umask', { emptyDir: {} }, [{ subPath: 'a' }])?.stdout,
    run('umask', { emptyDir: {} }, [])?.stdout,
  );
  for (const [value, message] of [
    ['', 'missing value for WHO'],
    ['../..', "unable to provision SubPath `logs/../..`: must not contain '..'"],
  ] as const)
    t.match(run('true', claimed, expression, {}, env('WHO', value)), {
      reason: 'CreateContainerConfigError',
      message,
    });
  t.equal(on('delete', 'pvc', 'data').status, 0);
  t.end();
});

t.test('subPathExpr leads no further than subPath does', { skip: needsRoot }, t => {
  const directory = t.testdir({ volume: {}, outside: {} });
  symlinkSync(join(directory, 'outside'), join(directory, 'volume/link'));
  const volume = { hostPath: { path: join(directory, 'volume') } };
  const result = run('true', volume, [{ subPathExpr: '$(A)/made' }], {}, env('A', 'link'));
  t.match(result, { reason: 'StartError', message: /EXDEV/ });
  t.throws(() => statSync(join(directory, 'outside/made')));
  t.end();
});

t.test('nor while another pod swaps its directory for a link', { skip: needsRoot }, async t => {
  const directory = t.testdir({ volume: { d: {} }, outside: {} });
  const source = { hostPath: { path: join(directory, 'volume') } };
  const loop = `echo ready; while :; do ln -s ${join(directory, 'outside')} /m/l; mv -T /m/d /m/x; mv -T /m/l /m/d; rm /m/d; mv -T /m/x /m/d; done 2>/dev/null`;
  const pod = scripted(
    loop,
    { volumes: [{ name: 'v', ...source }], terminationGracePeriodSeconds: 0 },
    { volumeMounts: [{ name: 'v', mountPath: '/m' }] },
  );
  const swapping = start(['run', '-', '--root', root], JSON.stringify(pod));
  try {
    await swapping.waitFor('ready');
    for (let i = 0; i < 10; i++)
      run('touch /m/file', source, [{ subPathExpr: '$(A)/made' }], {}, env('A', 'd'));
  } finally {
    swapping.child.kill('SIGTERM');
    await swapping.ended;
  }
  t.same(readdirSync(join(directory, 'outside')), []);
  t.end();
});

t.test('a subPath that is a file is mounted on a file', { skip: needsRoot }, t => {
  const directory = t.testdir({ volume: { deep: {} }, outside: { secret: 'host' } });
  const volume = join(directory, 'volume');
  writeFileSync(join(volume, 'deep/app.conf'), 'of the host');
  symlinkSync('deep/app.conf', join(volume, 'link'));
  symlinkSync('../outside/secret', join(volume, 'out'));
  const cat = (subPath: string, more: object = {}) =>
    run('cat /etc/app.conf', { hostPath: { path: volume } }, [{ mountPath: '/etc/app.conf', subPath }], more);
  t.equal(cat('deep/app.conf')?.stdout, 'of the host');
  t.equal(cat('link')?.stdout, 'of the host');
  t.equal(cat('deep/app.conf', { hostUsers: false })?.stdout, 'of the host');
  t.match(cat('out'), { reason: 'StartError', message: /EXDEV/ });
  t.end();
});

t.test('recursiveReadOnly reaches what is mounted below', { skip: needsRoot }, t => {
  const directory = t.testdir({ volume: { below: {} } });
  const below = join(directory, 'volume/below');
  const touch = (recursiveReadOnly?: string): string | undefined =>
    run(
      'touch /m/x 2>/dev/null || echo root; touch /m/below/x 2>/dev/null || echo below',
      { hostPath: { path: join(directory, 'volume') } },
      [{ readOnly: true, ...(recursiveReadOnly === undefined ? {} : { recursiveReadOnly }) }],
    )?.stdout;
  t.equal(spawnSync('mount', ['-t', 'tmpfs', 'none', below]).status, 0);
  try {
    t.equal(touch(), 'root\n', 'readOnly alone is about the volume itself');
    t.equal(touch('Disabled'), 'root\n');
    t.equal(touch('Enabled'), 'root\nbelow\n');
    t.equal(touch('IfPossible'), 'root\nbelow\n');
  } finally {
    t.equal(spawnSync('umount', [below]).status, 0);
  }
  t.end();
});

t.test('nothing is left behind', { skip: needsRoot }, t => {
  t.same(state.left(), []);
  t.end();
});
