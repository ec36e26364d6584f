import { rmdirSync } from 'node:fs';
import { errnoCode } from '../base/errors.ts';

/** Removes directories, one after the other. One that is in use, or gone, or a mount point, stays as it is. */
export function removeEmptyDirectories(directories: readonly string[]): void {
  for (const directory of directories) {
    try {
      rmdirSync(directory);
    } catch (error) {
      if (!['ENOENT', 'ENOTEMPTY', 'EBUSY', 'EROFS'].includes(errnoCode(error) ?? '')) throw error;
    }
  }
}
