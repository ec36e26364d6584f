import { closeSync, constants, openSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { SOCKET } from '../linux/sockets.ts';
import { syscall } from './libc.ts';

const BACKLOG = 16;

/** A socket that listens at a path, for stream connections. The caller closes it. Throws a SyscallError. */
export function bindUnix(path: string): number {
  return withSocket(path, (fd, name) => {
    syscall('bind', [fd, name, name.length], path);
    syscall('listen', [fd, BACKLOG], path);
  });
}

/** A connection to who listens at a path. The caller closes it. Throws a SyscallError. */
export function connectUnix(path: string): number {
  return withSocket(path, (fd, name) => {
    syscall('connect', [fd, name, name.length], path);
  });
}

/** unix(7) takes paths of 107 bytes; any directory is shorter as one of this process' fds. */
function withSocket(path: string, use: (fd: number, name: Uint8Array) => void): number {
  const directory = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  let fd: number | undefined;
  try {
    fd = syscall('socket', [SOCKET.AF_UNIX, SOCKET.SOCK_STREAM | SOCKET.SOCK_CLOEXEC, 0]);
    const short = Buffer.from(`/proc/self/fd/${directory}/${basename(path)}\0`);
    use(fd, Buffer.concat([Uint8Array.of(SOCKET.AF_UNIX, 0), short]));
    return fd;
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    throw error;
  } finally {
    closeSync(directory);
  }
}
