import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import { basename, dirname, posix, resolve } from 'node:path';
import { errnoCode, UserError } from '../base/errors.ts';
import { OPEN_FLAGS } from '../linux/constants.generated.ts';
import { asUser, type FileUser } from '../native/credentials.ts';
import { withFd } from '../native/directory-fd.ts';
import { open, openInRoot } from '../native/libc.ts';
import { attempt, type CopyOptions, copyContents, copyTree, quoted, type Side } from './copy-tree.ts';
import { type ContainerRecord, isSameProcess, type PodRecord } from './pod-directory.ts';

const LOCAL: Side = { as: body => body(), name: 'this machine' };

/** A container's file tree, as its own user sees it. */
interface ContainerSide extends Side {
  readonly root: number;
  readonly cwd: string;
}

/**
 * The root of a container, with its mounts, by its process. Every path in it is resolved by the kernel with that root,
 * openat2(2): no link and no `..` leads out of it, however it is changed meanwhile (CVE-2019-1002101, CVE-2019-11246 of
 * kubectl cp, which asks the container's own tar).
 */
function withContainer<T>(pod: PodRecord, container: ContainerRecord, body: (side: ContainerSide) => T): T {
  const gone = `container "${container.name}" is not running`;
  let root: number;
  try {
    root = openSync(`/proc/${container.pid}/root`, OPEN_FLAGS.O_PATH[0] | constants.O_DIRECTORY);
  } catch (cause) {
    throw new UserError(gone, { cause });
  }
  try {
    // The pid may be another process' by now.
    if (!isSameProcess(container)) throw new UserError(gone);
    const { uid, gid, additionalGids } = container.process.user;
    const { hostRoot = 0 } = pod;
    const user: FileUser = {
      uid: hostRoot + uid,
      gid: hostRoot + gid,
      groups: additionalGids.map(id => hostRoot + id),
      isRoot: uid === 0,
    };
    return body({
      as: each => asUser(user, each),
      name: `container "${container.name}"`,
      root,
      cwd: container.process.cwd,
    });
  } finally {
    closeSync(root);
  }
}

type Warn = CopyOptions['warn'];

/** `cp POD:PATH LOCAL`: a file, or what is in a directory. Links are followed in PATH itself, and skipped below it. */
export function copyOut(
  pod: PodRecord,
  container: ContainerRecord,
  path: string,
  local: string,
  warn: Warn,
): void {
  withContainer(pod, container, from => {
    const options: CopyOptions = { from, to: LOCAL, keepsLinks: false, warn };
    const source = posix.resolve(from.cwd, path);
    const fd = attempt(from, source, 'read', () => openInRoot(from.root, source, open('O_PATH')));
    withFd(fd, node => {
      const target = resolve(local);
      const isDirectory = statSync(target, { throwIfNoEntry: false })?.isDirectory() === true;
      if (!isDirectory) checkSlash(LOCAL, local, node);
      if (!isDirectory)
        withLocalDirectory(dirname(target), directory => {
          const name = Buffer.from(basename(target));
          copyTree(node, source, { directory, name, path: target }, options);
        });
      else
        withLocalDirectory(target, directory => {
          if (fstatSync(node).isDirectory()) return copyContents(node, source, directory, target, options);
          const name = Buffer.from(posix.basename(source));
          return copyTree(node, source, { directory, name, path: `${target}/${name}` }, options);
        });
    });
  });
}

/**
 * `cp LOCAL POD:PATH`: into a directory that is there, else under that name, unless it must be one. What is made is the
 * container's user's.
 */
export function copyIn(
  pod: PodRecord,
  container: ContainerRecord,
  local: string,
  path: string,
  warn: Warn,
  where?: 'into a directory',
): void {
  withContainer(pod, container, to => {
    const options: CopyOptions = { from: LOCAL, to, keepsLinks: true, warn };
    const source = resolve(local);
    const target = posix.resolve(to.cwd, path);
    const fd = attempt(LOCAL, source, 'read', () => openSync(source, OPEN_FLAGS.O_PATH[0]));
    withFd(fd, node => {
      const inside = directoryIn(to, target);
      if (inside === undefined && where !== undefined)
        throw new UserError(`${quoted(target)} in ${to.name} is no directory`);
      if (inside === undefined) checkSlash(to, path, node);
      const parent =
        inside ??
        attempt(to, posix.dirname(target), 'write to', () => directoryFd(to, posix.dirname(target)));
      withFd(parent, directory => {
        const name = inside === undefined ? posix.basename(target) : basename(source);
        if (name === '')
          throw new UserError(`cannot copy ${quoted(source)} as a whole: name a directory in it`);
        const place = inside === undefined ? target : posix.join(target, name);
        copyTree(node, source, { directory, name: Buffer.from(name), path: place }, options);
      });
    });
  });
}

/** `DIR/` is a directory that is there, unless it becomes the copy of one. */
function checkSlash(side: Side, path: string, source: number): void {
  if (path.endsWith('/') && !fstatSync(source).isDirectory())
    throw new UserError(`${quoted(path)} in ${side.name} is no directory`);
}

const directoryFd = (side: ContainerSide, path: string): number =>
  openInRoot(side.root, path, open('O_PATH', 'O_DIRECTORY'));

/** Undefined where there is no directory. */
function directoryIn(side: ContainerSide, path: string): number | undefined {
  return attempt(side, path, 'write to', () => {
    try {
      return directoryFd(side, path);
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR'].includes(errnoCode(error) ?? '')) throw error;
      return undefined;
    }
  });
}

function withLocalDirectory(path: string, body: (fd: number) => void): void {
  const fd = attempt(LOCAL, path, 'write to', () =>
    openSync(path, constants.O_RDONLY | constants.O_DIRECTORY),
  );
  withFd(fd, body);
}
