import { constants, fstatSync, openSync } from 'node:fs';
import { RESOLVE } from '../linux/constants.generated.ts';
import { withFd } from './directory-fd.ts';
import { open, openat2, SyscallError } from './libc.ts';

/** Whether a path below a directory, which no link leads out of, is there and a file or a socket. */
export function isFileBelow(directory: string, path: string): boolean {
  const beneath = RESOLVE.RESOLVE_BENEATH | RESOLVE.RESOLVE_NO_MAGICLINKS;
  return withFd(openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY), root => {
    try {
      const stat = withFd(openat2(root, path, open('O_PATH'), 0, beneath), fd => fstatSync(fd));
      return stat.isFile() || stat.isSocket();
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      return false;
    }
  });
}
