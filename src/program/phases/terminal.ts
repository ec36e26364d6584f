import { CLOSE_RANGE, IOCTL, MAGIC } from '../../linux/constants.generated.ts';
import type { OciProcess } from '../../oci/config.ts';
import { CWD, flags, named, num, type ProgramBuilder, parameter } from '../builder.ts';
import { cloneTreeAt, moveMount } from '../mount-calls.ts';
import type { InheritedStreams } from '../plan.ts';
import type { ImmediateOperand, Operand, SlotOperand } from '../program.ts';
import { OPEN_HOW_SIZE, openHow, type RootPaths } from '../root-paths.ts';
import { sendFd } from '../send-fd.ts';
import { ALL_FDS } from './namespaces.ts';

/** stdin, stdout and stderr are pipes (or files) of the runtime's. */
export function connectPipes(b: ProgramBuilder, stdin: SlotOperand | undefined): void {
  b.phase('standard streams');
  b.call('dup3', [stdin ?? parameter('stdin'), num(0), num(0)]);
  b.call('dup3', [parameter('stdout'), num(1), num(0)]);
  b.call('dup3', [parameter('stderr'), num(2), num(0)]);
}

/** A user who is not root must be able to open /dev/stdout again; /dev/null is the container's own. */
export function ownStreams(b: ProgramBuilder, uid: number, isStdinOurs: boolean): void {
  for (const fd of isStdinOurs ? [0, 1, 2] : [1, 2]) own(b, num(fd), uid);
}

/** The container's own pts; a volume may be mounted there, so it is looked at as in a container that runs. */
export function openTerminal(
  b: ProgramBuilder,
  paths: RootPaths,
  process: OciProcess,
): { readonly master: SlotOperand; readonly peer: SlotOperand } {
  b.phase('terminal');
  const master = openMaster(b, paths.directory('/dev/pts'), 'ptmx');
  const peer = peerOf(b, master, process);
  const console = paths.file('/dev/console');
  moveMount(b, cloneTreeAt(b, peer, false), console);
  return { master, peer };
}

/** A pts in a container that runs already. */
export function openTerminalInContainer(
  b: ProgramBuilder,
  process: OciProcess,
): {
  readonly master: SlotOperand;
  readonly peer: SlotOperand;
} {
  b.phase('terminal');
  const master = openMaster(b, CWD, '/dev/pts/ptmx');
  return { master, peer: peerOf(b, master, process) };
}

/** /dev/pts may have been replaced: what is opened must be a devpts (CVE-2025-52565), reached through no link. */
function openMaster(b: ProgramBuilder, directory: Operand, path: string): SlotOperand {
  const how = openHow(b, ['O_RDWR', 'O_NOCTTY', 'O_CLOEXEC'], ['RESOLVE_NO_SYMLINKS']);
  const master = b.call('openat2', [directory, b.text(path), how, OPEN_HOW_SIZE]);
  const statfs = b.bytes(new Uint8Array(120), 'statfs');
  b.call('fstatfs', [master, statfs]);
  b.expect(statfs, 0, 4, flags(MAGIC, 'DEVPTS_SUPER_MAGIC'), named(1, 'EPERM'));
  return master;
}

/** TIOCGPTPEER opens the other end without any path, ioctl_tty(2). */
function peerOf(b: ProgramBuilder, master: SlotOperand, { consoleSize }: OciProcess): SlotOperand {
  if (consoleSize !== undefined) {
    const size = new Uint8Array(8);
    new DataView(size.buffer).setUint16(0, consoleSize.height, true);
    new DataView(size.buffer).setUint16(2, consoleSize.width, true);
    b.call('ioctl', [
      master,
      flags(IOCTL, 'TIOCSWINSZ'),
      b.bytes(size, `{rows=${consoleSize.height}, columns=${consoleSize.width}}`),
    ]);
  }
  b.call('ioctl', [master, flags(IOCTL, 'TIOCSPTLCK'), b.bytes(new Uint8Array(4), '[0]')]);
  return b.call('ioctl', [master, flags(IOCTL, 'TIOCGPTPEER'), b.open('O_RDWR', 'O_NOCTTY', 'O_CLOEXEC')]);
}

/** The runtime's own streams stay; in place of the host's /dev/null is the container's. */
export function keepStreams(
  b: ProgramBuilder,
  { owned, null: nulls }: InheritedStreams,
  uid: number,
  hostNull: SlotOperand | undefined,
): void {
  b.phase('standard streams');
  if (hostNull !== undefined) for (const fd of nulls) b.call('dup3', [hostNull, num(fd), num(0)]);
  for (const fd of owned) own(b, num(fd), uid);
}

function own(b: ProgramBuilder, fd: Operand, uid: number): void {
  b.call('fchown', [fd, num(uid), named(-1, '-1')], { ignore: ['EPERM', 'EROFS', 'EINVAL', 'EOPNOTSUPP'] });
}

/** Sends the master to the runtime; the peer becomes stdin, stdout and stderr. */
export function connectTerminal(
  b: ProgramBuilder,
  terminal: { readonly master: SlotOperand; readonly peer: SlotOperand },
): void {
  sendFd(b, parameter('console'), terminal.master, [num(0)]);
  for (const fd of [0, 1, 2]) b.call('dup3', [terminal.peer, num(fd), num(0)]);
}

/**
 * Nothing but 0–2 is left, for good: the last paths that are followed and the payload see no fd of the host's; but for one
 * socket, until execve, to whoever gets the listener of a filter.
 */
export function closeHostFds(
  b: ProgramBuilder,
  socket: 'audit' | 'agent' | undefined,
  preserved = 0,
): ImmediateOperand | undefined {
  const first = num(3 + preserved);
  if (socket === undefined) {
    b.call('close_range', [first, ALL_FDS, flags(CLOSE_RANGE)]);
    return undefined;
  }
  // EINVAL: it is there already.
  b.call('dup3', [parameter(socket), first, b.open('O_CLOEXEC')], { ignore: ['EINVAL'] });
  b.call('close_range', [num(4 + preserved), ALL_FDS, flags(CLOSE_RANGE)]);
  return first;
}
