import {
  chmodSync,
  constants,
  fstatSync,
  ftruncateSync,
  futimesSync,
  mkdirSync,
  openSync,
  readlinkSync,
  readSync,
  type Stats,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { errnoCode, fileFailure, UserError } from '../base/errors.ts';
import { printable } from '../base/printable.ts';
import { inDirectory, namesIn, openDirectory, openName, reopen, withFd } from '../native/directory-fd.ts';

/** One end of a copy: how its files are reached, and what it is called in messages. */
export interface Side {
  as<T>(body: () => T): T;
  readonly name: string;
}

export interface CopyOptions {
  readonly from: Side;
  readonly to: Side;
  /** Links are made anew where they go; those of a container never are, for whoever follows them is not in it. */
  readonly keepsLinks: boolean;
  warn(message: string): void;
}

/** A place for something new: a name in a directory that is open. */
interface Place {
  readonly directory: number;
  readonly name: Buffer;
  readonly path: string;
}

/** Each level keeps its directories open. */
const MAX_DEPTH = 500;
const CHUNK = 1 << 16;
const ZEROS = Buffer.alloc(CHUNK);

/** Copies a file, or a directory with all that is in it, to a place. `fd` is O_PATH, or a directory's. */
export function copyTree(fd: number, path: string, place: Place, options: CopyOptions, depth = 0): void {
  const stat = fstatSync(fd);
  if (stat.isDirectory()) copyDirectory(fd, stat, path, place, options, depth);
  else if (stat.isFile()) copyFile(fd, stat, path, place, options);
  else options.warn(`skipping ${quoted(path)}: it is no file, directory or link`);
}

/** Copies what is in a directory into another one. */
export function copyContents(
  from: number,
  path: string,
  to: number,
  toPath: string,
  options: CopyOptions,
  depth = 0,
): void {
  if (depth > MAX_DEPTH)
    throw new UserError(`${options.from.name}: directories are nested deeper than ${MAX_DEPTH}`);
  const directory = attempt(options.from, path, 'read', () =>
    reopen(from, constants.O_RDONLY | constants.O_DIRECTORY),
  );
  withFd(directory, source => {
    for (const name of attempt(options.from, path, 'read', () => namesIn(source))) {
      const own = `${path}/${name.toString()}`;
      const place = { directory: to, name, path: `${toPath}/${name.toString()}` };
      const node = entryOf(options.from, source, name, own);
      if (node === undefined) continue;
      withFd(node, fd => {
        if (!fstatSync(fd).isSymbolicLink()) copyTree(fd, own, place, options, depth + 1);
        else if (options.keepsLinks) copyLink(source, name, own, place, options);
        else options.warn(`skipping symlink ${quoted(own)}`);
      });
    }
  });
}

/** Undefined for one that has gone since it was listed. */
function entryOf(side: Side, directory: number, name: Buffer, path: string): number | undefined {
  return attempt(side, path, 'read', () => {
    try {
      return openName(directory, name);
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  });
}

function copyDirectory(
  fd: number,
  { mode }: Stats,
  path: string,
  { directory, name, path: toPath }: Place,
  options: CopyOptions,
  depth: number,
): void {
  const { to } = options;
  const isNew = attempt(to, toPath, 'make', () => {
    try {
      // Whoever copies must be able to write there, until all is in it.
      mkdirSync(inDirectory(directory, name), (mode & 0o777) | 0o700);
      return true;
    } catch (error) {
      if (errnoCode(error) !== 'EEXIST') throw error;
      return false;
    }
  });
  withFd(
    attempt(to, toPath, 'write to', () => openDirectory(directory, name)),
    made => {
      copyContents(fd, path, made, toPath, options, depth);
      const last = mode & 0o777 & ~process.umask();
      if (isNew && (mode & 0o700) !== 0o700)
        attempt(to, toPath, 'write to', () => chmodSync(`/proc/self/fd/${made}`, last));
    },
  );
}

/** Of set-user-ID and set-group-ID nothing is left: they would be another user's on the other side. */
function copyFile(fd: number, stat: Stats, path: string, place: Place, { from, to }: CopyOptions): void {
  const { O_RDONLY, O_WRONLY, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;
  const source = attempt(from, path, 'read', () => reopen(fd, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  withFd(source, input => {
    const target = attempt(to, place.path, 'write', () =>
      openSync(
        inDirectory(place.directory, place.name),
        // A FIFO without a reader is an error then, and not for ever.
        O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
        stat.mode & 0o777,
      ),
    );
    withFd(target, output => {
      if (!fstatSync(output).isFile())
        throw new UserError(`cannot write ${quoted(place.path)}: it is there, and no regular file`);
      attempt(to, place.path, 'write', () => {
        ftruncateSync(output, 0);
        pour(input, output, stat.size);
        try {
          futimesSync(output, seconds(stat.atimeMs), seconds(stat.mtimeMs));
        } catch (error) {
          // A file that was there can be another user's.
          if (errnoCode(error) !== 'EPERM') throw error;
        }
      });
    });
  });
}

/** Node cuts to microseconds: half of one more, so that it rounds. */
const seconds = (milliseconds: number): number => milliseconds / 1000 + 5e-7;

/** No more than the file had at first: it may grow for ever. Holes stay holes: it may be larger than any disk. */
function pour(input: number, output: number, size: number): void {
  const buffer = Buffer.allocUnsafe(CHUNK);
  let at = 0;
  while (at < size) {
    const length = readSync(input, buffer, 0, Math.min(CHUNK, size - at), at);
    if (length === 0) break;
    const chunk = buffer.subarray(0, length);
    if (!chunk.equals(ZEROS.subarray(0, length)))
      for (let done = 0; done < length; ) done += writeSync(output, chunk, done, length - done, at + done);
    at += length;
  }
  ftruncateSync(output, at);
}

function copyLink(
  directory: number,
  name: Buffer,
  path: string,
  place: Place,
  { from, to }: CopyOptions,
): void {
  const target = attempt(from, path, 'read', () =>
    readlinkSync(inDirectory(directory, name), { encoding: 'buffer' }),
  );
  const own = inDirectory(place.directory, place.name);
  attempt(to, place.path, 'make', () => {
    try {
      symlinkSync(target, own);
    } catch (error) {
      if (errnoCode(error) !== 'EEXIST') throw error;
      // As tar does. A directory is EISDIR.
      unlinkSync(own);
      symlinkSync(target, own);
    }
  });
}

export const quoted = (path: string): string => JSON.stringify(printable(path));

/** Does something on a side; a failure is one line that says where. */
export function attempt<T>(side: Side, path: string, what: string, body: () => T): T {
  try {
    return side.as(body);
  } catch (cause) {
    if (errnoCode(cause) === undefined) throw cause;
    const reason =
      errnoCode(cause) === 'ELOOP' || (errnoCode(cause) === 'ENOTDIR' && what === 'write to')
        ? 'a link or a file is in its place, and is not followed'
        : errnoCode(cause) === 'ENOENT'
          ? 'no such file or directory'
          : fileFailure(cause);
    throw new UserError(`cannot ${what} ${quoted(path)} in ${side.name}: ${reason}`, { cause });
  }
}
