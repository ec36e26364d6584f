import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { errnoCode, UserError } from '../base/errors.ts';
import { LOCK } from '../linux/constants.generated.ts';
import { flock, open, openInRoot } from '../native/libc.ts';
import { EMPTY_CONFIG, type ImageConfig } from './config.ts';
import { formatReference, parseReference } from './reference.ts';
import { type ImageUsers, MAX_USER_FILE, parseUsers } from './users.ts';

/** An image of the local store. */
export interface Image {
  readonly reference: string;
  /** Short, because it becomes part of an overlayfs option, which holds at most 255 characters. */
  readonly id: string;
  readonly config: ImageConfig;
  readonly users: ImageUsers;
  /** Bytes on disk. */
  readonly size: number;
  /** RFC 3339. */
  readonly created: string;
}

export interface ImportOptions {
  readonly config?: ImageConfig;
}

/**
 * The images of one machine: a JSON file for each name, and the root file systems they point to. An import is built under
 * a locked directory of its own and becomes visible by one rename, so that a crash leaves only what {@link sweep} removes.
 */
export class ImageStore {
  readonly #names: string;
  readonly #roots: string;

  constructor(state: string) {
    this.#names = join(state, 'images', 'names');
    this.#roots = join(state, 'images', 'roots');
  }

  /** The image of that name; a short name is also looked for under `localhost/`, as podman does. */
  get(reference: string): Image | undefined {
    const names = [formatReference(parseReference(reference))];
    if (!reference.includes('/')) names.push(formatReference(parseReference(`localhost/${reference}`)));
    for (const name of names) {
      const image = this.#read(this.#file(name));
      if (image !== undefined) return image;
    }
    return undefined;
  }

  /** The image's root, relative to the state directory. */
  rootfs(image: Image): string {
    return `images/roots/${image.id}/rootfs`;
  }

  list(): readonly Image[] {
    if (!existsSync(this.#names)) return [];
    const images = readdirSync(this.#names)
      .filter(file => file.endsWith('.json'))
      .map(file => this.#read(join(this.#names, file)));
    return images.filter(image => image !== undefined).sort((a, b) => a.reference.localeCompare(b.reference));
  }

  /** Takes a name away, and its files if no other name has them. `inUse` tells whether a running pod needs an image. */
  remove(reference: string, inUse: (id: string) => boolean): Image {
    const image = this.get(reference);
    if (image === undefined)
      throw new UserError(`image "${reference}" not found`, {
        hint: 'podspace image ls shows what there is',
      });
    if (inUse(image.id)) throw new UserError(`image "${image.reference}" is in use by a running pod`);
    rmSync(this.#file(image.reference));
    if (!this.list().some(({ id }) => id === image.id))
      rmSync(join(this.#roots, image.id), { recursive: true, force: true });
    return image;
  }

  /** Copies a directory into the store: owners, modes, hard links, extended attributes and devices included. */
  importDirectory(name: string, directory: string, options: ImportOptions = {}): Image {
    const source = resolve(directory);
    if (!statSync(source, { throwIfNoEntry: false })?.isDirectory())
      throw new UserError(`"${directory}" is not a directory`);
    return this.#import(name, options, target =>
      run('cp', ['-a', '--reflink=auto', '--', `${source}/.`, target], directory),
    );
  }

  /** Unpacks a tar archive, compressed or not. GNU tar refuses `..` and defers links, so that nothing leaves the target. */
  importTar(name: string, archive: string, options: ImportOptions = {}): Image {
    const source = archive === '-' ? '-' : resolve(archive);
    if (source !== '-' && !existsSync(source)) throw new UserError(`"${archive}" does not exist`);
    const args = [
      '--extract',
      '--file',
      source,
      '--numeric-owner',
      '--preserve-permissions',
      '--same-owner',
      '--xattrs',
      '--xattrs-include=*',
      '--delay-directory-restore',
    ];
    return this.#import(name, options, target => run('tar', [...args, '--directory', target], archive));
  }

  /** Removes what crashed imports and removed names left behind; returns what was removed. */
  sweep(): readonly string[] {
    if (!existsSync(this.#roots)) return [];
    const used = new Set(this.list().map(({ id }) => id));
    return readdirSync(this.#roots).filter(
      id => !used.has(id) && this.#removeUnlocked(join(this.#roots, id)),
    );
  }

  #removeUnlocked(directory: string): boolean {
    const fd = openSync(directory, 'r');
    try {
      if (!flock(fd, LOCK.LOCK_EX | LOCK.LOCK_NB)) return false;
      rmSync(directory, { recursive: true, force: true });
      return true;
    } finally {
      closeSync(fd);
    }
  }

  #import(name: string, options: ImportOptions, fill: (target: string) => void): Image {
    const reference = formatReference(parseReference(name));
    const id = randomBytes(6).toString('hex');
    const directory = join(this.#roots, id);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    mkdirSync(this.#names, { recursive: true, mode: 0o700 });
    const lock = openSync(directory, 'r');
    try {
      flock(lock, LOCK.LOCK_EX);
      const rootfs = join(directory, 'rootfs');
      mkdirSync(rootfs, { mode: 0o755 });
      fill(rootfs);
      const image = {
        reference,
        id,
        config: options.config ?? EMPTY_CONFIG,
        users: readUsers(rootfs),
        size: diskUsage(rootfs),
        created: new Date().toISOString(),
      };
      writeAtomically(this.#file(reference), JSON.stringify(image));
      return image;
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    } finally {
      closeSync(lock);
    }
  }

  #file(reference: string): string {
    return join(this.#names, `${encodeURIComponent(reference)}.json`);
  }

  #read(file: string): Image | undefined {
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as Image;
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return undefined;
      if (error instanceof SyntaxError)
        throw new UserError(`${file} is damaged: ${error.message}`, { hint: 'import the image again' });
      throw error;
    }
  }
}

function writeAtomically(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode: 0o600, flush: true } as Parameters<typeof writeFileSync>[2]);
  renameSync(temporary, file);
}

function run(command: string, args: readonly string[], what: string): void {
  const { status, stderr, error } = spawnSync(command, args, {
    stdio: ['inherit', 'ignore', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 1 << 20,
  });
  if (error !== undefined) throw new UserError(`cannot run ${command}: ${error.message}`, { cause: error });
  if (status !== 0)
    throw new UserError(`cannot import "${what}": ${stderr.trim().split('\n')[0] ?? `${command} failed`}`);
}

/** /etc/passwd and /etc/group as a container would see them: no link leads out of the root, and only a file is read. */
function readUsers(rootfs: string): ImageUsers {
  const root = openSync(rootfs, 'r');
  try {
    return parseUsers(readRegular(root, 'etc/passwd'), readRegular(root, 'etc/group'));
  } finally {
    closeSync(root);
  }
}

/** Looked at through O_PATH first: opening a device or a FIFO of a hostile image must not even be tried. */
function readRegular(root: number, path: string): string {
  let handle: number;
  try {
    handle = openInRoot(root, path, open('O_PATH'));
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV'].includes(errnoCode(error) ?? '')) return '';
    throw error;
  }
  try {
    const stat = fstatSync(handle);
    return stat.isFile() && stat.size <= MAX_USER_FILE
      ? readFileSync(`/proc/self/fd/${handle}`, 'latin1')
      : '';
  } finally {
    closeSync(handle);
  }
}

function diskUsage(directory: string): number {
  const { stdout } = spawnSync('du', ['-s', '--block-size=1', '--', directory], { encoding: 'utf8' });
  return Number(stdout?.split('\t')[0] ?? 0) || 0;
}
