import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { UserError } from '../base/errors.ts';
import { FSCONFIG, FSMOUNT, FSOPEN, MOUNT_ATTR, OPEN_FLAGS } from '../linux/constants.generated.ts';
import { parseMountOptions } from '../linux/mount-options.ts';
import { openInRoot, syscall } from '../native/libc.ts';
import type { OciMount } from '../oci/config.ts';

const COPY_UP = 'tmpcopyup';

export const copiesUp = ({ options }: OciMount): boolean => options.includes(COPY_UP);

/**
 * The tmpfs of a mount with "tmpcopyup", detached, with a copy of what it will cover: runc's and crun's extension, which
 * podman's --tmpfs asks for. Here and not in the program, which has no loops.
 */
export function copiedUp(root: string, { destination, source, options }: OciMount): number {
  const { data, set } = parseMountOptions(options);
  const top = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
  const from = openCovered(top, destination);
  try {
    const fs = syscall('fsopen', ['tmpfs', FSOPEN.FSOPEN_CLOEXEC], 'tmpfs');
    try {
      const configure = (key: string, value: string | null): number =>
        syscall(
          'fsconfig',
          [fs, value === null ? FSCONFIG.FSCONFIG_SET_FLAG : FSCONFIG.FSCONFIG_SET_STRING, key, value, 0],
          key,
        );
      configure('source', source === '' ? 'tmpfs' : source);
      for (const word of data.filter(one => one !== COPY_UP)) {
        const [key = '', ...value] = word.split('=');
        configure(key, value.length === 0 ? null : value.join('='));
      }
      syscall('fsconfig', [fs, FSCONFIG.FSCONFIG_CMD_CREATE, null, null, 0], 'tmpfs');
      const bits = set
        .filter(name => name !== 'MOUNT_ATTR_RDONLY')
        .reduce((all, name) => all | MOUNT_ATTR[name], 0);
      const mount = syscall('fsmount', [fs, FSMOUNT.FSMOUNT_CLOEXEC, bits], 'tmpfs');
      if (from !== undefined)
        fill(
          from,
          mount,
          data.some(word => word.startsWith('mode=')),
        );
      return mount;
    } finally {
      closeSync(fs);
    }
  } finally {
    closeSync(top);
    if (from !== undefined) closeSync(from);
  }
}

/** A place that is not there yet has nothing to copy. */
function openCovered(top: number, path: string): number | undefined {
  try {
    return openInRoot(top, path, OPEN_FLAGS.O_RDONLY[0] | constants.O_DIRECTORY);
  } catch {
    return undefined;
  }
}

function fill(from: number, mount: number, hasMode: boolean): void {
  const stat = fstatSync(from);
  const to = openSync(`/proc/self/fd/${mount}`, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    copyEntries(from, to, 0);
    if (!hasMode) fchmodSync(to, stat.mode & 0o7777);
    fchownSync(to, stat.uid, stat.gid);
  } finally {
    closeSync(to);
  }
}

/** Deeper than any image is. */
const MAX_DEPTH = 256;

/** By fds and single names, none of which is followed: the image, or whoever writes to it now, chose them. */
function copyEntries(from: number, to: number, depth: number): void {
  if (depth > MAX_DEPTH) throw new UserError(`${COPY_UP}: more than ${MAX_DEPTH} directories deep`);
  for (const name of readdirSync(`/proc/self/fd/${from}`)) {
    const [source, target] = [`/proc/self/fd/${from}/${name}`, `/proc/self/fd/${to}/${name}`];
    const stat = lstatSync(source);
    if (stat.isSymbolicLink()) {
      symlinkSync(readlinkSync(source), target);
      lchownSync(target, stat.uid, stat.gid);
    } else if (stat.isDirectory()) copyDirectory(source, target, stat, depth);
    else if (stat.isFile()) copyFile(source, target);
    else {
      syscall('mknodat', [-100, target, stat.mode, stat.rdev], name);
      chownSync(target, stat.uid, stat.gid);
      chmodSync(target, stat.mode & 0o7777);
    }
  }
}

function copyDirectory(source: string, target: string, stat: Stats, depth: number): void {
  mkdirSync(target, { mode: 0o700 });
  const inner = openSync(source, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  const outer = openSync(target, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    copyEntries(inner, outer, depth + 1);
    fchownSync(outer, stat.uid, stat.gid);
    fchmodSync(outer, stat.mode & 0o7777);
  } finally {
    closeSync(inner);
    closeSync(outer);
  }
}

function copyFile(source: string, target: string): void {
  const inner = openSync(source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const outer = openSync(target, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    const stat = fstatSync(inner);
    if (!stat.isFile()) throw new UserError(`${COPY_UP}: a file has changed meanwhile`);
    const buffer = Buffer.allocUnsafe(1 << 16);
    for (let size = -1; size !== 0; ) {
      size = readSync(inner, buffer);
      for (let at = 0; at < size; ) at += writeSync(outer, buffer, at, size - at);
    }
    fchownSync(outer, stat.uid, stat.gid);
    fchmodSync(outer, stat.mode & 0o7777);
  } finally {
    closeSync(inner);
    closeSync(outer);
  }
}
