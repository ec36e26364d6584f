import t from 'tap';
import { UserError } from '../../../src/base/errors.ts';
import { parseMountOptions } from '../../../src/linux/mount-options.ts';
import { readConfig } from '../../../src/oci/read/config.ts';

const TARGET = { capabilities: [], arch: 'x64', kernelRelease: '6.1.0' } as const;

const minimal = {
  ociVersion: '1.2.0',
  root: { path: 'rootfs' },
  process: { args: ['sh'], cwd: '/', env: ['A=1', 'B=2', 'A=3'] },
  linux: { namespaces: [{ type: 'mount' }, { type: 'pid' }] },
};
type Json = Record<string, unknown>;

/** The minimal config with some fields replaced, by their dotted path. */
function config(changes: Json): string {
  const root = JSON.parse(JSON.stringify(minimal)) as Json;
  for (const [path, value] of Object.entries(changes)) {
    const keys = path.split('.');
    const last = keys.pop() ?? '';
    const at = keys.reduce<Json>((object, key) => {
      object[key] ??= {};
      return object[key] as Json;
    }, root);
    at[last] = value;
  }
  return JSON.stringify(root);
}
const read = (changes: Json = {}) => readConfig(config(changes), '/bundle', TARGET);

function problem(text: string): string {
  try {
    readConfig(text, '/bundle', TARGET);
    return 'no error';
  } catch (error) {
    return error instanceof UserError ? error.message : `a bug: ${error}`;
  }
}

t.test('the minimal config, and what the runtime-spec says of what is not there', async t => {
  const { config, hasCgroupsPath } = read();
  t.same(config.root, { path: '/bundle/rootfs', readonly: false });
  t.same(config.process.user, { uid: 0, gid: 0, umask: 0o022, additionalGids: [] });
  t.same(config.process.env, ['A=3', 'B=2'], 'the last of a name');
  t.same(config.process.capabilities.bounding, []);
  t.notOk(config.process.noNewPrivileges);
  t.notOk(hasCgroupsPath);
  // As runc and crun have it where the driver is cgroupfs.
  t.equal(read({ 'linux.cgroupsPath': 'a.slice:b:c' }).config.linux.cgroupsPath, 'a.slice:b:c');
  t.same(read({ 'linux.unheardOf': 1, x: [] }).config, config, 'an unknown property is passed over');
  t.same(read({ hostname: null, mounts: null }).config, config, 'null is nothing');
});

t.test('an error names the field', async t => {
  const wrong: readonly (readonly [Json, string])[] = [
    [{ ociVersion: '2.0.0' }, 'ociVersion: "2.0.0" is not 1.x.y'],
    [{ 'process.args': [] }, 'process.args: is empty'],
    [{ 'process.args': ['a\0b'] }, 'process.args[0]: contains a NUL byte'],
    [{ 'process.cwd': 'tmp' }, 'process.cwd: is not an absolute path'],
    [{ 'process.env': ['A'] }, 'process.env[0]: expected NAME=value'],
    [
      { 'process.user': { uid: -1 } },
      'process.user.uid: expected a whole number from 0 to 4294967294, not -1',
    ],
    [{ 'process.user': { additionalGids: [1, 'x'] } }, 'process.user.additionalGids[1]: expected a group id'],
    [
      { 'process.capabilities': { bounding: ['CAP_X'] } },
      'process.capabilities.bounding[0]: unknown capability "CAP_X"',
    ],
    [{ 'process.rlimits': [{ type: 'RLIMIT_X' }] }, 'process.rlimits[0].type: unknown limit "RLIMIT_X"'],
    [
      { 'process.rlimits': [{ type: 'RLIMIT_CPU', soft: 2, hard: 1 }] },
      'process.rlimits[0].soft: 2 is more than the hard limit 1',
    ],
    [{ 'process.scheduler': {} }, 'process.scheduler.policy: is missing'],
    [
      { 'process.scheduler': { policy: 'SCHED_BATCH', nice: 20 } },
      'process.scheduler.nice: expected a whole number from -20 to 19, not 20',
    ],
    [
      { 'process.scheduler': { policy: 'SCHED_OTHER', flags: ['SCHED_FLAG_UTIL_CLAMP_MIN'] } },
      'process.scheduler.flags[0]: "SCHED_FLAG_UTIL_CLAMP_MIN" is not supported',
    ],
    [
      { 'process.ioPriority': { class: 'IOPRIO_CLASS_BE', priority: 8 } },
      'process.ioPriority.priority: expected a whole number from 0 to 7, not 8',
    ],
    [
      { 'process.ioPriority': { class: 'X' } },
      'process.ioPriority.class: "X" is none of IOPRIO_CLASS_RT, IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE',
    ],
    [{ 'process.execCPUAffinity': { initial: '0' } }, 'process.execCPUAffinity: is not supported'],
    [{ 'linux.intelRdt': { closID: 'x' } }, 'linux.intelRdt: is not supported'],
    [{ 'linux.personality': { domain: 'BSD' } }, 'linux.personality.domain: "BSD" is none of LINUX, LINUX32'],
    [{ 'linux.personality': { domain: 'LINUX', flags: ['X'] } }, 'linux.personality.flags: is not supported'],
    [{ 'linux.timeOffsets': { boottime: { secs: 1 } } }, 'linux.timeOffsets: needs a new "time" namespace'],
    [{ 'linux.namespaces': [] }, 'linux.namespaces: has no "mount": a container needs one of its own'],
    [
      { 'linux.namespaces': [{ type: 'x' }] },
      'linux.namespaces[0].type: "x" is none of user, mount, uts, ipc, network, pid, cgroup, time',
    ],
    [
      { 'linux.namespaces': [{ type: 'mount' }, { type: 'user' }] },
      'linux.uidMappings: is missing for the new user namespace',
    ],
    [{ hostname: 'x' }, 'hostname: needs a "uts" namespace'],
    [{ mounts: [{ destination: '/', type: 'tmpfs' }] }, 'mounts[0].destination: is the root itself'],
    [{ mounts: [{ destination: '/a/..', type: 'tmpfs' }] }, 'mounts[0].destination: is the root itself'],
    [{ mounts: [{ destination: '/a' }] }, 'mounts[0].type: is missing, and no bind mount is asked for'],
    [
      { mounts: [{ destination: '/proc/kcore', type: 'bind', source: '/x' }] },
      'mounts[0].destination: nothing may be mounted at /proc/kcore',
    ],
    [
      { mounts: [{ destination: '/a', type: 'tmpfs', options: ['remount'] }] },
      'mounts[0].options[0]: "remount" is not supported',
    ],
    [
      { mounts: [{ destination: '/a', type: 'bind', source: '/x', options: ['size=1'] }] },
      'mounts[0].options: "size=1" has no meaning for a bind mount',
    ],
    [
      { 'linux.devices': [{ path: '/dev/..', type: 'c' }] },
      'linux.devices[0].path: is not the absolute path of a file',
    ],
    [{ 'linux.cgroupsPath': '/a/../..' }, 'linux.cgroupsPath: contains ".."'],
    [{ 'linux.cgroupsPath': '/' }, 'linux.cgroupsPath: is the root of all cgroups'],
    [
      { 'linux.sysctl': { 'kernel.core_pattern': '|x' } },
      'linux.sysctl["kernel.core_pattern"]: is not of a namespace',
    ],
    [
      { 'linux.sysctl': { 'net.ipv4.ip_forward': '1' } },
      'linux.sysctl["net.ipv4.ip_forward"]: is of the machine: the container has no network namespace of its own',
    ],
    [
      { 'linux.resources': { unified: { '../x': '1' } } },
      'linux.resources.unified: "../x" is no file of a cgroup',
    ],
    [{ 'linux.resources': { rdma: { a: {} } } }, 'linux.resources.rdma: is not supported'],
    [
      { 'linux.seccomp': { defaultAction: 'X' } },
      'linux.seccomp: defaultAction: string "X" is not a valid action for seccomp',
    ],
    [
      { 'linux.seccomp': { defaultAction: 'SCMP_ACT_NOTIFY' } },
      'linux.seccomp: defaultAction: SCMP_ACT_NOTIFY needs listenerPath',
    ],
    [
      { 'linux.seccomp': { defaultAction: 'SCMP_ACT_NOTIFY', listenerPath: '/s' } },
      'linux.seccomp: defaultAction: SCMP_ACT_NOTIFY cannot be used for sendmsg, which hands the listener over',
    ],
    [
      {
        'linux.seccomp': {
          defaultAction: 'SCMP_ACT_ALLOW',
          listenerPath: '/s',
          syscalls: [{ names: ['x', 'sendmsg'], action: 'SCMP_ACT_NOTIFY' }],
        },
      },
      'linux.seccomp: syscalls[0].action: SCMP_ACT_NOTIFY cannot be used for sendmsg, which hands the listener over',
    ],
    [
      { 'linux.seccomp': { defaultAction: 'SCMP_ACT_ALLOW', listenerPath: 's' } },
      'linux.seccomp: listenerPath: is not an absolute path',
    ],
    [
      { 'linux.seccomp': { defaultAction: 'SCMP_ACT_ALLOW', listenerMetadata: 'x' } },
      'linux.seccomp: listenerMetadata: needs listenerPath',
    ],
    [
      {
        'linux.seccomp': {
          defaultAction: 'SCMP_ACT_ALLOW',
          flags: ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'],
        },
      },
      'linux.seccomp: flags: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs SCMP_ACT_NOTIFY',
    ],
    [{ hooks: { prestart: [{ path: 'x' }] } }, 'hooks.prestart[0].path: is not an absolute path'],
    [{ vm: { kernel: { path: '/x' } } }, 'vm: is not supported'],
  ];
  for (const [changes, text] of wrong) t.equal(problem(config(changes)), text, text);
});

t.test('garbage is one line with its place', async t => {
  t.match(problem('{"a":1,\n  "b": }'), /^config\.json:2:\d+: not JSON: /);
  t.match(problem(''), /^config\.json:1:1: not JSON/);
  t.equal(problem('[]'), 'the config: expected an object, not []');
  t.equal(problem('7'), 'the config: expected an object, not 7');
  t.equal(problem(' '.repeat(2 ** 24 + 1)), 'config.json: is larger than 16777216 bytes');
  t.match(problem(`${'['.repeat(100_000)}`), /config/);
  for (const key of ['__proto__', 'constructor', 'toString'])
    t.equal(problem(`{"ociVersion":"1.0.0","${key}":{"x":1}}`), 'linux: is missing', key);
});

t.test('mount options, recursive ones too', async t => {
  const recursive = parseMountOptions(['rbind', 'rro', 'rnosuid', 'rexec', 'rnoatime', 'rrw']);
  t.same(recursive.setRecursive, ['MOUNT_ATTR_NOSUID', 'MOUNT_ATTR_NOATIME']);
  t.same(recursive.clearRecursive, ['MOUNT_ATTR_NOEXEC', 'MOUNT_ATTR__ATIME', 'MOUNT_ATTR_RDONLY']);
  const { mounts } = read({ mounts: [{ destination: 'a/./b//', type: 'bind', source: 'data' }] }).config;
  t.same(mounts, [{ destination: '/a/b', type: 'bind', source: '/bundle/data', options: ['bind'] }]);
});

t.test('sysctls with slashes: the first separator separates', async t => {
  const namespaces = [{ type: 'mount' }, { type: 'network' }];
  const sysctl = { 'net/ipv4/conf/eth0.1/forwarding': '1', 'net.ipv4.ip_forward': '0' };
  t.same(read({ 'linux.namespaces': namespaces, 'linux.sysctl': sysctl }).sysctls, [
    { name: 'net.ipv4.conf.eth0/1.forwarding', value: '1' },
    { name: 'net.ipv4.ip_forward', value: '0' },
  ]);
});

t.test('numbers of 64 bits in a seccomp filter are not rounded', async t => {
  const rule = {
    names: ['read'],
    action: 'SCMP_ACT_ALLOW',
    args: [{ index: 0, value: 0, op: 'SCMP_CMP_EQ' }],
  };
  const text = config({ 'linux.seccomp': { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [rule] } });
  const { seccomp } = readConfig(text.replace('"value":0', '"value":18446744073709551615'), '/b', TARGET)
    .config.linux;
  t.equal(seccomp?.syscalls[0]?.args?.[0]?.value, 18446744073709551615n);
});
