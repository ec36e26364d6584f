import { AT, CLONE, F, IOCTL, MS, NETLINK } from '../../linux/constants.generated.ts';
import { NAMESPACES } from '../../linux/namespaces.ts';
import { lowerOptions } from '../../linux/overlay.ts';
import { SOCKET } from '../../linux/sockets.ts';
import { flags, NULL, named, num, type ProgramBuilder, parameter } from '../builder.ts';
import { cloneTree, close, moveMountTo } from '../mount-calls.ts';
import type { SandboxPlan } from '../plan.ts';
import { openHost } from '../root-paths.ts';
import { newOverlay } from './rootfs.ts';
import { mapIds, mapper } from './user-namespace.ts';

/** The pod's tmpfs mounts, in its own mount namespace: the host never sees them. Host mounts still arrive (slave). */
export function mountSandbox(b: ProgramBuilder, plan: SandboxPlan): void {
  b.phase('mounts');
  b.call('mount', [NULL, b.text('/'), NULL, flags(MS, 'MS_REC', 'MS_SLAVE'), NULL]);
  for (const { path, options } of plan.tmpfs) {
    b.call('mount', [
      b.text('tmpfs'),
      b.text(path),
      b.text('tmpfs'),
      flags(MS, 'MS_NOSUID', 'MS_NODEV', 'MS_NOEXEC'),
      b.text(options),
    ]);
  }
  const idmap = plan.isInUserNamespace ? mapper(b) : undefined;
  for (const { source, target, isMapped } of plan.trees) {
    const tree = cloneTree(b, source, false);
    if (isMapped && idmap !== undefined) mapIds(b, tree, idmap);
    moveMountTo(b, tree, target);
    close(b, tree);
  }
  for (const { path, base, lower } of plan.overlays) {
    const mount = newOverlay(b, base, lowerOptions(lower), ['MOUNT_ATTR_RDONLY']);
    moveMountTo(b, mount, path);
    close(b, mount);
  }
}

export function setHostname(b: ProgramBuilder, hostname: string): void {
  b.phase('hostname');
  b.call('sethostname', [b.text(hostname), num(new TextEncoder().encode(hostname).length)]);
}

export function setDomainname(b: ProgramBuilder, domainname: string): void {
  b.phase('domainname');
  b.call('setdomainname', [b.text(domainname), num(new TextEncoder().encode(domainname).length)]);
}

/** A new network namespace has `lo`, but down, netdevice(7). */
export function bringLoopbackUp(b: ProgramBuilder): void {
  b.phase('loopback');
  const socket = b.call('socket', [named(2, 'AF_INET'), named(0o2000002, 'SOCK_DGRAM|SOCK_CLOEXEC'), num(0)]);
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode('lo'));
  new DataView(request.buffer).setUint16(16, 0x41, true);
  b.call('ioctl', [socket, flags(IOCTL, 'SIOCSIFFLAGS'), b.bytes(request, '{"lo", IFF_UP|IFF_RUNNING}')]);
  b.call('close', [socket]);
}

/** A netlink socket is its maker's network namespace's for ever: through this one the runtime speaks to it, without going there. */
export function openNetlink(b: ProgramBuilder): number {
  b.phase('netlink');
  return b.call('socket', [
    named(SOCKET.AF_NETLINK, 'AF_NETLINK'),
    named(SOCKET.SOCK_RAW | SOCKET.SOCK_CLOEXEC, 'SOCK_RAW|SOCK_CLOEXEC'),
    flags(NETLINK, 'NETLINK_ROUTE'),
  ]).pc;
}

/** fds of the new namespaces, in the table that this child shares with the runtime (CLONE_FILES); by OCI type. */
export function exportNamespaces(
  b: ProgramBuilder,
  types: readonly (keyof typeof NAMESPACES)[],
): ReadonlyMap<string, number> {
  b.phase('hand over');
  return new Map(
    types.map(
      type =>
        [type, openHost(b, `/proc/self/ns/${NAMESPACES[type].file}`, 'O_RDONLY', 'O_CLOEXEC').pc] as const,
    ),
  );
}

/** Root directories of the tmpfs mounts, so that the runtime can write into them: by path. */
export function exportDirectories(b: ProgramBuilder, paths: readonly string[]): ReadonlyMap<string, number> {
  return new Map(
    paths.map(path => [path, openHost(b, path, 'O_PATH', 'O_DIRECTORY', 'O_CLOEXEC').pc] as const),
  );
}

/** The procfs of a shared PID namespace, mounted by its PID 1: whoever joins later need not be inside to mount it. */
export function mountSharedProc(b: ProgramBuilder, path: string): void {
  b.phase('shared proc');
  b.call('mount', [
    b.text('proc'),
    b.text(path),
    b.text('proc'),
    flags(MS, 'MS_NOSUID', 'MS_NODEV', 'MS_NOEXEC'),
    NULL,
  ]);
}

/** Node's own are close-on-exec; what the shim opens must not get their numbers, which its program fills later. */
export function keepStandardStreams(b: ProgramBuilder): void {
  for (const fd of [0, 1, 2]) b.call('fcntl', [num(fd), flags(F, 'F_SETFD'), num(0)]);
}

/** The rest of the program runs in podspace-shim: let these fds live through its execve. */
export function executeShim(b: ProgramBuilder, argv: readonly string[], inherited: readonly string[]): void {
  b.phase('shim');
  for (const name of inherited) b.call('fcntl', [parameter(name), flags(F, 'F_SETFD'), num(0)]);
  b.call('execveat', [parameter('shim'), b.text(''), b.texts(argv), b.texts([]), flags(AT, 'AT_EMPTY_PATH')]);
}

/** setns(2) by pidfd: all namespaces of a process in one step, none of them by path. */
export function joinProcess(b: ProgramBuilder, types: readonly (keyof typeof NAMESPACES)[]): void {
  b.phase('namespaces');
  b.call('setns', [parameter('pidfd'), flags(CLONE, ...types.map(type => NAMESPACES[type].flag))]);
}
