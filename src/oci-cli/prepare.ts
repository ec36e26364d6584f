import { closeSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { type CapabilityName, capabilityNames } from '../linux/capabilities.ts';
import { OPEN_FLAGS } from '../linux/constants.generated.ts';
import { parseMountOptions } from '../linux/mount-options.ts';
import { openInRoot } from '../native/libc.ts';
import type {
  OciCapabilities,
  OciConfig,
  OciDevice,
  OciDeviceRule,
  OciMount,
  OciRlimit,
} from '../oci/config.ts';
import { deviceRules } from '../oci/device-rules.ts';
import type { InheritedStreams } from '../program/plan.ts';
import { cgroupMounts, detectCgroups } from '../runtime/cgroups.ts';
import { hierarchies, pathIn } from './hierarchies.ts';
import { withHome } from './home.ts';
import { warn } from './log.ts';
import { startedFds, startedFiles } from './started-with.ts';

/** config-linux.md, "Default Devices". */
const DEFAULT_DEVICES: readonly OciDevice[] = (
  [
    ['null', 1, 3],
    ['zero', 1, 5],
    ['full', 1, 7],
    ['random', 1, 8],
    ['urandom', 1, 9],
    ['tty', 5, 0],
  ] as const
).map(([name, major, minor]) => ({
  type: 'c',
  path: `/dev/${name}`,
  major,
  minor,
  fileMode: 0o666,
  uid: 0,
  gid: 0,
}));

/** What this machine makes of a config: default devices, capabilities that there are, cgroup mounts. */
export function prepareConfig(config: OciConfig, cgroupsPath: string): OciConfig {
  const { linux, process } = config;
  const defaults = DEFAULT_DEVICES.filter(({ path }) => !linux.devices.some(device => device.path === path));
  return {
    ...config,
    process: {
      ...withHome(process, config.root.path),
      capabilities: availableCapabilities(process.capabilities),
      rlimits: [...process.rlimits, ...startedWith(process.rlimits)],
    },
    mounts: config.mounts.flatMap(mount => realMounts(mount, config, cgroupsPath)),
    linux: { ...linux, devices: [...defaults, ...linux.devices] },
  };
}

/** Node has raised its own soft limit of open files: the container gets what we were started with. */
export function startedWith(asked: readonly OciRlimit[]): readonly OciRlimit[] {
  const soft = startedFiles ?? Number.NaN;
  const hard = Number(/^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
  const isSaid = asked.some(({ type }) => type === 'RLIMIT_NOFILE');
  return isSaid || !Number.isInteger(soft) || !(soft <= hard) ? [] : [{ type: 'RLIMIT_NOFILE', soft, hard }];
}

/** A capability that we do not have ourselves cannot be given: a warning, as in runc. */
export function availableCapabilities(asked: OciCapabilities): OciCapabilities {
  const own = ownCapabilities();
  const missing = new Set<string>();
  const only = (names: readonly string[]): readonly string[] =>
    names.filter(name => {
      const has = own.includes(name as CapabilityName);
      if (!has) missing.add(name);
      return has;
    });
  const inheritable = only(asked.inheritable);
  const permitted = only(asked.permitted);
  const capabilities: OciCapabilities = {
    bounding: only(asked.bounding),
    effective: only(asked.effective),
    permitted,
    inheritable,
    // The kernel raises only what is permitted and inheritable, capabilities(7).
    ambient: only(asked.ambient).filter(name => inheritable.includes(name) && permitted.includes(name)),
  };
  if (missing.size > 0) warn(`unable to apply capabilities that are not ours: ${[...missing].join(', ')}`);
  return capabilities;
}

export function ownCapabilities(): readonly CapabilityName[] {
  const mask = /^CapPrm:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return capabilityNames(BigInt(`0x${mask}`)) as readonly CapabilityName[];
}

/** The user's rules, between the runtime's own first and last ones, as runc has them. */
export function allDeviceRules(asked: readonly OciDeviceRule[] | undefined): readonly OciDeviceRule[] {
  return asked === undefined ? deviceRules(true) : [...asked, ...deviceRules(false).slice(1)];
}

/**
 * A mount of type "cgroup" is a word of the runtime-spec. In a cgroup namespace of its own the container mounts the
 * hierarchies; else, and where a user namespace may not mount v1, its own directories are bound.
 */
function realMounts(mount: OciMount, { linux }: OciConfig, cgroupsPath: string): readonly OciMount[] {
  if (mount.type !== 'cgroup' && !(mount.type === 'cgroup2' && detectCgroups().mode !== 'unified'))
    return [mount];
  const isNew = (type: string): boolean =>
    linux.namespaces.some(one => one.type === type && one.path === undefined);
  const move = (one: OciMount): OciMount => ({
    ...one,
    destination: one.destination.replace('/sys/fs/cgroup', mount.destination),
    options: [...one.options, ...mount.options.filter(word => word !== 'ro' || one.type !== 'tmpfs')],
  });
  const mounts = cgroupMounts(detectCgroups());
  const hasUsers = linux.namespaces.some(({ type }) => type === 'user');
  if (isNew('cgroup') && !hasUsers)
    return mounts.map(move).map(one => (one.type === 'tmpfs' ? sealed(one, mount) : one));
  return mounts
    .map(one => {
      const hierarchy = hierarchies().find(each => each.mount === one.destination);
      if (hierarchy === undefined) return sealed(move(one), mount);
      const words = mount.options.filter(word => parseMountOptions([word]).data.length === 0);
      return move({
        ...one,
        type: 'bind',
        source: pathIn(hierarchy, cgroupsPath),
        options: ['rbind', ...words],
      });
    })
    .map(one =>
      one.type === 'bind'
        ? { ...one, options: one.options.filter(word => parseMountOptions([word]).data.length === 0) }
        : one,
    );
}

/** The tmpfs that holds them is read-only when they are, but only once they are there: sealTmpfs(). */
function sealed(tmpfs: OciMount, { options }: OciMount): OciMount {
  const data = parseMountOptions(options).data;
  const words = tmpfs.options.filter(word => !data.includes(word) || word.startsWith('mode='));
  return { ...tmpfs, options: options.includes('ro') ? [...words, 'ro'] : words };
}

/** The mount points that are files: a bind mount is what its source is. */
export function fileMounts(mounts: readonly OciMount[]): readonly string[] {
  return mounts.flatMap(({ destination, source, type }, i) => {
    if (type !== 'bind') return [];
    const stat = statSync(source, { throwIfNoEntry: false });
    if (stat === undefined) throw new UserError(`mounts[${i}].source: no such file or directory: ${source}`);
    return stat.isDirectory() ? [] : [destination];
  });
}

/** Which of the masked paths are directories; one that turns out to be another thing fails the program. */
export function maskedDirectories(config: OciConfig): readonly string[] {
  const isKernels = (path: string): boolean => /^\/(proc|sys)\//.test(path);
  return config.linux.maskedPaths.filter(path =>
    isKernels(path)
      ? statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
      : isDirectoryIn(config.root.path, path),
  );
}

function isDirectoryIn(root: string, path: string): boolean {
  const top = openSync(root, 'r');
  try {
    const fd = openInRoot(top, path, O_PATH);
    const isDirectory = fstatSync(fd).isDirectory();
    closeSync(fd);
    return isDirectory;
  } catch {
    return false;
  } finally {
    closeSync(top);
  }
}

const O_PATH = OPEN_FLAGS.O_PATH[0];
const NULL_DEVICE = (1 << 8) | 3;

/** Our 0–2: the container's user owns what is not his yet; the host's /dev/null is not his to own, nor to have. */
export function inheritedStreams(uid: number): InheritedStreams {
  const owned: number[] = [];
  const nulls: number[] = [];
  for (const fd of [0, 1, 2]) {
    const stat = fstatSync(fd);
    if (stat.isCharacterDevice() && stat.rdev === NULL_DEVICE) nulls.push(fd);
    else if (stat.uid !== uid && !stat.isFile()) owned.push(fd);
  }
  return { owned, null: nulls };
}

const MAX_PRESERVED = 7;

/** --preserve-fds and LISTEN_FDS: all of them must be open. */
export function preservedFds(asked: number): { readonly count: number; readonly env: readonly string[] } {
  const listen = process.env.LISTEN_PID === String(process.pid) ? Number(process.env.LISTEN_FDS ?? 0) : 0;
  const count = asked + (Number.isSafeInteger(listen) && listen > 0 ? listen : 0);
  // A shell keeps its own files from 10 on, so that more than these cannot be told from them.
  if (count > MAX_PRESERVED)
    throw new UserError(`--preserve-fds: at most ${MAX_PRESERVED} are supported, not ${count}`);
  if (3 + count > startedFds)
    throw new UserError(`--preserve-fds: file descriptor ${startedFds} is not open`);
  return { count, env: listen > 0 ? [`LISTEN_FDS=${listen}`, 'LISTEN_PID=1'] : [] };
}

/** Where a file of the bundle is; only for messages. */
export const configOf = (bundle: string): string => join(bundle, 'config.json');
