import { readFileSync } from 'node:fs';
import t from 'tap';
import { leftovers, needsRoot, podspace, probePod, runPod } from './harness.ts';

const shell = (script: string, container: object = {}, spec: object = {}) =>
  probePod(spec, { image: 'localhost/busybox', command: ['sh', '-c', script], ...container });
const file = (name: string): string => `/proc/sys/${name.replaceAll('.', '/')}`;
const sysctls = (values: Readonly<Record<string, string>>) => ({
  securityContext: { sysctls: Object.entries(values).map(([name, value]) => ({ name, value })) },
});
const VALUES = {
  'kernel.shm_rmid_forced': '1',
  'net.ipv4.tcp_fin_timeout': '33',
  'net/ipv4/ip_local_port_range': '20000 30000',
};

for (const [title, spec] of [
  ['', {}],
  [' in a user namespace', { hostUsers: false }],
  [' with shared processes', { shareProcessNamespace: true }],
] as const) {
  t.test(`sysctls of the pod’s own namespaces${title}`, { skip: needsRoot }, t => {
    const names = Object.keys(VALUES).map(name => name.replaceAll('/', '.'));
    const before = names.map(name => readFileSync(file(name), 'utf8'));
    const read = [...names, 'net.ipv4.ip_unprivileged_port_start', 'net.ipv4.ping_group_range'];
    const pod = shell(
      `cat ${read.map(file).join(' ')}; echo 1 > ${file('net.ipv4.tcp_fin_timeout')}`,
      {},
      {
        ...spec,
        ...sysctls(VALUES),
      },
    );
    const [container] = runPod(pod).containers;
    const [one, two, three, ports, groups] = (container?.stdout ?? '').trim().split('\n');
    t.equal(one, '1');
    t.equal(two, '33');
    t.equal(three, '20000\t30000');
    t.equal(ports, '0');
    t.match(groups, spec && 'hostUsers' in spec ? /\d+\t\d+/ : /^0\t2147483647$/);
    t.match(container?.stderr, /Read-only file system/, 'and no container can change them');
    t.same(
      names.map(name => readFileSync(file(name), 'utf8')),
      before,
      'the machine keeps its own',
    );
    t.same(leftovers(), []);
    t.end();
  });
}

t.test('any user may serve on port 80', { skip: needsRoot }, t => {
  const serve = 'timeout 1 nc -l -p 80 & sleep 0.2; nc 127.0.0.1 80 < /dev/null && echo served';
  const [container] = runPod(shell(serve, { securityContext: { runAsUser: 1000 } })).containers;
  t.match(container?.stdout, 'served');
  t.end();
});

t.test('what is not safe is rejected, unless it was allowed', { skip: needsRoot }, t => {
  const pod = shell(`cat ${file('kernel.msgmax')}`, {}, sysctls({ 'kernel.msgmax': '12345' }));
  t.match(runPod(pod), {
    phase: 'Failed',
    reason: 'SysctlForbidden',
    message: 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted',
    containers: [],
  });
  t.equal(runPod(pod, '--allowed-unsafe-sysctls', 'kernel.msg*').containers[0]?.stdout, '12345\n');
  for (const [patterns, message] of [
    ['vm.*', 'not known to be namespaced'],
    ['kernel.msg*,', 'must have at most 253 characters'],
  ] as const) {
    const refused = podspace(['run', '-', `--allowed-unsafe-sysctls=${patterns}`], JSON.stringify(pod));
    t.equal(refused.status, 1);
    t.match(refused.stderr, message);
  }
  t.end();
});

t.test('one that the kernel does not take names itself, and nothing is left', { skip: needsRoot }, t => {
  for (const [values, errno] of [
    [{ 'kernel.shm_rmid_forced': 'x' }, 'EINVAL'],
    [{ 'net.ipv4.tcp_none': '1' }, 'ENOENT'],
  ] as const) {
    const result = runPod(shell('true', {}, sysctls(values)), '--allowed-unsafe-sysctls', 'net.*');
    t.match(result, { phase: 'Pending', reason: 'FailedCreatePodSandBox' });
    t.match(result.message, new RegExp(`${errno}`));
    t.match(result.message, Object.keys(values)[0]?.split('.').at(-1));
    t.same(leftovers(), []);
  }
  t.end();
});

t.test(
  'AppArmor that is off: rejected in the kubelet’s words',
  {
    skip:
      needsRoot || (/^Y/.test(read('/sys/module/apparmor/parameters/enabled')) ? 'AppArmor is on' : false),
  },
  t => {
    const pod = shell('true', { securityContext: { appArmorProfile: { type: 'RuntimeDefault' } } });
    t.match(runPod(pod), {
      phase: 'Failed',
      reason: 'AppArmor',
      message: 'Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host',
    });
    t.end();
  },
);

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
