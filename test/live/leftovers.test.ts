import t from 'tap';
import { leftovers, needsRoot, podspace, probePod, runPod, start } from './harness.ts';

const shell = (script: string): object => ({ image: 'localhost/busybox', command: ['sh', '-c', script] });
const volumes = [{ name: 'v', emptyDir: {} }];
const volumeMounts = [{ name: 'v', mountPath: '/v' }];

/** What a container may leave in its root, or in a volume, and podspace must remove. */
const MESS: Readonly<Record<string, string>> = {
  'names that are no UTF-8': 'n=$(printf "caf\\351\\377"); touch "$n" "f$n"; mkdir "d$n"; touch "d$n/$n"',
  // From the inside out: no single path says all of it.
  'directories deeper than a path':
    'n=$(printf "d%.0s" $(seq 250)); mkdir cur; touch cur/file; for i in $(seq 30); do mkdir next; mv cur next/$n; mv next cur; done',
  'files without permissions, fifos, sockets, devices, links':
    'mkdir d; touch d/f; mkfifo d/p; mknod d/n c 1 3; ln -s /etc d/l; ln -s d/l l; ln d/f h; chmod 0 d/f d',
  'what would be an option': 'touch -- -rf --help; mkdir -- -d; touch -- -d/-f',
};

for (const [title, script] of Object.entries(MESS)) {
  t.test(`${title} are removed with the pod`, { skip: needsRoot }, t => {
    for (const directory of ['/v', '/tmp']) {
      const result = runPod(
        probePod({ volumes }, { ...shell(`cd ${directory}; ${script}; echo made`), volumeMounts }),
      );
      t.match(result, { status: 0, containers: [{ stdout: 'made\n' }] }, `${directory}: ${result.stderr}`);
      t.same(leftovers(), [], directory);
    }
    t.end();
  });

  t.test(`${title} are removed by gc when podspace was killed`, { skip: needsRoot }, async t => {
    const pod = probePod({ volumes }, { ...shell(`cd /v; ${script}; echo made; sleep 100`), volumeMounts });
    const running = start(['run', '-'], JSON.stringify(pod));
    await running.waitFor('made');
    running.child.kill('SIGKILL');
    await running.ended;
    const gc = podspace(['gc']);
    t.equal(gc.status, 0, gc.stderr);
    // A pod that was killed before its record was written is known by its uid, and by the name it had claimed.
    t.match(gc.stdout, new RegExp(`^removed (pod|name) default/${pod.metadata.name}( |$)`, 'm'));
    t.same(leftovers(), []);
  });
}

t.test('a umask of podspace’s own reaches no container', { skip: needsRoot }, t => {
  const umask = process.umask(0o077);
  t.teardown(() => process.umask(umask));
  const objects = [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'm' }, data: { key: 'value' } },
    probePod(
      { volumes: [{ name: 'v', configMap: { name: 'm' } }], securityContext: { runAsUser: 405 } },
      {
        ...shell('stat -Lc %a / /v /v/..data /etc/hosts /etc/hostname /etc/resolv.conf; cat /v/key; umask'),
        volumeMounts,
      },
    ),
  ];
  const { containers } = runPod({ apiVersion: 'v1', kind: 'List', items: objects });
  t.equal(containers[0]?.stdout, '755\n777\n755\n644\n644\n644\nvalue0022\n', `${containers[0]?.stderr}`);
  t.end();
});
