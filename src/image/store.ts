import { closeSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errnoCode, UserError } from '../base/errors.ts';
import { LOCK } from '../linux/constants.generated.ts';
import { removeTree } from '../native/remove-tree.ts';
import type { ImageConfig } from './config.ts';
import { lockDirectory } from './directories.ts';
import { formatReference, parseReference } from './reference.ts';
import type { ImageUsers } from './users.ts';

/** An image of the local store. */
export interface Image {
  readonly reference: string;
  /** Short, because a layer's becomes part of an overlayfs option, which holds at most 255 characters. */
  readonly id: string;
  /** Directories of its layers, the lowest first; absent for an imported root file system, whose one layer has its own id. */
  readonly layers?: readonly string[];
  /** Digest of its manifest, where it has one. */
  readonly manifest?: string;
  /** It came from a registry, which may have a newer one of that name. */
  readonly isPulled?: true;
  readonly config: ImageConfig;
  readonly users: ImageUsers;
  /** Bytes on disk. */
  readonly size: number;
  /** RFC 3339. */
  readonly created: string;
}

/** The directories in the store that an image is made of, the lowest first. */
export const layerIds = ({ id, layers = [id] }: Image): readonly string[] => layers;

/**
 * The images of one machine: a JSON file for each name, the unpacked layers that they point to, and blobs by digest for those
 * that came with a manifest (see importer.ts, add.ts).
 */
export class ImageStore {
  readonly names: string;
  readonly roots: string;
  readonly blobs: string;

  constructor(state: string) {
    this.names = join(state, 'images', 'names');
    this.roots = join(state, 'images', 'roots');
    this.blobs = join(state, 'images', 'blobs');
  }

  /** The image of that name; a short name is also looked for under `localhost/`, as podman does. */
  get(reference: string): Image | undefined {
    const names = [formatReference(parseReference(reference))];
    if (!reference.includes('/')) names.push(formatReference(parseReference(`localhost/${reference}`)));
    for (const name of names) {
      const image = this.#read(this.file(name));
      if (image !== undefined) return image;
    }
    return undefined;
  }

  /** The image's layers relative to the state directory, the uppermost first as overlayfs has them. */
  layers(image: Image): readonly string[] {
    return layerIds(image)
      .map(id => `images/roots/${id}/rootfs`)
      .reverse();
  }

  list(): readonly Image[] {
    if (!existsSync(this.names)) return [];
    const images = readdirSync(this.names)
      .filter(file => file.endsWith('.json'))
      .map(file => this.#read(join(this.names, file)));
    return images.filter(image => image !== undefined).sort((a, b) => a.reference.localeCompare(b.reference));
  }

  /** Takes a name away, and its files if no other name has them. `inUse` tells whether a running pod needs an image. */
  remove(reference: string, inUse: (id: string) => boolean): Image {
    const image = this.get(reference);
    if (image === undefined)
      throw new UserError(`image "${reference}" not found`, {
        hint: 'podspace image ls shows what there is',
      });
    const isLast = !this.list().some(other => other.id === image.id && other.reference !== image.reference);
    if (isLast && inUse(image.id))
      throw new UserError(`image "${image.reference}" is in use by a running pod`);
    rmSync(this.file(image.reference), { force: true });
    for (const id of layerIds(image)) this.removeUnused(id, inUse);
    return image;
  }

  /** Removes the directory of a layer if no name has it, nor anybody at this moment; false if it stays. */
  removeUnused(id: string, inUse: (id: string) => boolean): boolean {
    const directory = join(this.roots, id);
    const lock = lockDirectory(directory, LOCK.LOCK_EX | LOCK.LOCK_NB);
    if (lock === undefined) return false;
    try {
      // Looked up only under the lock: an import that ended just now has its name by then.
      if (inUse(id) || this.list().some(image => layerIds(image).includes(id))) return false;
      removeTree(directory);
      return true;
    } finally {
      closeSync(lock);
    }
  }

  /** The file that a name is kept in. */
  file(reference: string): string {
    return join(this.names, `${encodeURIComponent(reference)}.json`);
  }

  #read(file: string): Image | undefined {
    try {
      const image = JSON.parse(readFileSync(file, 'utf8')) as Image | null;
      if (typeof image?.reference !== 'string' || typeof image.id !== 'string')
        throw new SyntaxError('not an image');
      return image;
    } catch (error) {
      if (['ENOENT', 'ENAMETOOLONG'].includes(errnoCode(error) ?? '')) return undefined;
      if (errnoCode(error) === 'EACCES')
        throw new UserError(`cannot read the image store: permission denied`, { hint: `ls -l ${file}` });
      if (error instanceof SyntaxError)
        throw new UserError(`${file} is damaged: ${error.message}`, { hint: 'import the image again' });
      throw error;
    }
  }
}
