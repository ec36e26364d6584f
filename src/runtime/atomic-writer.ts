import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoCode } from '../base/errors.ts';
import type { VolumeFiles } from '../kube/volume-files.ts';
import { makeDirectories, writeWithMode } from '../native/exact-mode.ts';
import { removeTree } from '../native/remove-tree.ts';

type Files = VolumeFiles['files'];

/** Files that cannot be written as a volume says. */
export class PayloadError extends Error {
  override readonly name = 'PayloadError';
}

const DATA = '..data';
const [MAX_PATH, MAX_NAME] = [4096, 255] as const;

/**
 * AtomicWriter of the kubelet (pkg/volume/util/atomic_writer.go): the files are in a dated directory, `..data` is a link to
 * that, and each visible name one to `..data/NAME`. To change them all at once is one rename. `own` is called for the
 * directory before its files can be seen. False if there was nothing to change.
 */
export function writeAtomically(target: string, files: Files, own: () => void = () => {}): boolean {
  for (const { path } of files) checkPath(path);
  const before = datedOf(target);
  if (before !== undefined && holds(join(target, before), files)) return false;
  const dated = makeDated(target);
  try {
    writeFiles(join(target, dated), files);
  } catch (error) {
    removeTree(join(target, dated));
    // One file is a directory of another.
    if (!['EEXIST', 'EISDIR', 'ENOTDIR'].includes(errnoCode(error) ?? '')) throw error;
    throw new PayloadError((error as Error).message.replace(`${join(target, dated)}/`, ''), { cause: error });
  }
  own();
  const visible = new Set(files.map(({ path }) => path.split('/')[0] ?? ''));
  const old = before === undefined ? [] : namesIn(join(target, before));
  const temporary = join(target, `${DATA}_tmp`);
  if (linkOf(temporary) !== undefined) unlinkSync(temporary);
  symlinkSync(dated, temporary);
  renameSync(temporary, join(target, DATA));
  for (const name of visible)
    if (linkOf(join(target, name)) === undefined) symlinkSync(`${DATA}/${name}`, join(target, name));
  for (const name of old)
    if (!visible.has(name) && linkOf(join(target, name)) !== undefined) unlinkSync(join(target, name));
  if (before !== undefined) removeTree(join(target, before));
  own();
  return true;
}

/** validatePath. A ConfigMap that nobody has validated can have any key. */
function checkPath(path: string): void {
  const parts = path.split('/');
  const wrong = (what: string): never => {
    throw new PayloadError(`invalid path: ${what}`);
  };
  if (path === '') wrong('must not be empty');
  if (path.startsWith('/')) wrong(`must be relative path: ${path}`);
  if (path.length > MAX_PATH) wrong(`must be less than or equal to ${MAX_PATH} characters`);
  if (parts.includes('..')) wrong(`must not contain '..': ${path}`);
  if (parts.some(part => Buffer.byteLength(part) > MAX_NAME))
    wrong(`filenames must be less than or equal to ${MAX_NAME} characters`);
  if (path.startsWith('..')) wrong(`must not start with '..': ${path}`);
}

/** `..2026_11_30_12_56_34.1234567890`, as os.MkdirTemp names it. */
function makeDated(target: string): string {
  const time = new Date().toISOString().replace(/\.\d+Z$/, '');
  for (;;) {
    const name = `..${time.replace(/[-:T]/g, '_')}.${Math.trunc(Math.random() * 0xffff_ffff)}`;
    try {
      mkdirSync(join(target, name), { mode: 0o700 });
    } catch (error) {
      if (errnoCode(error) !== 'EEXIST') throw error;
      continue;
    }
    chmodSync(join(target, name), 0o755);
    return name;
  }
}

function writeFiles(directory: string, files: Files): void {
  for (const { path, mode, data } of files) {
    const file = join(directory, path);
    makeDirectories(dirname(file), 0o755);
    writeWithMode(file, data, mode);
  }
}

/** Whether a directory has exactly these files. As in the kubelet, another mode alone is no change. */
function holds(directory: string, files: Files): boolean {
  const wanted = new Map(files.map(({ path, data }) => [path, data]));
  const there = filesBelow(directory);
  return (
    there.length === wanted.size &&
    there.every(path => {
      const data = wanted.get(path);
      return data !== undefined && readFileSync(join(directory, path)).equals(data);
    })
  );
}

function filesBelow(directory: string, prefix = ''): readonly string[] {
  return namesIn(join(directory, prefix)).flatMap(name => {
    const path = prefix === '' ? name : `${prefix}/${name}`;
    return lstatSync(join(directory, path)).isDirectory() ? filesBelow(directory, path) : [path];
  });
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** What `..data` leads to, if that is one of our own directories: a container with enough capabilities may have made another link. */
function datedOf(target: string): string | undefined {
  const name = linkOf(join(target, DATA));
  if (name === undefined || !/^\.\.\d{4}[\d_.]*$/.test(name)) return undefined;
  return lstatSync(join(target, name), { throwIfNoEntry: false })?.isDirectory() === true ? name : undefined;
}

/** Undefined where there is no link. */
function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT' || errnoCode(error) === 'EINVAL') return undefined;
    throw error;
  }
}
