import { type BigIntStats, lstatSync, readdirSync } from 'node:fs';
import { errnoCode } from '../../base/errors.ts';
import type { WrittenDirectory } from '../../oci/audit/observation.ts';

/** What stands in a writable layer: path → what tells a change. */
export type LayerState = ReadonlyMap<string, Entry>;

interface Entry {
  readonly isDirectory: boolean;
  readonly mode: number;
  readonly modified: bigint;
  readonly changed: bigint;
}

/** A container may have made millions of files: no report is that long. */
const MAX_ENTRIES = 100_000;
const MAX_NAMES = 5;

/**
 * Reads an overlay's upper layer, which holds what differs from the image. Nothing is opened but directories, and no link
 * is followed; what cannot be looked at (a path beyond PATH_MAX, a name that is no UTF-8) is passed over.
 */
export function readLayer(upper: string): LayerState {
  const entries = new Map<string, Entry>();
  const queue = [''];
  for (
    let directory = queue.pop();
    directory !== undefined && entries.size < MAX_ENTRIES;
    directory = queue.pop()
  ) {
    const stat = look(upper + directory);
    if (stat === undefined) continue;
    entries.set(directory, entryOf(stat));
    if (!stat.isDirectory()) continue;
    for (const name of list(upper + directory)) queue.push(`${directory}/${name}`);
  }
  return entries;
}

const entryOf = (stat: BigIntStats): Entry => ({
  isDirectory: stat.isDirectory(),
  mode: Number(stat.mode),
  modified: stat.mtimeNs,
  changed: stat.ctimeNs,
});

function look(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true });
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP', 'EACCES'].includes(errnoCode(error) ?? ''))
      return undefined;
    throw error;
  }
}

function list(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'EACCES'].includes(errnoCode(error) ?? '')) return [];
    throw error;
  }
}

/**
 * The directories that were written to between two looks at a layer. A file or a link that came, went or changed counts for
 * its directory, a new directory for itself, or for its parent where that is empty; one that only has another time than in the image had something in it that is
 * gone again. The image's own directories are copied up with their times as soon as something below them changes.
 */
export function writtenDirectories(
  image: readonly string[],
  before: LayerState,
  after: LayerState,
): { readonly written: readonly WrittenDirectory[]; readonly isCut: boolean } {
  const names = new Map<string, string[]>();
  const add = (directory: string, name?: string): void => {
    const known = names.get(directory) ?? [];
    if (name !== undefined && known.length < MAX_NAMES) known.push(name);
    names.set(directory, known);
  };
  const paths = [...after.keys()].sort();
  const created = new Set<string>();
  for (const path of paths) {
    const entry = after.get(path);
    const known = before.get(path);
    const parent = parentOf(path);
    if (entry === undefined || created.has(parent)) {
      created.add(path);
      continue;
    }
    const inImage = entry.isDirectory ? lookInImage(image, path) : undefined;
    if (!entry.isDirectory) {
      if (known?.changed !== entry.changed) add(parent, nameOf(path));
    } else if (known !== undefined) {
      if (known.modified !== entry.modified || known.mode !== entry.mode) add(path);
    } else if (inImage?.isDirectory() !== true) {
      created.add(path);
      // A volume in the place of an empty parent lets the directory be made again; one in its own place is there already.
      if (parent !== '' && !created.has(parent) && entriesInImage(image, parent) === 0)
        add(parent, nameOf(path));
      else add(path);
    } else if (inImage.mtimeNs !== entry.modified || Number(inImage.mode) !== entry.mode) add(path);
  }
  // Whose only news are new directories, which are on the list themselves.
  const parentsOfNew = new Set([...names.keys()].filter(path => created.has(path)).map(parentOf));
  for (const path of parentsOfNew)
    if (names.get(path)?.length === 0 && !created.has(path)) names.delete(path);
  const written = [...names].map(([path, found]) => ({
    path: path === '' ? '/' : path,
    isNew: created.has(path),
    imageEntries: created.has(path) ? 0 : entriesInImage(image, path),
    names: found,
  }));
  return { written, isCut: after.size >= MAX_ENTRIES };
}

/** In the uppermost layer that has it. */
const lookInImage = (image: readonly string[], path: string): BigIntStats | undefined =>
  image.map(layer => look(layer + path)).find(stat => stat !== undefined);

const entriesInImage = (image: readonly string[], path: string): number =>
  new Set(image.flatMap(layer => list(layer + path))).size;

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const parentOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf('/'), 0));
