import { CLOSE_RANGE, IOCTL, MAGIC } from '../../linux/constants.generated.ts';
import type { OciProcess } from '../../oci/config.ts';
import { CWD, flags, named, num, type ProgramBuilder, parameter } from '../builder.ts';
import { cloneTreeAt, moveMount } from '../mount-calls.ts';
import type { Operand, SlotOperand } from '../program.ts';
import { OPEN_HOW_SIZE, openHow, type RootPaths } from '../root-paths.ts';
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
  for (const fd of isStdinOurs ? [0, 1, 2] : [1, 2]) {
    b.call('fchown', [num(fd), num(uid), named(-1, '-1')], {
      ignore: ['EPERM', 'EROFS', 'EINVAL', 'EOPNOTSUPP'],
    });
  }
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

/** Sends the master to the runtime (SCM_RIGHTS, unix(7)); the peer becomes stdin, stdout and stderr. */
export function connectTerminal(
  b: ProgramBuilder,
  terminal: { readonly master: SlotOperand; readonly peer: SlotOperand },
): void {
  const byte = b.bytes(new Uint8Array(1), '"\\0"');
  const iov = new Uint8Array(16);
  new DataView(iov.buffer).setBigUint64(8, 1n, true);
  const iovec = b.bytes(iov, '[{"\\0", 1}]', [{ at: 0, item: byte.item }]);
  const control = new Uint8Array(24);
  const controlView = new DataView(control.buffer);
  controlView.setBigUint64(0, 20n, true);
  controlView.setInt32(8, 1, true);
  controlView.setInt32(12, 1, true);
  const cmsg = b.bytes(control, 'cmsg');
  b.store(cmsg, 16, terminal.master);
  const header = new Uint8Array(56);
  const headerView = new DataView(header.buffer);
  headerView.setBigUint64(24, 1n, true);
  headerView.setBigUint64(40, 24n, true);
  const message = b.bytes(header, '{iov=[{"\\0", 1}], control={SCM_RIGHTS, cmsg}}', [
    { at: 16, item: iovec.item },
    { at: 32, item: cmsg.item },
  ]);
  b.call('sendmsg', [parameter('console'), message, num(0)]);
  for (const fd of [0, 1, 2]) b.call('dup3', [terminal.peer, num(fd), num(0)]);
}

/** Nothing but 0–2 is left, for good: the last paths that are followed and the payload see no fd of the host's. */
export function closeHostFds(b: ProgramBuilder): void {
  b.call('close_range', [num(3), ALL_FDS, flags(CLOSE_RANGE)]);
}
