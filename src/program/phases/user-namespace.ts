import { CLONE, MOUNT_ATTR, PR } from '../../linux/constants.generated.ts';
import type { OciConfig, OciLinux, OciNamespace } from '../../oci/config.ts';
import { flags, NULL, named, num, type ProgramBuilder, parameter } from '../builder.ts';
import { cloneTree, setAttributes } from '../mount-calls.ts';
import type { DataOperand, Operand, SlotOperand } from '../program.ts';
import { openHost } from '../root-paths.ts';

/**
 * The pod's user namespace, held open while the host's paths can still be reached. What it changes: mounts of the host's
 * files are id-mapped by it (mount_setattr(2), MOUNT_ATTR_IDMAP), so that a file of user 0 there is one of user 0 here;
 * device nodes cannot be made in it; and once it is entered, the host's paths are closed to what is left of root.
 */
export interface UserNamespace {
  readonly fd: SlotOperand;
  /** struct mount_attr that maps ids. */
  readonly idmap: DataOperand;
  /** Detached mounts of the host's device nodes, by path. */
  readonly devices: ReadonlyMap<string, SlotOperand>;
  /** The same of /dev/null for each masked path that is a file. */
  readonly covers: ReadonlyMap<string, SlotOperand>;
}

/** Undefined for a container in the host's user namespace. */
export function openUserNamespace(
  b: ProgramBuilder,
  config: OciConfig,
  maskedDirectories: readonly string[],
): UserNamespace | undefined {
  const path = config.linux.namespaces.find(({ type }) => type === 'user')?.path;
  if (path === undefined) return undefined;
  b.phase('user namespace');
  const fd = openHost(b, path, 'O_RDONLY', 'O_CLOEXEC');
  const isOverDev = config.mounts.some(({ destination, type }) => destination === '/dev' && type === 'bind');
  return {
    fd,
    idmap: idmapAttribute(b, fd),
    devices: new Map(
      isOverDev ? [] : config.linux.devices.map(device => [device.path, hostDevice(b, device.path)]),
    ),
    covers: new Map(
      config.linux.maskedPaths
        .filter(masked => !maskedDirectories.includes(masked))
        .map(masked => [masked, cloneTree(b, '/dev/null', false)]),
    ),
  };
}

function hostDevice(b: ProgramBuilder, path: string): SlotOperand {
  const tree = cloneTree(b, path, false);
  setAttributes(b, tree, { propagation: 'MS_PRIVATE' });
  setAttributes(b, tree, { set: ['MOUNT_ATTR_NOSUID', 'MOUNT_ATTR_NOEXEC'] });
  return tree;
}

function idmapAttribute(
  b: ProgramBuilder,
  fd: Operand & { readonly kind: 'slot' | 'parameter' },
): DataOperand {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, MOUNT_ATTR.MOUNT_ATTR_IDMAP, true);
  const attribute = b.bytes(bytes, '{attr_set=MOUNT_ATTR_IDMAP, userns_fd}');
  b.store(attribute, 24, fd);
  return attribute;
}

/** Maps the ids of a detached mount that nobody has seen yet. */
export function mapIds(b: ProgramBuilder, mount: SlotOperand, idmap: DataOperand): void {
  b.call('mount_setattr', [mount, b.text(''), named(0x1000, 'AT_EMPTY_PATH'), idmap, num(32)]);
}

/** For a program that gets the namespace from the runtime. */
export const mapper = (b: ProgramBuilder): DataOperand => idmapAttribute(b, parameter('userns'));

/**
 * Enters the user namespace. All ids of the caller are unknown there: it becomes the namespace's own root before it makes
 * anything, or what it made would belong to nobody.
 */
export function enterUserNamespace(b: ProgramBuilder, fd: Operand): void {
  b.phase('user namespace');
  b.call('setns', [fd, flags(CLONE, 'CLONE_NEWUSER')]);
  becomeRoot(b);
}

export function becomeRoot(b: ProgramBuilder): void {
  b.call('setgroups', [num(0), NULL]);
  b.call('setresgid', [num(0), num(0), num(0)]);
  b.call('setresuid', [num(0), num(0), num(0)]);
  hideMemory(b);
}

/**
 * A change of ids makes a process as readable as fs.suid_dumpable says, which a machine may have set to 1: processes of the
 * container that have the same ids could look into this one, prctl(2).
 */
export function hideMemory(b: ProgramBuilder): void {
  b.call('prctl', [flags(PR, 'PR_SET_DUMPABLE'), num(0), num(0), num(0), num(0)]);
}

/** The number that a user of the container has on the host. */
export function hostUid(uid: number, { uidMappings }: Pick<OciLinux, 'uidMappings'>): number {
  const row = uidMappings?.find(({ containerID, size }) => uid >= containerID && uid < containerID + size);
  return (row?.hostID ?? 0) + uid - (row?.containerID ?? 0);
}

/** The runtime's pipes belong to the user of the container: later nobody would be left to give them away. */
export function giveStreams(b: ProgramBuilder, owner: number, names: readonly string[]): void {
  for (const name of names)
    b.call('fchown', [parameter(name), num(owner), named(-1, '-1')], {
      ignore: ['EPERM', 'EROFS', 'EINVAL', 'EOPNOTSUPP'],
    });
}

export const isUserNamespace = ({ type, path }: OciNamespace): boolean =>
  type === 'user' && path !== undefined;
