import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { RESOLVE } from '../linux/constants.generated.ts';
import { open, openat2, SyscallError } from './libc.ts';

/** Whether a path below a directory, which no link leads out of, is there and a file or a socket. */
export function isFileBelow(directory: string, path: string): boolean {
  const root = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const beneath = RESOLVE.RESOLVE_BENEATH | RESOLVE.RESOLVE_NO_MAGICLINKS;
    const fd = openat2(root, path, open('O_PATH'), 0, beneath);
    try {
      const stat = fstatSync(fd);
      return stat.isFile() || stat.isSocket();
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return false;
  } finally {
    closeSync(root);
  }
}
