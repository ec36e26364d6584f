import { existsSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import t from 'tap';
import { MASKED_PATHS, READONLY_PATHS } from '../../src/linux/protected-paths.ts';
import { leftovers, needsRoot, probe, probePod, type Report, runPod } from './harness.ts';

const TYPES = ['user', 'mnt', 'uts', 'ipc', 'net', 'pid', 'cgroup', 'time'] as const;

/** Which of the host's namespaces a report is in. */
function shared(report: Report): readonly string[] {
  return TYPES.filter(type => report.namespaces[type] === readlinkSync(`/proc/self/ns/${type}`));
}

const rows: readonly (readonly [object, readonly string[]])[] = [
  [{}, ['user', 'time']],
  [{ hostNetwork: true }, ['user', 'uts', 'net', 'time']],
  [{ hostPID: true }, ['user', 'pid', 'time']],
  [{ hostIPC: true }, ['user', 'ipc', 'time']],
  [{ hostNetwork: true, hostPID: true, hostIPC: true }, ['user', 'uts', 'ipc', 'net', 'pid', 'time']],
  [{ shareProcessNamespace: true }, ['user', 'time']],
];
for (const [spec, expected] of rows) {
  t.test(`${JSON.stringify(spec)} shares ${expected.join(', ')} with the host`, { skip: needsRoot }, t => {
    t.same(shared(probe(spec)), expected);
    t.end();
  });
}

t.test('privileged has the host’s cgroup namespace', { skip: needsRoot }, t => {
  t.same(shared(probe({}, { securityContext: { privileged: true } })), ['user', 'cgroup', 'time']);
  t.end();
});

t.test('two containers share net, ipc, uts, and have their own of the rest', { skip: needsRoot }, t => {
  for (const [spec, same] of [
    [{}, ['user', 'uts', 'ipc', 'net', 'time']],
    [{ shareProcessNamespace: true }, ['user', 'uts', 'ipc', 'net', 'pid', 'time']],
  ] as const) {
    // Both must be alive when they look: the number of a namespace that is gone is used again.
    const command = [
      'sh',
      '-c',
      `sleep 0.2; cd /proc/self/ns; for t in ${TYPES.join(' ')}; do readlink $t; done; sleep 0.3`,
    ];
    const containers = ['a', 'b'].map(name => ({ name, image: 'localhost/busybox', command }));
    const [a = [], b = []] = runPod(probePod({ ...spec, containers })).containers.map(({ stdout }) =>
      stdout.split('\n'),
    );
    t.equal(a.length, TYPES.length + 1);
    t.same(
      TYPES.filter((_, i) => a[i] === b[i]),
      same,
    );
  }
  t.end();
});

t.test('shareProcessNamespace: PID 1 is pause, and it has nothing', { skip: needsRoot }, t => {
  const report = probe({ shareProcessNamespace: true });
  t.same(report.processes[0], [1, 'pause']);
  t.not(report.pid, 1);
  t.same(Object.keys(report.fds), ['0', '1', '2']);
  t.end();
});

t.test('hostPID sees the host’s processes', { skip: needsRoot }, t => {
  const report = probe({ hostPID: true });
  t.ok(report.processes.some(([pid]) => pid === process.pid));
  t.end();
});

t.test('host names', { skip: needsRoot }, t => {
  const pod = probePod();
  t.equal(JSON.parse(runPod(pod).containers[0]?.stdout ?? '').hostname, pod.metadata.name);
  t.equal(probe({ hostname: 'web' }).hostname, 'web');
  t.equal(probe({ hostname: 'web', subdomain: 'sub' }).hostname, 'web');
  t.equal(
    probe({ hostname: 'web', subdomain: 'sub', setHostnameAsFQDN: true }).hostname,
    'web.sub.default.svc.cluster.local',
  );
  t.equal(probe({ hostNetwork: true }).hostname, hostname());
  t.ok(probe({ hostname: 'web' }).env.includes('HOSTNAME=web'));
  t.end();
});

t.test('an FQDN that is too long', { skip: needsRoot }, t => {
  const result = runPod(probePod({ hostname: 'a'.repeat(60), subdomain: 'sub', setHostnameAsFQDN: true }));
  const fqdn = `${'a'.repeat(60)}.sub.default.svc.cluster.local`;
  t.equal(result.reason, 'FailedCreatePodSandBox');
  t.equal(
    result.message,
    `Failed to create pod sandbox: failed to construct FQDN from pod hostname and cluster domain, FQDN ${fqdn} is too long (64 characters is the max, ${fqdn.length} characters requested)`,
  );
  t.equal(result.status, 1);
  t.end();
});

function read(path: string, spec: object): string {
  const containers = [{ name: 'c', image: 'localhost/probe', args: ['read', path] }];
  return runPod(probePod({ ...spec, containers })).containers[0]?.stdout ?? '';
}

t.test('/etc/hosts, /etc/hostname, /etc/resolv.conf', { skip: needsRoot }, t => {
  t.equal(
    read('/etc/hosts', {
      hostname: 'web',
      subdomain: 'sub',
      hostAliases: [{ ip: '10.1.2.3', hostnames: ['one', 'two'] }],
    }).replace(/^10\.244\.0\.\d+\t/m, 'THE-POD\t'),
    `# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
THE-POD\tweb.sub.default.svc.cluster.local\tweb

# Entries added by HostAliases.
10.1.2.3\tone\ttwo
`,
  );
  t.equal(
    read('/etc/hosts', { hostNetwork: true }),
    `# Kubernetes-managed hosts file (host network).\n${readFileSync('/etc/hosts', 'utf8')}`,
  );
  t.equal(read('/etc/hostname', { hostname: 'web' }), 'web\n');
  t.equal(
    read('/etc/resolv.conf', {
      dnsPolicy: 'None',
      dnsConfig: {
        nameservers: ['10.0.0.1'],
        searches: ['a.b'],
        options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }],
      },
    }),
    'search a.b\nnameserver 10.0.0.1\noptions ndots:2 edns0\n',
  );
  t.end();
});

t.test('/dev/shm is one tmpfs for the pod, and the host’s with hostIPC', { skip: needsRoot }, t => {
  const containers = [
    { name: 'write', image: 'localhost/probe', args: ['write', '/dev/shm/x', 'hello'] },
    {
      name: 'read',
      image: 'localhost/busybox',
      command: [
        'sh',
        '-c',
        'for i in $(seq 50); do cat /dev/shm/x 2>/dev/null && exit; sleep 0.05; done; exit 1',
      ],
    },
  ];
  const result = runPod(probePod({ containers }));
  t.equal(result.containers.find(({ name }) => name === 'read')?.stdout, 'hello');
  const shm = (report: Report): string | undefined =>
    report.mounts.find(line => line.split(' ')[4] === '/dev/shm');
  const host = `0:${statSync('/dev/shm').dev}`;
  t.equal(shm(probe({ hostIPC: true }))?.split(' ')[2], host, 'the same filesystem');
  t.not(shm(probe())?.split(' ')[2], host);
  t.match(shm(probe()), /nosuid,nodev,noexec.*size=65536k/);
  t.end();
});

t.test('masked and read-only paths', { skip: needsRoot }, t => {
  const { mounts } = probe();
  const at = (path: string): string | undefined => mounts.find(line => line.split(' ')[4] === path);
  for (const path of READONLY_PATHS.filter(path => existsSync(path))) t.match(at(path), / ro,/, path);
  for (const [path, kind] of Object.entries(MASKED_PATHS).filter(([path]) => existsSync(path))) {
    t.match(at(path), kind === 'file' ? /\/null .* ro,/ : / ro,.* - tmpfs /, path);
  }
  t.match(at('/sys'), / ro,/);
  t.end();
});

t.test('nothing is left behind', { skip: needsRoot }, t => {
  t.same(leftovers(), []);
  t.end();
});
