import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoCode, fileFailure, UserError } from '../base/errors.ts';
import type { LoadedObject } from '../kube/manifest.ts';
import type { ObjectMeta } from '../kube/types.generated.ts';
import type { Roots } from '../oci/pod-paths.ts';
import { newUid } from './uid.ts';

type StoredObject = LoadedObject['object'] & { readonly metadata?: ObjectMeta };

/** Which object: a cluster-wide one has no namespace. */
export interface ObjectKey {
  readonly kind: string;
  readonly namespace: string | undefined;
  readonly name: string;
}

/**
 * Objects that outlive a command: a JSON file each, `objects/KIND/[NAMESPACE/]NAME.json` below the state root. Only root
 * writes there. A file appears, changes and goes as a whole.
 */
export class ObjectStore {
  readonly #root: string;

  constructor({ state }: Roots) {
    this.#root = join(state, 'objects');
  }

  /** Whether anything is stored at all. */
  get isEmpty(): boolean {
    return !existsSync(this.#root);
  }

  /** All objects of a kind, by namespace and name. A damaged one is an error: without it others might decide. */
  list(kind: string): readonly LoadedObject[] {
    const files = walk(join(this.#root, kind)).filter(file => file.endsWith('.json'));
    return files.sort().map(file => this.#read(file));
  }

  get(key: ObjectKey): LoadedObject | undefined {
    const file = this.#file(key);
    return existsSync(file) ? this.#read(file) : undefined;
  }

  /** False if there is one of that name. */
  create(key: ObjectKey, apiVersion: string, object: StoredObject): boolean {
    const file = this.#file(key);
    const temporary = this.#write(file, key, apiVersion, {
      ...object,
      metadata: { ...object.metadata, uid: newUid(), creationTimestamp: now() },
    });
    try {
      linkSync(temporary, file);
      return true;
    } catch (error) {
      if (errnoCode(error) === 'EEXIST') return false;
      throw error;
    } finally {
      unlinkSync(temporary);
    }
  }

  /** Puts an object in the place of one that is there, which keeps its uid. */
  replace(key: ObjectKey, apiVersion: string, object: StoredObject): void {
    const { metadata } = (this.get(key)?.object ?? {}) as StoredObject;
    const kept = { uid: metadata?.uid ?? newUid(), creationTimestamp: metadata?.creationTimestamp ?? now() };
    const file = this.#file(key);
    renameSync(
      this.#write(file, key, apiVersion, { ...object, metadata: { ...object.metadata, ...kept } }),
      file,
    );
  }

  /** False if there is none. */
  remove(key: ObjectKey): boolean {
    const file = this.#file(key);
    try {
      unlinkSync(file);
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return false;
      throw error;
    }
    this.#removeEmpty(dirname(file));
    return true;
  }

  /** A name has no "/", but ":" and, where nobody has looked, anything. */
  #file({ kind, namespace, name }: ObjectKey): string {
    const parts = [kind, ...(namespace === undefined ? [] : [namespace])].map(encodeURIComponent);
    return join(this.#root, ...parts, `${encodeURIComponent(name)}.json`);
  }

  #read(file: string): LoadedObject {
    try {
      const object = JSON.parse(readFileSync(file, 'utf8')) as StoredObject;
      const { apiVersion, kind } = object;
      if (typeof apiVersion !== 'string' || typeof kind !== 'string') throw new Error('it is no object');
      return { apiVersion, kind, object, source: { file, locate: () => ({ line: 1, column: 1 }) } };
    } catch (cause) {
      throw new UserError(`the stored object "${file}" is damaged: ${fileFailure(cause)}`, {
        cause,
        hint: 'remove the file, and create the object again',
      });
    }
  }

  /** The name of a file beside it that holds the new text. */
  #write(file: string, { kind }: ObjectKey, apiVersion: string, object: StoredObject): string {
    const temporary = join(dirname(file), `.${newUid()}`);
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
      writeFileSync(temporary, `${JSON.stringify({ ...object, apiVersion, kind }, null, 2)}\n`, {
        mode: 0o644,
      });
    } catch (cause) {
      throw new UserError(`cannot store "${file}": ${fileFailure(cause)}`, { cause });
    }
    return temporary;
  }

  /** Up to the root itself, so that an empty store is none. */
  #removeEmpty(directory: string): void {
    for (let at = directory; at.startsWith(this.#root); at = dirname(at)) {
      try {
        rmdirSync(at);
      } catch {
        return;
      }
    }
  }
}

/** RFC 3339 in seconds, as the API server stamps. */
const now = (): string => new Date().toISOString().replace(/\.\d+Z$/, 'Z');

function walk(directory: string): readonly string[] {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => join(entry.parentPath, entry.name));
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return [];
    throw error;
  }
}
