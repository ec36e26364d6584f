import { closeSync } from 'node:fs';
import { ERRNO, RESOLVE } from '../../linux/constants.generated.ts';
import { describeErrno } from '../../linux/errno.ts';
import { open, openat2, rawSyscall, SyscallError, type SyscallOperand } from '../../native/libc.ts';
import { shown, TarError } from '../tar/entry.ts';
import { split } from './entry-path.ts';

/** What has no NUL yet. Paths are latin1 texts: one character a byte, so that every name of a kernel is one. */
export const cPath = (path: string): Buffer => Buffer.from(`${path}\0`, 'latin1');
export const showPath = (path: string): string => shown(Buffer.from(path, 'latin1'));

/** Below the root, never through a link, never onto another file system. */
const CONFINED =
  RESOLVE.RESOLVE_BENEATH |
  RESOLVE.RESOLVE_NO_SYMLINKS |
  RESOLVE.RESOLVE_NO_MAGICLINKS |
  RESOLVE.RESOLVE_NO_XDEV;

/** Where a path is: the directory's own fd, and the last component. */
export interface Place {
  readonly directory: number;
  readonly name: string;
}

/**
 * The one place that turns a path of a hostile archive into something that can be written to. Each directory is opened by
 * openat2(2) below the root without following links; what is done next is done by that fd and a name without a slash.
 */
export class DirectoryTree {
  readonly root: number;
  readonly #onImplied: (path: string) => void;
  /** Archives go directory by directory. */
  #last: { readonly path: string; readonly fd: number } | undefined;

  /** `onImplied` hears of directories that the archive has no entry for. */
  constructor(root: number, onImplied: (path: string) => void) {
    this.root = root;
    this.#onImplied = onImplied;
  }

  /** Makes directories that are not there. */
  place(path: string): Place {
    const { parent, name } = split(path);
    return { directory: this.#open(parent, true) ?? -1, name };
  }

  /** Undefined where the directory is not there. */
  find(path: string): Place | undefined {
    const { parent, name } = split(path);
    const directory = this.#open(parent, false);
    return directory === undefined ? undefined : { directory, name };
  }

  close(): void {
    if (this.#last !== undefined) closeSync(this.#last.fd);
    this.#last = undefined;
  }

  #open(path: string, make: boolean): number | undefined {
    if (path === '') return this.root;
    if (this.#last?.path === path) return this.#last.fd;
    const fd = this.#openDirectory(path, make);
    if (fd === undefined) return undefined;
    this.close();
    this.#last = { path, fd };
    return fd;
  }

  #openDirectory(path: string, make: boolean): number | undefined {
    try {
      return openat2(this.root, cPath(path), open('O_PATH', 'O_DIRECTORY'), 0, CONFINED);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      if (error.code === 'ELOOP') throw new TarError(`${showPath(path)} leads through a symbolic link`);
      if (error.code === 'ENOTDIR') throw new TarError(`${showPath(path)} is not a directory`);
      if (error.code !== 'ENOENT')
        throw new TarError(`${showPath(path)}: ${error.message}`, { cause: error });
      if (!make) return undefined;
    }
    const { directory, name } = this.place(path);
    call(path, 'mkdirat', directory, cPath(name), 0o755);
    this.#onImplied(path);
    return this.#openDirectory(path, false);
  }
}

/** A system call about an entry: what fails is the archive's fault, or the disk's. */
export function call(
  path: string,
  name: Parameters<typeof rawSyscall>[0],
  ...operands: readonly SyscallOperand[]
): number {
  const result = rawSyscall(name, ...operands);
  if (result < 0) throw failure(path, name, -result);
  return result;
}

export function failure(path: string, what: string, errno: number): TarError {
  const isFull = errno === ERRNO.ENOSPC || errno === ERRNO.EDQUOT;
  return new TarError(`${showPath(path)}: ${what}: ${describeErrno(errno)}`, {
    hint: isFull ? 'the disk is full' : undefined,
  });
}
