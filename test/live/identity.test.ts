import { readFileSync } from 'node:fs';
import t from 'tap';
import { leftovers, needsRoot, probe, probePod, runPod } from './harness.ts';

t.test('a pod that says nothing', { skip: needsRoot }, t => {
  const report = probe();
  t.same(report.uid, [0, 0, 0]);
  t.same(report.groups, [0]);
  t.equal(report.capEff, '00000000a80425fb');
  t.equal(report.capBnd, '00000000a80425fb');
  t.equal(report.capPrm, '00000000a80425fb');
  t.equal(report.capInh, '0000000000000000');
  t.equal(report.capAmb, '0000000000000000');
  t.equal(report.noNewPrivs, '0');
  t.equal(report.seccomp, '0');
  t.equal(report.sigBlk, '0000000000000000');
  t.equal(report.sigIgn, '0000000000000000', 'SIGPIPE and SIGXFSZ, which Node ignores, are not inherited');
  t.equal(report.umask, '0022');
  t.equal(report.cwd, '/');
  t.equal(report.pid, 1);
  t.equal(report.sid, 1);
  t.same(Object.keys(report.fds), ['0', '1', '2'], 'no fd of the host');
  t.equal(report.fds['0'], '/dev/null');
  t.equal(report.deathSignal, 9);
  t.same(report.interfaces, { eth0: 'up', lo: 'up' });
  t.equal(report.rootWritable, true);
  t.equal(report.rlimits.NOFILE?.[0], 1024);
  t.same(report.processes, [[1, 'probe']]);
  t.end();
});

t.test('runAsUser, runAsGroup, supplementalGroups, fsGroup', { skip: needsRoot }, t => {
  const report = probe({
    securityContext: { runAsUser: 1000, runAsGroup: 3000, supplementalGroups: [4000, 2000], fsGroup: 555 },
  });
  t.same(report.uid, [1000, 1000, 1000]);
  t.same(report.gid, [3000, 3000, 3000]);
  t.same(report.groups, [555, 2000, 3000, 4000]);
  t.equal(report.capEff, '0000000000000000');
  t.equal(report.capPrm, '0000000000000000');
  t.equal(report.capBnd, '00000000a80425fb');
  t.end();
});

t.test('a user may open its own output again', { skip: needsRoot }, t => {
  const script = 'echo out > /dev/stdout; echo err > /dev/stderr; echo fd > /proc/self/fd/1';
  const command = ['sh', '-c', script];
  const { containers } = runPod(
    probePod({ securityContext: { runAsUser: 405 } }, { image: 'localhost/busybox', command }),
  );
  t.match(containers, [{ stdout: 'out\nfd\n', stderr: 'err\n' }]);
  t.end();
});

t.test('a container overrides its pod, field by field', { skip: needsRoot }, t => {
  const report = probe(
    { securityContext: { runAsUser: 1000, runAsGroup: 3000 } },
    { securityContext: { runAsUser: 405 } },
  );
  t.same(report.uid, [405, 405, 405]);
  t.same(report.gid, [3000, 3000, 3000]);
  t.ok(report.groups.includes(20), 'the group that lists guest in /etc/group');
  t.ok(report.env.includes('HOME=/home/guest'));
  t.end();
});

t.test('supplementalGroupsPolicy Strict leaves the groups of the image out', { skip: needsRoot }, t => {
  t.same(probe({ securityContext: { runAsUser: 405, supplementalGroupsPolicy: 'Strict' } }).groups, [100]);
  t.end();
});

const refusals = [
  [{ runAsNonRoot: true }, 'container has runAsNonRoot and image will run as root'],
  [{ runAsNonRoot: true, runAsUser: 0 }, "container's runAsUser breaks non-root policy"],
] as const;
for (const [securityContext, message] of refusals) {
  t.test(`refused: ${JSON.stringify(securityContext)}`, { skip: needsRoot }, t => {
    const pod = probePod({ securityContext });
    const result = runPod(pod);
    t.equal(result.phase, 'Pending');
    t.equal(result.containers[0]?.reason, 'CreateContainerConfigError');
    t.match(
      result.containers[0]?.message,
      new RegExp(
        `^${message.replace(/[()']/g, '.')} \\(pod: "${pod.metadata.name}_default\\([0-9a-f-]{36}\\)", container: probe\\)$`,
      ),
    );
    t.equal(result.status, 1);
    t.end();
  });
}

const capabilities: readonly (readonly [object, string])[] = [
  [{ drop: ['ALL'] }, '0000000000000000'],
  [{ drop: ['ALL'], add: ['NET_BIND_SERVICE'] }, '0000000000000400'],
  [{ add: ['NET_ADMIN', 'sys_time'] }, '00000000aa0435fb'],
  [{ add: ['KILL'], drop: ['KILL', 'CHOWN'] }, '00000000a80425da'],
  [{ add: ['CAP_NET_ADMIN'] }, '00000000a80425fb'],
];
for (const [request, expected] of capabilities) {
  t.test(`capabilities ${JSON.stringify(request)}`, { skip: needsRoot }, t => {
    const report = probe({}, { securityContext: { capabilities: request } });
    t.same(
      [report.capBnd, report.capEff, report.capPrm, report.capInh, report.capAmb],
      [expected, expected, expected, '0000000000000000', '0000000000000000'],
    );
    t.end();
  });
}

t.test('privileged: all that podspace itself has, every device, nothing masked', { skip: needsRoot }, t => {
  const report = probe({}, { securityContext: { privileged: true, capabilities: { drop: ['ALL'] } } });
  const own = /CapBnd:\s*(\w+)/.exec(probeOwnStatus())?.[1];
  t.equal(report.capEff, own);
  t.ok(Object.keys(report.devices).length > 20);
  t.notOk(report.mounts.some(line => line.includes(' /proc/sys ')));
  t.ok(report.mounts.some(line => / \/sys rw/.test(line)));
  t.end();
});

function probeOwnStatus(): string {
  return process.platform === 'linux' ? readFileSync('/proc/self/status', 'utf8') : '';
}

t.test('allowPrivilegeEscalation: false is no_new_privs', { skip: needsRoot }, t => {
  t.equal(probe({}, { securityContext: { allowPrivilegeEscalation: false } }).noNewPrivs, '1');
  t.end();
});

t.test('readOnlyRootFilesystem: the root only', { skip: needsRoot }, t => {
  const report = probe({}, { securityContext: { readOnlyRootFilesystem: true } });
  t.equal(report.rootWritable, 30, 'EROFS');
  const access = (path: string): string | undefined =>
    report.mounts
      .find(line => line.split(' ')[4] === path)
      ?.split(' ')[5]
      ?.split(',')[0];
  t.equal(access('/etc/hosts'), 'rw');
  t.equal(access('/etc/hostname'), 'ro');
  t.equal(access('/etc/resolv.conf'), 'ro');
  t.equal(access('/dev/shm'), 'rw');
  t.end();
});

t.test('nothing is left behind', { skip: needsRoot }, t => {
  t.same(leftovers(), []);
  t.end();
});
