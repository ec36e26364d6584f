import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { MAX_USER_FILE, parseUsers } from '../image/users.ts';
import { OPEN_FLAGS } from '../linux/constants.generated.ts';
import { openInRoot } from '../native/libc.ts';
import type { OciProcess } from '../oci/config.ts';

/** HOME, which drivers leave to the runtime: what the container's /etc/passwd says, as with runc and crun. */
export function withHome(process: OciProcess, rootfs: string): OciProcess {
  if (process.env.some(entry => entry.startsWith('HOME='))) return process;
  return { ...process, env: [...process.env, `HOME=${homeOf(rootfs, process.user.uid)}`] };
}

function homeOf(rootfs: string, uid: number): string {
  const { passwd } = parseUsers(readInRoot(rootfs, 'etc/passwd'), '');
  const home = passwd.find(entry => entry.uid === uid)?.home ?? '';
  return home === '' || home.includes('\0') ? '/' : home;
}

/** A regular file of a root that others may be changing; anything else is empty, and nothing else is opened. */
function readInRoot(rootfs: string, path: string): string {
  const fds: number[] = [];
  const opened = (fd: number): number => {
    fds.push(fd);
    return fd;
  };
  try {
    const file = opened(openInRoot(opened(openSync(rootfs, 'r')), path, OPEN_FLAGS.O_PATH[0]));
    const stat = fstatSync(file);
    if (!stat.isFile() || stat.size > MAX_USER_FILE) return '';
    return readFileSync(`/proc/self/fd/${file}`, 'utf8');
  } catch {
    return '';
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}
