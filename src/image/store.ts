import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errnoCode, UserError } from '../base/errors.ts';
import { removeTree } from '../native/remove-tree.ts';
import type { ImageConfig } from './config.ts';
import { formatReference, parseReference } from './reference.ts';
import type { ImageUsers } from './users.ts';

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

/** The images of one machine: a JSON file for each name, and the root file systems they point to (see importer.ts). */
export class ImageStore {
  readonly names: string;
  readonly roots: string;

  constructor(state: string) {
    this.names = join(state, 'images', 'names');
    this.roots = join(state, 'images', 'roots');
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

  /** The image's root, relative to the state directory. */
  rootfs(image: Image): string {
    return `images/roots/${image.id}/rootfs`;
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
    if (inUse(image.id)) throw new UserError(`image "${image.reference}" is in use by a running pod`);
    rmSync(this.file(image.reference), { force: true });
    if (!this.list().some(({ id }) => id === image.id)) removeTree(join(this.roots, image.id));
    return image;
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
