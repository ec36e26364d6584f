import { chmodSync, closeSync, fchmodSync, fchownSync, ftruncateSync, writeSync } from 'node:fs';
import { errnoCode, fileFailure, UserError } from '../../base/errors.ts';
import { AT, ERRNO, S } from '../../linux/constants.generated.ts';
import { open, rawSyscall } from '../../native/libc.ts';
import { type TarEntry, TarError, type TarSink } from '../tar/entry.ts';
import { checkIds, deviceNumber, ofFd, ofName, setTime, setXattrs } from './attributes.ts';
import { call, cPath, DirectoryTree, failure, type Place, showPath } from './directory-tree.ts';
import { entryPath, whiteoutOf } from './entry-path.ts';
import type { LayerLimits } from './limits.ts';

/** What is done only when all entries are there: whiteouts are about the layers below, whatever their place in the archive. */
export interface LayerChanges {
  /** Directories that the archive has no entry for. */
  readonly implied: readonly string[];
  readonly whiteouts: ReadonlySet<string>;
  readonly opaque: ReadonlySet<string>;
}

/** Writes the entries of one layer into a directory that nobody else writes to, and nowhere else. */
export class LayerWriter implements TarSink {
  readonly tree: DirectoryTree;
  readonly #limits: LayerLimits;
  readonly #implied: string[] = [];
  readonly #whiteouts = new Set<string>();
  readonly #opaque = new Set<string>();
  /** Set when nothing is made in them any more. */
  readonly #directoryTimes = new Map<string, bigint>();
  #entries = 0;
  #file: { readonly path: string; readonly fd: number; readonly entry: TarEntry } | undefined;

  constructor(root: number, limits: LayerLimits) {
    this.#limits = limits;
    this.tree = new DirectoryTree(root, path => {
      this.countOne();
      this.#implied.push(path);
    });
  }

  get entries(): number {
    return this.#entries;
  }

  begin(entry: TarEntry): void {
    this.countOne();
    const path = entryPath(entry.path);
    const whiteout = whiteoutOf(path);
    if (whiteout === 'metadata') return;
    if (whiteout !== undefined) {
      if ('path' in whiteout) this.#whiteouts.add(whiteout.path);
      else this.#opaque.add(whiteout.opaque);
      return;
    }
    checkIds(path, entry);
    if (path === '') {
      this.#root(entry);
      return;
    }
    const place = this.tree.place(path);
    switch (entry.kind) {
      case 'directory':
        this.#directory(path, place, entry);
        break;
      case 'file':
        this.#begin(path, place, entry);
        break;
      case 'hardlink':
        this.#hardlink(path, entry);
        break;
      case 'symlink':
        this.#symlink(path, place, entry);
        break;
      default:
        this.#node(path, place, entry);
    }
  }

  data(chunk: Buffer, offset: number): void {
    if (this.#file === undefined) return;
    const { fd, path } = this.#file;
    try {
      for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at, chunk.length - at, offset + at);
    } catch (error) {
      if (errnoCode(error) === undefined) throw error;
      throw new UserError(`${showPath(path)}: ${fileFailure(error)}`, { cause: error });
    }
  }

  end(): void {
    if (this.#file === undefined) return;
    const { fd, path, entry } = this.#file;
    this.#file = undefined;
    try {
      if (entry.extents !== undefined) ftruncateSync(fd, entry.size);
      setAttributes(path, fd, entry);
      setTime(path, fd, null, entry.mtime);
    } finally {
      closeSync(fd);
    }
  }

  /** Directories keep the times that the archive says. */
  finish(): LayerChanges {
    return { implied: this.#implied, whiteouts: this.#whiteouts, opaque: this.#opaque };
  }

  setDirectoryTimes(): void {
    for (const [path, mtime] of this.#directoryTimes) {
      if (path === '') setTime('.', this.tree.root, '.', mtime);
      else {
        const place = this.tree.find(path);
        if (place !== undefined && isDirectory(place)) setTime(path, place.directory, place.name, mtime);
      }
    }
  }

  /** For a directory that is implied, and has the time of the layers below. */
  keepTime(path: string, mtime: bigint): void {
    this.#directoryTimes.set(path, mtime);
  }

  /** The archive says itself how that directory is. */
  hasEntry(path: string): boolean {
    return this.#directoryTimes.has(path);
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file.fd);
    this.tree.close();
  }

  /** A whiteout that is made counts too. */
  countOne(): void {
    if (++this.#entries > this.#limits.entries)
      throw new TarError(`it has more than ${this.#limits.entries} entries`);
  }

  #root(entry: TarEntry): void {
    if (entry.kind !== 'directory') throw new TarError('an entry that is the root is not a directory');
    setAttributes('.', this.tree.root, entry);
    this.#directoryTimes.set('', entry.mtime);
  }

  #directory(path: string, place: Place, entry: TarEntry): void {
    const made = rawSyscall('mkdirat', place.directory, cPath(place.name), 0o700);
    if (made === -ERRNO.EEXIST && !isDirectory(place)) {
      remove(path, place);
      call(path, 'mkdirat', place.directory, cPath(place.name), 0o700);
    } else if (made < 0 && made !== -ERRNO.EEXIST)
      call(path, 'mkdirat', place.directory, cPath(place.name), 0o700);
    const fd = openDirectory(path, place);
    try {
      setAttributes(path, fd, entry);
    } finally {
      closeSync(fd);
    }
    this.#directoryTimes.set(path, entry.mtime);
  }

  #begin(path: string, place: Place, entry: TarEntry): void {
    if (entry.size > this.#limits.bytes)
      throw new TarError(`${showPath(path)} is larger than ${this.#limits.bytes} bytes`);
    const flags = open('O_WRONLY', 'O_CREAT', 'O_EXCL', 'O_NOFOLLOW', 'O_CLOEXEC');
    const fd = replacing(path, place, () =>
      rawSyscall('openat', place.directory, cPath(place.name), flags, 0o600),
    );
    this.#file = { path, fd, entry };
  }

  /** Both names are below the root, and neither is reached through a link; a link itself may have two names. */
  #hardlink(path: string, entry: TarEntry): void {
    const target = entryPath(entry.target);
    if (target === path) throw new TarError(`${showPath(path)} is a link to itself`);
    // place() and find() share what they have open: the second must not close the first's.
    this.tree.place(path);
    const from = this.tree.find(target);
    const source =
      from === undefined
        ? -ERRNO.ENOENT
        : rawSyscall('openat', from.directory, cPath(from.name), PATH_ONLY, 0);
    if (source < 0)
      throw new TarError(`${showPath(path)} is a link to ${showPath(target)}, which is not in this layer`);
    try {
      const to = this.tree.place(path);
      const old = cPath(`/proc/self/fd/${source}`);
      replacing(path, to, () =>
        rawSyscall('linkat', -1, old, to.directory, cPath(to.name), AT.AT_SYMLINK_FOLLOW),
      );
    } finally {
      closeSync(source);
    }
  }

  #symlink(path: string, place: Place, entry: TarEntry): void {
    if (entry.target.length === 0 || entry.target.includes(0))
      throw new TarError(`${showPath(path)} is a symbolic link to nothing`);
    const target = cPath(entry.target.toString('latin1'));
    replacing(path, place, () => rawSyscall('symlinkat', target, place.directory, cPath(place.name)));
    this.#finishNode(path, place, entry);
  }

  #node(path: string, place: Place, entry: TarEntry): void {
    const type = { character: S.S_IFCHR, block: S.S_IFBLK, fifo: S.S_IFIFO }[entry.kind as 'character'];
    const device = entry.kind === 'fifo' ? 0 : deviceNumber(path, entry);
    replacing(path, place, () =>
      rawSyscall('mknodat', place.directory, cPath(place.name), type | 0o600, device),
    );
    this.#finishNode(path, place, entry);
    // By its path, because there is no fd of it to be had; it is no link, it has just been made.
    chmodSync(Buffer.from(`/proc/self/fd/${place.directory}/${place.name}`, 'latin1'), entry.mode);
    setTime(path, place.directory, place.name, entry.mtime);
  }

  #finishNode(path: string, place: Place, entry: TarEntry): void {
    const name = cPath(place.name);
    call(path, 'fchownat', place.directory, name, entry.uid, entry.gid, AT.AT_SYMLINK_NOFOLLOW);
    setXattrs(path, entry, ofName(place.directory, place.name));
    setTime(path, place.directory, place.name, entry.mtime);
  }
}

const PATH_ONLY = open('O_PATH', 'O_NOFOLLOW', 'O_CLOEXEC');

/** chown(2) takes set-user-ID bits and capabilities away: it comes first. */
function setAttributes(path: string, fd: number, entry: TarEntry): void {
  try {
    fchownSync(fd, entry.uid, entry.gid);
    setXattrs(path, entry, ofFd(fd));
    fchmodSync(fd, entry.mode);
  } catch (error) {
    if (error instanceof UserError || errnoCode(error) === undefined) throw error;
    throw new TarError(`${showPath(path)}: ${fileFailure(error)}`, { cause: error });
  }
}

function openDirectory(path: string, { directory, name }: Place): number {
  return call(
    path,
    'openat',
    directory,
    cPath(name),
    open('O_RDONLY', 'O_DIRECTORY', 'O_NOFOLLOW', 'O_CLOEXEC'),
    0,
  );
}

export function isDirectory({ directory, name }: Place): boolean {
  const flags = open('O_PATH', 'O_DIRECTORY', 'O_NOFOLLOW', 'O_CLOEXEC');
  const fd = rawSyscall('openat', directory, cPath(name), flags, 0);
  if (fd >= 0) closeSync(fd);
  return fd >= 0;
}

/** A later entry of a name replaces an earlier one, but not a directory with something in it. */
function replacing(path: string, place: Place, make: () => number): number {
  const result = make();
  if (result >= 0) return result;
  if (result !== -ERRNO.EEXIST) throw failure(path, 'cannot be made', -result);
  remove(path, place);
  const again = make();
  if (again < 0) throw failure(path, 'cannot be made', -again);
  return again;
}

function remove(path: string, place: Place): void {
  const flags = isDirectory(place) ? AT.AT_REMOVEDIR : 0;
  call(path, 'unlinkat', place.directory, cPath(place.name), flags);
}
