// One row for each field of config.md, config-linux.md and runtime.md: what is set, what the container says of it, and what
// it must say. `steps` are operations of the runtime instead.
import { basename } from 'node:path';

const ns = (...types) => types.map(type => ({ type }));
const ALL = ns('pid', 'network', 'ipc', 'uts', 'mount', 'cgroup');
const NO_CGROUP = ns('pid', 'network', 'ipc', 'uts', 'mount');
const bind = (destination, source, ...options) => ({
  destination,
  type: 'bind',
  source,
  options: ['bind', ...options],
});
const mountLine = path => `grep ' ${path} ' /proc/self/mountinfo`;
const CAPS = ['CAP_CHOWN', 'CAP_NET_RAW', 'CAP_SETUID', 'CAP_SETGID'];
const MAPPING = [{ containerID: 0, hostID: 200000, size: 65536 }];
const hook = (kind, text) => ({ [kind]: [{ path: '/bin/sh', args: ['sh', '-c', text] }] });
const errno = (names, errnoRet) => ({
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [{ names, action: 'SCMP_ACT_ERRNO', errnoRet }],
});

/** @type {[field: string, change: (config: any, place: any) => void, script: string, expected: RegExp][]} */
export const ROWS = [
  ['ociVersion', c => (c.ociVersion = '1.0.0'), 'echo ok', /^ok/],
  [
    'root.path (absolute)',
    (c, { bundle }) => (c.root.path = `${bundle}/rootfs`),
    'ls /bin/busybox',
    /busybox/,
  ],
  ['root.readonly', c => (c.root.readonly = true), 'touch /x 2>&1', /Read-only/],
  ['hostname', c => (c.hostname = 'abc'), 'hostname', /^abc$/m],
  ['domainname', c => (c.domainname = 'dom.test'), 'cat /proc/sys/kernel/domainname', /^dom\.test$/m],
  ['annotations', c => (c.annotations = { a: 'b' }), 'echo ok', /^ok/],
  ['process.args', () => {}, 'echo "$0 $1"', /^sh /],
  ['process.env', c => c.process.env.push('X=y z'), 'echo "$X"', /^y z$/m],
  ['process.cwd', c => (c.process.cwd = '/tmp'), 'pwd', /^\/tmp$/m],
  ['process.user.uid', c => (c.process.user = { uid: 405, gid: 100 }), 'id -u; id -g', /^405\n100$/m],
  [
    'process.user.additionalGids',
    c => (c.process.user = { uid: 0, gid: 0, additionalGids: [5, 7] }),
    'grep Groups /proc/self/status',
    /5 7/,
  ],
  ['process.user.umask', c => (c.process.user = { uid: 0, gid: 0, umask: 0o077 }), 'umask', /^0077$/m],
  [
    'process.capabilities.bounding',
    c => (c.process.capabilities = { bounding: CAPS, permitted: CAPS, effective: CAPS }),
    'grep CapBnd /proc/self/status',
    /00000000000020c1/,
  ],
  [
    'process.capabilities.effective',
    c => (c.process.capabilities = { bounding: CAPS, permitted: CAPS, effective: CAPS }),
    'grep CapEff /proc/self/status',
    /00000000000020c1/,
  ],
  [
    'process.capabilities.ambient',
    c => {
      c.process.user = { uid: 405, gid: 100 };
      c.process.capabilities = Object.fromEntries(
        ['bounding', 'permitted', 'effective', 'inheritable', 'ambient'].map(set => [set, ['CAP_NET_RAW']]),
      );
    },
    'grep -E "CapEff|CapAmb" /proc/self/status',
    /CapEff:\t0000000000002000\nCapAmb:\t0000000000002000/,
  ],
  [
    'process.capabilities (none)',
    c => delete c.process.capabilities,
    'grep -E "CapEff|CapBnd" /proc/self/status',
    /CapEff:\t0+\nCapBnd:\t0+$/m,
  ],
  [
    'process.noNewPrivileges',
    c => (c.process.noNewPrivileges = true),
    'grep NoNewPrivs /proc/self/status',
    /1$/m,
  ],
  [
    'process.rlimits',
    c => (c.process.rlimits = [{ type: 'RLIMIT_NOFILE', soft: 100, hard: 200 }]),
    'ulimit -Sn; ulimit -Hn',
    /^100\n200$/m,
  ],
  ['process.oomScoreAdj', c => (c.process.oomScoreAdj = 500), 'cat /proc/self/oom_score_adj', /^500$/m],
  [
    'mounts: tmpfs with data',
    c =>
      c.mounts.push({
        destination: '/t',
        type: 'tmpfs',
        source: 't',
        options: ['size=64k', 'mode=700', 'noexec'],
      }),
    `${mountLine('/t')}; stat -c %a /t`,
    /noexec.*size=64k[\s\S]*^700$/m,
  ],
  ['mounts: bind, ro', (c, { dir }) => c.mounts.push(bind('/b', dir, 'ro')), 'touch /b/x 2>&1', /Read-only/],
  ['mounts: bind of a file', (c, { file }) => c.mounts.push(bind('/f', file)), 'cat /f', /^content$/m],
  [
    'mounts: rbind, rro',
    (c, { dir }) =>
      c.mounts.push({ destination: '/b', type: 'bind', source: dir, options: ['rbind', 'rro'] }),
    mountLine('/b'),
    / ro[, ]/,
  ],
  [
    'mounts: rnosuid, rnodev, rnoexec',
    (c, { dir }) =>
      c.mounts.push({
        destination: '/b',
        type: 'bind',
        source: dir,
        options: ['rbind', 'rnosuid', 'rnodev', 'rnoexec'],
      }),
    mountLine('/b'),
    /nosuid,nodev,noexec/,
  ],
  [
    'mounts: nosuid, nodev, noexec',
    (c, { dir }) => c.mounts.push(bind('/b', dir, 'nosuid', 'nodev', 'noexec')),
    mountLine('/b'),
    /nosuid,nodev,noexec/,
  ],
  ['mounts: noatime', (c, { dir }) => c.mounts.push(bind('/b', dir, 'noatime')), mountLine('/b'), /noatime/],
  [
    'mounts: rprivate',
    (c, { dir }) => c.mounts.push(bind('/b', dir, 'rprivate')),
    `${mountLine('/b')} | grep -c shared:`,
    /^0$/m,
  ],
  [
    'mounts: a destination that is missing',
    (c, { dir }) => c.mounts.push(bind('/new/deep', dir)),
    'ls -d /new/deep',
    /deep/,
  ],
  ['mounts: cgroup', () => {}, 'ls /sys/fs/cgroup | wc -l', /^[1-9]/m],
  [
    'mounts: tmpcopyup',
    c => c.mounts.push({ destination: '/etc', type: 'tmpfs', source: 't', options: ['tmpcopyup'] }),
    `${mountLine('/etc')} | grep -c tmpfs; grep -c root /etc/passwd`,
    /^1\n1$/m,
  ],
  ['linux.namespaces: pid', () => {}, 'echo $$', /^1$/m],
  ['linux.namespaces: network', () => {}, 'grep -c : /proc/net/dev', /^1$/m],
  [
    'linux.namespaces: path',
    (c, { netns }) =>
      (c.linux.namespaces = [...ns('pid', 'ipc', 'uts', 'mount'), { type: 'network', path: netns }]),
    'readlink /proc/self/ns/net',
    /HOSTNET/,
  ],
  ['linux.namespaces: cgroup', () => {}, 'grep -v ":/$" /proc/self/cgroup | wc -l', /^0$/m],
  [
    'linux.namespaces: time',
    c => (c.linux.namespaces = [...ALL, { type: 'time' }]),
    'readlink /proc/self/ns/time',
    /NOTHOSTTIME/,
  ],
  [
    'linux.namespaces: user',
    c => {
      c.linux.namespaces = [...ALL, { type: 'user' }];
      c.linux.uidMappings = MAPPING;
      c.linux.gidMappings = MAPPING;
      c.mounts = c.mounts.filter(({ type }) => type !== 'cgroup');
    },
    'cat /proc/self/uid_map; id -u',
    /0 +200000 +65536\n0/,
  ],
  [
    'linux.devices',
    c =>
      c.linux.devices.push({
        path: '/dev/my',
        type: 'c',
        major: 1,
        minor: 3,
        fileMode: 0o640,
        uid: 1,
        gid: 2,
      }),
    'ls -ln /dev/my',
    /crw-r----- +1 +1 +2 +1, +3/,
  ],
  [
    'default devices',
    () => {},
    'ls /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty | wc -l',
    /^6$/m,
  ],
  [
    'default links',
    () => {},
    'for i in fd stdin ptmx; do readlink /dev/$i; done',
    /self\/fd\n.*fd\/0\n.*ptmx/,
  ],
  ['linux.cgroupsPath', () => {}, 'echo ok', /^ok/],
  [
    'linux.cgroupsPath: relative',
    (c, { bundle }) => {
      c.linux.namespaces = NO_CGROUP;
      c.linux.cgroupsPath = `oci-conformance/r${basename(bundle)}`;
    },
    'cat /proc/self/cgroup',
    /\/oci-conformance\/rconf-/,
  ],
  [
    'linux.cgroupsPath: slice:prefix:name, the driver being cgroupfs',
    (c, { bundle }) => {
      c.linux.namespaces = NO_CGROUP;
      c.linux.cgroupsPath = `oci-conformance/a.slice:b:${basename(bundle)}`;
    },
    'cat /proc/self/cgroup',
    /\/oci-conformance\/a\.slice:b:conf-/,
  ],
  [
    'linux.resources.memory',
    c => (c.linux.resources.memory = { limit: 67108864 }),
    'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null',
    /^67108864$/m,
  ],
  [
    'linux.resources.pids',
    c => (c.linux.resources.pids = { limit: 33 }),
    'cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null',
    /^33$/m,
  ],
  [
    'linux.resources.cpu',
    c => (c.linux.resources.cpu = { quota: 50000, period: 100000 }),
    'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null',
    /^50000/m,
  ],
  [
    'linux.resources.cpu.cpus',
    c => (c.linux.resources.cpu = { cpus: '0' }),
    'grep Cpus_allowed_list /proc/self/status',
    /\t0$/m,
  ],
  [
    'linux.resources.devices',
    c => {
      c.linux.resources.devices = [{ allow: false, access: 'rwm' }];
      c.linux.devices.push({ path: '/dev/kmsg2', type: 'c', major: 1, minor: 11 });
    },
    'head -c0 /dev/null && echo null; head -c1 /dev/kmsg2 2>&1',
    /null\n.*not permitted/,
  ],
  [
    'linux.sysctl',
    c => (c.linux.sysctl = { 'net.ipv4.ip_forward': '1', 'kernel.shm_rmid_forced': '1' }),
    'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced',
    /^1\n1$/m,
  ],
  [
    'linux.maskedPaths: file',
    c => (c.linux.maskedPaths = ['/proc/timer_list', '/proc/none']),
    'ls -l /proc/timer_list',
    /1, +3/,
  ],
  [
    'linux.maskedPaths: directory',
    c => (c.linux.maskedPaths = ['/sys/firmware']),
    'ls /sys/firmware | wc -l',
    /^0$/m,
  ],
  ['linux.maskedPaths: of the image', c => (c.linux.maskedPaths = ['/etc']), 'ls /etc | wc -l', /^0$/m],
  [
    'linux.readonlyPaths',
    c => (c.linux.readonlyPaths = ['/proc/sys', '/etc']),
    'touch /etc/x 2>&1; echo 1 2>&1 > /proc/sys/kernel/printk',
    /Read-only/,
  ],
  [
    'linux.seccomp: ERRNO',
    c => (c.linux.seccomp = errno(['mkdir', 'mkdirat'], 5)),
    'mkdir /x 2>&1',
    /Input\/output error/,
  ],
  [
    'linux.seccomp: KILL_PROCESS',
    c =>
      (c.linux.seccomp = {
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [{ names: ['chroot'], action: 'SCMP_ACT_KILL_PROCESS' }],
      }),
    'chroot / true; echo $?',
    /^159$/m,
  ],
  [
    'linux.rootfsPropagation',
    c => (c.linux.rootfsPropagation = 'shared'),
    `${mountLine('/')} | grep -c shared:`,
    /^1$/m,
  ],
  ['linux.intelRdt', c => (c.linux.intelRdt = { closID: 'x', l3CacheSchema: 'L3:0=f' }), 'echo ok', /ok/],
  [
    'process.scheduler',
    c => (c.process.scheduler = { policy: 'SCHED_BATCH', nice: 5 }),
    // nice and policy of proc_pid_stat(5)
    "cut -d' ' -f19,41 /proc/self/stat",
    /^5 3$/m,
  ],
  [
    'process.ioPriority',
    c => (c.process.ioPriority = { class: 'IOPRIO_CLASS_IDLE', priority: 0 }),
    'ionice -p $$',
    /^idle/m,
  ],
  ['linux.personality', c => (c.linux.personality = { domain: 'LINUX32' }), 'uname -m', /i686/],
  [
    'linux.timeOffsets',
    c => {
      c.linux.namespaces = [...ALL, { type: 'time' }];
      c.linux.timeOffsets = { boottime: { secs: 1000000, nanosecs: 0 } };
    },
    'cut -d. -f1 /proc/uptime | grep -cE "^[0-9]{7}"',
    /^1$/m,
  ],
  ['hooks.prestart', (c, { out }) => (c.hooks = hook('prestart', `cat > ${out}`)), 'echo ok', /HOOK:.*"id"/],
  [
    'hooks.createRuntime',
    (c, { out }) => (c.hooks = hook('createRuntime', `cat > ${out}`)),
    'echo ok',
    /HOOK:.*"pid"/,
  ],
  [
    'hooks.createContainer',
    (c, { out }) => (c.hooks = hook('createContainer', `hostname > ${out}`)),
    'echo ok',
    /HOOK:conf/,
  ],
  [
    'hooks.startContainer',
    c => (c.hooks = hook('startContainer', 'cat > /tmp/state')),
    'cat /tmp/state',
    /"id"/,
  ],
  [
    'hooks.poststart',
    (c, { out }) => (c.hooks = hook('poststart', `cat > ${out}`)),
    'sleep 0.2',
    /HOOK:.*"running"/,
  ],
  [
    'hooks.poststop',
    (c, { out }) => (c.hooks = hook('poststop', `cat > ${out}`)),
    'echo ok',
    /HOOK:.*"stopped"/,
  ],
  ['hooks: one that fails', c => (c.hooks = hook('createRuntime', 'exit 3')), 'echo ok', /ERROR/],
];
