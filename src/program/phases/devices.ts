import type { OciConfig, OciDevice } from '../../oci/config.ts';
import { named, num, type ProgramBuilder } from '../builder.ts';
import { moveMount } from '../mount-calls.ts';
import type { SlotOperand } from '../program.ts';
import { OPEN_HOW_SIZE, openHow, type RootPaths } from '../root-paths.ts';
import type { UserNamespace } from './user-namespace.ts';

const TYPES = { c: [0o020000, 'S_IFCHR'], b: [0o060000, 'S_IFBLK'], p: [0o010000, 'S_IFIFO'] } as const;

/** runtime-spec, "Dev symbolic links", and what containerd adds. */
const LINKS = [
  ['/proc/self/fd', 'fd'],
  ['/proc/self/fd/0', 'stdin'],
  ['/proc/self/fd/1', 'stdout'],
  ['/proc/self/fd/2', 'stderr'],
  ['/proc/kcore', 'core'],
  ['pts/ptmx', 'ptmx'],
] as const;

/**
 * Device nodes and links, each by the fd of the directory that is to hold it: /dev was mounted by this program, so no
 * link of the image can lead elsewhere (CVE-2026-41579). The modes need a umask of 0.
 */
export function makeDevices(
  b: ProgramBuilder,
  paths: RootPaths,
  config: OciConfig,
  user: UserNamespace | undefined,
): void {
  b.phase('devices');
  b.call('umask', [num(0)]);
  // A volume there brings its own devices, and may be the machine's /dev (runc: needsSetupDev).
  if (config.mounts.some(({ destination, type }) => destination === '/dev' && type === 'bind')) return;
  for (const device of config.linux.devices) {
    const hosts = user?.devices.get(device.path);
    if (hosts === undefined) makeDevice(b, paths, device);
    else moveMount(b, hosts, paths.file(device.path));
  }
  const dev = paths.directory('/dev');
  for (const [target, name] of LINKS)
    b.call('symlinkat', [b.text(target), dev, b.text(name)], { ignore: ['EEXIST'] });
}

function makeDevice(b: ProgramBuilder, paths: RootPaths, device: OciDevice): void {
  const slash = device.path.lastIndexOf('/');
  const directory = paths.directory(device.path.slice(0, slash));
  const name = b.text(device.path.slice(slash + 1));
  const [bits, word] = TYPES[device.type];
  const mode = named(bits | device.fileMode, `${word}|0${device.fileMode.toString(8)}`);
  b.call('mknodat', [directory, name, mode, deviceNumber(device)], { ignore: ['EEXIST'] });
  if (device.uid !== 0 || device.gid !== 0) {
    b.call('fchownat', [
      directory,
      name,
      num(device.uid),
      num(device.gid),
      named(0x100, 'AT_SYMLINK_NOFOLLOW'),
    ]);
  }
}

/** makedev(3), new 32-bit encoding of the kernel. */
function deviceNumber({ major, minor }: OciDevice): ReturnType<typeof named> {
  const value = ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
  return named(value, `makedev(${major}, ${minor})`);
}

/**
 * /dev/null of the container as its stdin, so that no fd of the host's own device is inherited. In a volume it may be a
 * link, and the host's paths are still reachable here.
 */
export function openNull(b: ProgramBuilder, dev: SlotOperand): SlotOperand {
  const how = openHow(b, ['O_RDWR', 'O_CLOEXEC'], ['RESOLVE_BENEATH', 'RESOLVE_NO_SYMLINKS']);
  return b.call('openat2', [dev, b.text('null'), how, OPEN_HOW_SIZE]);
}
