import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import {
  leftovers,
  needsRoot,
  PODSPACE,
  podspace,
  probe,
  probePod,
  type Report,
  runPod,
  start,
} from './harness.ts';
import { differences, normalise } from './oracle.ts';

const shell = (script: string, container: object = {}, spec: object = {}) =>
  probePod(
    { hostUsers: false, ...spec },
    { image: 'localhost/busybox', command: ['sh', '-c', script], ...container },
  );

/** What a user namespace is allowed to change in the probe's report; everything else has to be the same. */
const CHANGES: readonly (readonly [path: RegExp, why: string])[] = [
  [/^namespaces\.user$/, 'that is the point'],
  [/^devices\.[^.]+\.[ug]id$/, 'the machine’s own nodes: their owner is unknown here'],
  [/^mounts\.\/dev\/(null|zero|full|random|urandom|tty)$/, 'device nodes can only be bound'],
  [/^mounts\./, 'id-mapped, or owned by the pod’s root'],
  [/^capBnd$|^capEff$|^capPrm$/, 'privileged is all there are, not all that podspace has'],
  [/^cgroup$|^namespaces\.cgroup$/, 'a privileged container keeps a cgroup namespace of its own'],
];
const user = { runAsUser: 405, runAsGroup: 100, supplementalGroups: [7] };
const PODS: Readonly<Record<string, readonly [spec: object, container: object]>> = {
  plain: [{}, {}],
  'a user': [{ securityContext: { ...user, fsGroup: 555 } }, {}],
  'dropped capabilities': [{}, { securityContext: { capabilities: { drop: ['ALL'], add: ['CHOWN'] } } }],
  'no new privileges': [{ securityContext: user }, { securityContext: { allowPrivilegeEscalation: false } }],
  'read-only root': [{}, { securityContext: { readOnlyRootFilesystem: true } }],
  privileged: [{}, { securityContext: { privileged: true } }],
  'shared processes': [{ shareProcessNamespace: true }, {}],
  'a hostname and a working directory': [{ hostname: 'other' }, { workingDir: '/a/b' }],
  limits: [{}, { resources: { limits: { cpu: 1, memory: '64Mi' } } }],
};

for (const [title, [spec, container]] of Object.entries(PODS)) {
  t.test(`the same with and without a user namespace: ${title}`, { skip: needsRoot }, t => {
    // Which device nodes there are is one matter, how they got there another: bound ones come with the machine's mode.
    const [inside, outside] = [true, false].map(isOwn => {
      const { hostname, ...report } = probe({ ...spec, ...(isOwn ? { hostUsers: false } : {}) }, container);
      return normalise({ ...report, hostname: hostname.replace(/^test-.*/, '') } as Report);
    });
    const found = differences(inside ?? new Map(), outside ?? new Map()).filter(
      ({ path }) => !CHANGES.some(([allowed]) => allowed.test(path)),
    );
    t.same(
      found.filter(({ path }) => !/^env|^argv/.test(path)),
      [],
    );
    t.end();
  });
}

t.test('root inside is nobody outside, and files keep their owner', { skip: needsRoot }, t => {
  const directory = mkdtempSync(join(tmpdir(), 'podspace-test-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'theirs'), 'x', { mode: 0o600 });
  const script = [
    'cat /proc/self/uid_map /proc/self/gid_map',
    'touch /host/root; su guest -s /bin/sh -c "touch /disk/guest /memory/guest"',
    'ls -ln /host /disk /memory | grep -o "^-.*" | awk "{print \\$3, \\$4, \\$NF}"',
    'cat /host/theirs; mknod /dev/kmsg2 c 1 11 && cat /dev/kmsg2; echo x > /proc/sys/kernel/core_pattern',
  ].join('\n');
  const volumes = [
    { name: 'host', hostPath: { path: directory } },
    { name: 'disk', emptyDir: {} },
    { name: 'memory', emptyDir: { medium: 'Memory' } },
  ];
  const mounts = volumes.map(({ name }) => ({ name, mountPath: `/${name}` }));
  const result = runPod(
    shell(
      `${script}\ntrue`,
      { volumeMounts: mounts, securityContext: { capabilities: { add: ['ALL'] } } },
      { volumes },
    ),
  );
  const [first = '', second, ...files] = (result.containers[0]?.stdout ?? '').trim().split('\n');
  const [inside, outside, size] = first.trim().split(/\s+/).map(Number);
  t.equal(first.trim(), second?.trim());
  t.equal(inside, 0);
  t.equal(size, 65536);
  t.equal((outside ?? 1) % 65536, 0);
  t.ok((outside ?? 0) >= 65536);
  t.same(files.sort(), ['0 0 root', '0 0 theirs', '405 100 guest', '405 100 guest', 'x'].sort());
  t.equal(statSync(join(directory, 'root')).uid, 0, 'as it is in the container');
  t.match(result.containers[0]?.stderr, /mknod: .*Operation not permitted/);
  t.match(result.containers[0]?.stderr, /core_pattern: Read-only/);
  t.same(leftovers(), []);
  t.end();
});

t.test(
  'all containers of a pod are in one user namespace, two pods never in the same ids',
  { skip: needsRoot },
  t => {
    const map = ['sh', '-c', 'cat /proc/self/uid_map; readlink /proc/self/ns/user; sleep 1'];
    const containers = ['a', 'b'].map(name => ({ name, image: 'localhost/busybox', command: map }));
    const pods = [0, 1, 2].map(i => ({
      ...probePod({ hostUsers: false, containers }),
      metadata: { name: `ids-${process.pid}-${i}` },
    }));
    const list = { apiVersion: 'v1', kind: 'List', items: pods };
    const ran = podspace(['run', '-', '-o', 'json'], JSON.stringify(list));
    const { items } = JSON.parse(ran.stdout) as { items: { containers: { stdout: string }[] }[] };
    const bases = items.map(({ containers: [a, b] }) => {
      t.ok(a?.stdout);
      t.equal(a?.stdout, b?.stdout);
      return a?.stdout.trim().split(/\s+/)[1];
    });
    t.equal(new Set(bases).size, 3);
    t.same(leftovers(), []);
    t.end();
  },
);

const hasStrace = spawnSync('strace', ['-V']).status === 0;

t.test(
  'a range is free again when the pod’s last process and its last file have gone, not before',
  { skip: needsRoot || (hasStrace ? false : 'needs strace') },
  t => {
    const log = join(t.testdir({}), 'log');
    const pod = JSON.stringify(shell('true', {}, { shareProcessNamespace: true }));
    const traced = ['-qq', '-o', log, '-e', 'trace=rmdir,unlink', process.execPath, PODSPACE, 'run', '-'];
    t.equal(spawnSync('strace', traced, { input: pod }).status, 0);
    const calls = readFileSync(log, 'utf8').split('\n');
    const last = (what: string): number =>
      calls.findLastIndex(line => line.includes(what) && line.endsWith(' = 0'));
    const freed = last('unlink("/run/podspace/ids/');
    t.ok(last('/sys/fs/cgroup/') > 0);
    t.ok(freed > last('/sys/fs/cgroup/'), 'after its cgroups');
    t.ok(freed > last('/var/lib/podspace/pods/'), 'after its files');
    t.end();
  },
);

t.test('inspect, ps and exec of a pod with a user namespace', { skip: needsRoot }, async t => {
  const pod = shell('echo up; sleep 60', { securityContext: { runAsUser: 405 } }) as {
    metadata: { name: string };
  };
  const { name } = pod.metadata;
  const run = start(['run', '-'], JSON.stringify(pod));
  await run.waitFor('up');
  await new Promise(resolve => setTimeout(resolve, 200));
  const [container] = JSON.parse(podspace(['inspect', name, '-o', 'json']).stdout).containers;
  t.match(container, { uid: 405, gid: 100, uidMappings: [{ containerID: 0, size: 65536 }] });
  const [{ hostID = 0 }] = container.uidMappings;
  t.match(
    podspace(['inspect', name]).stdout,
    `ids 0 to 65535 are ${hostID} to ${hostID + 65535} of the host`,
  );
  t.equal(statSync(`/proc/${container.pid}`).uid, hostID + 405);
  t.ok(existsSync(`/run/podspace/ids/${hostID}`), 'kept on disk');
  t.match(podspace(['ps', name]).stdout, / 405 /);
  const inside = podspace([
    'exec',
    name,
    '--',
    'sh',
    '-c',
    'id -u; cat /proc/self/uid_map; echo x > /dev/stdout',
  ]);
  t.match(inside.stdout, new RegExp(`^405\\n +0 +${hostID} +65536\\nx\\n$`));
  run.child.kill('SIGKILL');
  await run.ended;
  podspace(['gc']);
  t.same(leftovers(), [], 'the range is free again');
});

t.test('a hostPath whose filesystem cannot map ids is refused with a reason', { skip: needsRoot }, t => {
  const volumes = [{ name: 'v', hostPath: { path: '/proc' } }];
  const [container] = runPod(
    shell('true', { volumeMounts: [{ name: 'v', mountPath: '/v' }] }, { volumes }),
  ).containers;
  t.match(container, { reason: 'StartError' });
  t.match(
    container?.message,
    /mount_setattr\(.*EINVAL.*: a volume with hostUsers: false must be on a filesystem/,
  );
  t.same(leftovers(), []);
  t.end();
});

t.test('an id that is not mapped is refused with a reason', { skip: needsRoot }, t => {
  for (const [securityContext, message] of [
    [{ runAsUser: 70000 }, 'user 70000 is not in the pod’s user namespace'],
    [{ runAsUser: 1, runAsGroup: 65536 }, 'group 65536 is not in the pod’s user namespace'],
  ] as const) {
    const [container] = runPod(shell('true', {}, { securityContext })).containers;
    t.match(container, { reason: 'CreateContainerError' });
    t.match(container?.message?.replace("'", '’'), message);
  }
  t.same(leftovers(), []);
  t.end();
});
