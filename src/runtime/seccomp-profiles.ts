import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { errnoCode } from '../base/errors.ts';
import { ERRNO_TEXT, RESOLVE } from '../linux/constants.generated.ts';
import { open, openat2 } from '../native/libc.ts';
import type { SeccompTools } from '../oci/seccomp/generate.ts';

/** Docker's profile has 15 kB. */
const MAX_PROFILE = 1 << 20;

/** The file of a Localhost profile: below the root, whatever links there are, and a file, not something that waits or never ends. */
export function readProfile(root: string, name: string): ReturnType<SeccompTools['readProfile']> {
  const path = `${root}/${name}`;
  try {
    if (name.includes('\0')) throw new Error('the name contains a NUL byte');
    const bytes = readFileBelow(root, name, path);
    return { path, text: decode(bytes) };
  } catch (error) {
    return { error: `cannot load seccomp profile ${JSON.stringify(path)}: ${reason(error, path, root)}` };
  }
}

function readFileBelow(root: string, name: string, path: string): Buffer {
  const rootFd = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const flags = open('O_RDONLY', 'O_NONBLOCK', 'O_NOCTTY');
    const fd = openat2(rootFd, name, flags, 0, RESOLVE.RESOLVE_BENEATH | RESOLVE.RESOLVE_NO_MAGICLINKS);
    try {
      return readRegular(fd, path);
    } finally {
      closeSync(fd);
    }
  } finally {
    closeSync(rootFd);
  }
}

function readRegular(fd: number, path: string): Buffer {
  const stat = fstatSync(fd);
  if (stat.isDirectory()) throw new Error(`read ${path}: is a directory`);
  if (!stat.isFile()) throw new Error(`${path} is not a regular file`);
  const buffer = Buffer.alloc(Math.min(stat.size, MAX_PROFILE) + 1);
  let size = 0;
  for (let got = -1; got !== 0 && size < buffer.length; size += got)
    got = readSync(fd, buffer, size, buffer.length - size, null);
  if (size > MAX_PROFILE || stat.size > MAX_PROFILE) throw new Error(`${path} is larger than 1 MiB`);
  return buffer.subarray(0, size);
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Error('it is not UTF-8 text');
  }
}

/** As Go says it: `open PATH: no such file or directory`. */
function reason(error: unknown, path: string, root: string): string {
  const code = errnoCode(error);
  if (code === 'EXDEV') return `open ${path}: it leads out of ${root}`;
  const text = code === undefined ? undefined : ERRNO_TEXT[code as keyof typeof ERRNO_TEXT];
  if (text !== undefined) return `open ${path}: ${text.charAt(0).toLowerCase()}${text.slice(1)}`;
  return error instanceof Error ? error.message : String(error);
}
