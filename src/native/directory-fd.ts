import { closeSync, constants, openSync, readdirSync } from 'node:fs';
import { OPEN_FLAGS } from '../linux/constants.generated.ts';

/*
 * Files below an open directory, one name at a time and without following a link: what is there may be the work of a
 * container that changes it at this moment. Names are bytes; a container may choose some that are no UTF-8.
 */

/** A path of Node's for a name in a directory that is open. */
export const inDirectory = (fd: number, name: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name]);

export const namesIn = (fd: number): readonly Buffer[] =>
  readdirSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' });

/** What a name is, be it a link, a device or a FIFO: nothing happens to it. */
export const openName = (fd: number, name: Buffer): number =>
  openSync(inDirectory(fd, name), OPEN_FLAGS.O_PATH[0] | constants.O_NOFOLLOW);

export const openDirectory = (fd: number, name: Buffer): number =>
  openSync(inDirectory(fd, name), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);

/** What an fd of openName() is, to be read. */
export const reopen = (fd: number, flags: number): number => openSync(`/proc/self/fd/${fd}`, flags);

export function withFd<T>(fd: number, body: (fd: number) => T): T {
  try {
    return body(fd);
  } finally {
    closeSync(fd);
  }
}
