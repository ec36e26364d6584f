import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { errnoCode, UserError } from '../base/errors.ts';
import { LOCK } from '../linux/constants.generated.ts';
import { makeDirectories, makeTree } from '../native/exact-mode.ts';
import { flock, open, openInRoot } from '../native/libc.ts';
import { removeTree } from '../native/remove-tree.ts';
import { EMPTY_CONFIG, type ImageConfig } from './config.ts';
import { formatReference, parseReference } from './reference.ts';
import type { Image, ImageStore } from './store.ts';
import { type ImageUsers, MAX_USER_FILE, parseUsers } from './users.ts';

export interface ImportOptions {
  readonly config?: ImageConfig;
  /** Gives up, and leaves nothing. */
  readonly signal?: AbortSignal;
}

/** Copies a directory into the store: owners, modes, hard links, extended attributes and devices included. */
export async function importDirectory(
  store: ImageStore,
  name: string,
  directory: string,
  options: ImportOptions = {},
): Promise<Image> {
  const source = resolve(directory);
  if (!statSync(source, { throwIfNoEntry: false })?.isDirectory())
    throw new UserError(`"${directory}" is not a directory`);
  return importRoot(store, name, options, target =>
    run('cp', ['-a', '--reflink=auto', '--', `${source}/.`, target], directory, options.signal),
  );
}

/** As root, with every attribute; GNU tar refuses `..` and makes links last, so that nothing is written outside. */
const TAR = [
  '--extract',
  '--numeric-owner',
  '--preserve-permissions',
  '--same-owner',
  '--xattrs',
  '--xattrs-include=*',
  '--delay-directory-restore',
];

/** Unpacks a tar archive, compressed or not; `-` is standard input. */
export async function importTar(
  store: ImageStore,
  name: string,
  archive: string,
  options: ImportOptions = {},
): Promise<Image> {
  const source = archive === '-' ? '-' : resolve(archive);
  if (source !== '-' && !existsSync(source)) throw new UserError(`"${archive}" does not exist`);
  return importRoot(store, name, options, target =>
    run('tar', [...TAR, '--file', source, '--directory', target], archive, options.signal),
  );
}

/**
 * An import is built under a locked directory of its own and becomes visible by one rename: a crash leaves only what
 * {@link sweepImages} removes.
 */
async function importRoot(
  store: ImageStore,
  name: string,
  options: ImportOptions,
  fill: (target: string) => Promise<void>,
): Promise<Image> {
  const reference = formatReference(parseReference(name));
  const file = store.file(reference);
  if (basename(file).length > MAX_FILE_NAME) throw new UserError(`image name "${name}" is too long`);
  const id = randomBytes(6).toString('hex');
  const directory = join(store.roots, id);
  // Anybody may read what an image is called and how it is configured (compile and explain need no root), not its files.
  for (const each of [store.names, store.roots]) makeDirectories(each, 0o755);
  const lock = makeLocked(directory);
  try {
    const rootfs = join(directory, 'rootfs');
    makeDirectories(rootfs, 0o755);
    await fill(rootfs);
    const image = {
      reference,
      id,
      config: options.config ?? EMPTY_CONFIG,
      users: readUsers(rootfs),
      size: diskUsage(rootfs),
      created: new Date().toISOString(),
    };
    writeAtomically(file, id, JSON.stringify(image));
    return image;
  } catch (error) {
    removeTree(directory);
    throw error;
  } finally {
    closeSync(lock);
  }
}

/** What a name's file may be called, with room for {@link writeAtomically}. */
const MAX_FILE_NAME = 255 - '.0123456789ab.tmp'.length;

/** Makes a directory and locks it. A sweep in between takes it for a crashed import's: then again. */
function makeLocked(directory: string): number {
  for (;;) {
    makeTree(directory, 0o700);
    const lock = openIfThere(directory);
    if (lock === undefined) continue;
    flock(lock, LOCK.LOCK_EX);
    if (statSync(directory, { throwIfNoEntry: false })?.ino === fstatSync(lock).ino) return lock;
    closeSync(lock);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Removes what crashed imports and replaced names have left; returns the ids. `inUse` tells whether a running pod still
 * has that root as its lower layer.
 */
export function sweepImages(store: ImageStore, inUse: (id: string) => boolean): readonly string[] {
  if (!existsSync(store.roots)) return [];
  const swept = readdirSync(store.roots).filter(id => {
    const directory = join(store.roots, id);
    const lock = openIfThere(directory);
    if (lock === undefined) return false;
    try {
      // Looked up only under the lock: an import that ended just now has its name by then.
      if (
        !flock(lock, LOCK.LOCK_EX | LOCK.LOCK_NB) ||
        inUse(id) ||
        store.list().some(image => image.id === id)
      )
        return false;
      removeTree(directory);
      return true;
    } finally {
      closeSync(lock);
    }
  });
  // A name that was being written when its import was killed.
  for (const name of readdirSync(store.names)) {
    const id = /\.([0-9a-f]+)\.tmp$/.exec(name)?.[1];
    if (id !== undefined && !existsSync(join(store.roots, id)))
      rmSync(join(store.names, name), { force: true });
  }
  return swept;
}

function writeAtomically(file: string, id: string, text: string): void {
  const temporary = `${file}.${id}.tmp`;
  writeFileSync(temporary, text, { flush: true } as Parameters<typeof writeFileSync>[2]);
  chmodSync(temporary, 0o644);
  renameSync(temporary, file);
}

async function run(
  command: string,
  args: readonly string[],
  what: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const child = spawn(command, args, { stdio: ['inherit', 'ignore', 'pipe'], ...(signal && { signal }) });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (stderr.length < 1 << 16) stderr += text;
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', cause =>
      reject(
        new UserError(signal?.aborted ? 'interrupted' : `cannot run ${command}: ${cause.message}`, { cause }),
      ),
    );
    child.on('close', resolve);
  });
  if (status !== 0)
    throw new UserError(`cannot import "${what}": ${stderr.trim().split('\n')[0] || `${command} failed`}`);
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
