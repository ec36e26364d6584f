import fc from 'fast-check';

/** Configs of the runtime-spec, as drivers could write them: all of config.md and config-linux.md that a probe can see. */

const CAPABILITIES = ['CHOWN', 'KILL', 'NET_RAW', 'SETUID', 'SETGID', 'SYS_ADMIN', 'SYS_CHROOT', 'MKNOD'].map(
  name => `CAP_${name}`,
);
/** Where user 0 of a user namespace is. Never the machine's own ids: crun gives files of the host's to the user. */
export const MAPPED = 200_000;
const some = <T>(...all: readonly T[]) => fc.subarray([...all]);
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

/** Each set within the one that it must be within: the kernel refuses the rest. */
const capabilities = fc
  .record({ bounding: some(...CAPABILITIES), keep: fc.nat(255), raised: fc.nat(255), inherit: fc.nat(255) })
  .map(({ bounding, keep, raised, inherit }) => {
    const pick = (from: readonly string[], mask: number) => from.filter((_, i) => (mask >> i) & 1);
    const permitted = pick(bounding, keep);
    const inheritable = pick(permitted, inherit);
    return {
      bounding,
      permitted,
      effective: pick(permitted, raised),
      inheritable,
      ambient: pick(inheritable, raised),
    };
  });

const rlimit = fc
  .record({
    type: fc.constantFrom('CORE', 'NOFILE', 'FSIZE', 'STACK', 'MSGQUEUE'),
    numbers: fc.tuple(fc.integer({ min: 64, max: 512 }), fc.integer({ min: 64, max: 512 })),
  })
  .map(({ type, numbers }) => ({
    type: `RLIMIT_${type}`,
    soft: Math.min(...numbers) * 1024 ** (type === 'NOFILE' ? 0 : 1),
    hard: Math.max(...numbers) * 1024 ** (type === 'NOFILE' ? 0 : 1),
  }));

const process = fc.record({
  user: fc.record({
    uid: fc.constantFrom(0, 405, 1000),
    gid: fc.constantFrom(0, 100, 1000),
    additionalGids: some(5, 20, 100, 3000),
    umask: optional(fc.constantFrom(0o22, 0o77, 0)),
  }),
  env: fc.uniqueArray(fc.constantFrom('A=1', 'B=', 'C=x=y', 'HOME=/h', 'LANG=ä'), { maxLength: 4 }),
  cwd: fc.constantFrom('/', '/tmp', '/etc', '/new/directory'),
  capabilities,
  noNewPrivileges: fc.boolean(),
  rlimits: fc.uniqueArray(rlimit, { maxLength: 3, selector: ({ type }) => type }),
  oomScoreAdj: optional(fc.integer({ min: 0, max: 1000 })),
});

const FLAGS = some('nosuid', 'nodev', 'noexec');
const tmpfs = fc
  .record({
    at: fc.constantFrom('/t1', '/tmp', '/t2', '/mnt/deep/er'),
    flags: FLAGS,
    more: some('ro', 'noatime', 'size=64k', 'mode=0750'),
  })
  .map(({ at, flags, more }) => ({
    destination: at,
    type: 'tmpfs',
    source: 'tmpfs',
    options: [...flags, ...more],
  }));
const bind = fc
  .record({
    at: fc.constantFrom('/b1', '/b2', '/etc/b'),
    how: fc.constantFrom('bind', 'rbind'),
    flags: FLAGS,
    more: some('ro', 'noatime'),
    spread: optional(fc.constantFrom('private', 'rprivate', 'slave', 'rslave')),
  })
  .map(({ at, how, flags, more, spread }) => ({
    destination: at,
    type: 'bind',
    source: 'volume',
    options: [how, ...flags, ...more, ...(spread === undefined ? [] : [spread])],
  }));

const BASE = [
  { destination: '/proc', type: 'proc', source: 'proc' },
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
  },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'],
  },
];
const extra = some(
  {
    destination: '/dev/shm',
    type: 'tmpfs',
    source: 'shm',
    options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'],
  },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
);

const linux = fc.record({
  spaces: some('pid', 'network', 'ipc', 'uts', 'cgroup'),
  hasUsers: fc.boolean(),
  maskedPaths: some('/proc/kcore', '/proc/keys', '/proc/acpi', '/proc/nowhere', '/etc/group'),
  readonlyPaths: some('/proc/sys', '/proc/bus', '/proc/sysrq-trigger', '/proc/nowhere', '/tmp'),
  seccomp: optional(
    fc.record({
      defaultAction: fc.constant('SCMP_ACT_ALLOW'),
      syscalls: fc.constant([{ names: ['ptrace', 'reboot'], action: 'SCMP_ACT_ERRNO' }]),
    }),
  ),
  devices: some(
    { path: '/dev/mine', type: 'c', major: 1, minor: 3, fileMode: 0o640, uid: 405, gid: 100 },
    { path: '/dev/net/tun', type: 'c', major: 10, minor: 200, fileMode: 0o666 },
  ),
});

export const ociConfig = fc
  .record({
    process,
    readonly: fc.boolean(),
    hostname: optional(fc.constantFrom('a', 'some.name')),
    extra,
    more: fc.uniqueArray(fc.oneof(tmpfs, bind), { maxLength: 4, selector: ({ destination }) => destination }),
    linux,
  })
  .map(({ process, readonly, hostname, extra, more, linux: { spaces, hasUsers, devices, ...linux } }) => {
    // What the kernel ties together: a mount of a file system of a namespace needs the namespace.
    const isMine = ({ type }: { readonly type: string }): boolean =>
      (type !== 'mqueue' || !hasUsers || spaces.includes('ipc')) &&
      (type !== 'sysfs' || !hasUsers || spaces.includes('network'));
    const types = ['mount', ...spaces, ...(hasUsers ? ['user', 'pid', 'ipc', 'network'] : [])];
    const mapping = [{ containerID: 0, hostID: MAPPED, size: 65536 }];
    return {
      ociVersion: '1.0.2',
      root: { path: 'rootfs', readonly },
      process: { ...process, args: ['/probe'] },
      ...(hostname !== undefined && types.includes('uts') ? { hostname } : {}),
      mounts: [...BASE, ...extra.filter(isMine), ...more],
      linux: {
        ...linux,
        // In a user namespace they are those of the machine, which has no such ones.
        devices: hasUsers ? [] : devices,
        namespaces: [...new Set(types)].map(type => ({ type })),
        ...(hasUsers ? { uidMappings: mapping, gidMappings: mapping } : {}),
        resources: { devices: [{ allow: true, access: 'rwm' }] },
      },
    };
  });
