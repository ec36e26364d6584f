import {
  chmodSync,
  type Dirent,
  existsSync,
  linkSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoCode, fileFailure, UserError } from '../base/errors.ts';
import { type LoadedObject, loadManifest } from '../kube/manifest.ts';
import type { ObjectMeta } from '../kube/types.generated.ts';
import { makeDirectories } from '../native/exact-mode.ts';
import type { Roots } from '../oci/pod-paths.ts';
import { readManifest } from './read-manifest.ts';
import { newUid } from './uid.ts';

type StoredObject = LoadedObject['object'] & { readonly metadata?: ObjectMeta };

type Identity = Pick<ObjectMeta, 'uid' | 'creationTimestamp'>;

/** Which object: a cluster-wide one has no namespace. */
export interface ObjectKey {
  readonly kind: string;
  readonly namespace: string | undefined;
  readonly name: string;
}

/** The root of all objects' files. */
export const objectRoot = ({ state }: Roots): string => join(state, 'objects');

/** The directories that the objects of a kind in a namespace are in, from the state root on; they come and go. */
export function objectDirectories(roots: Roots, kind: string, namespace: string): readonly string[] {
  const root = objectRoot(roots);
  return [roots.state, root, join(root, segment(kind)), join(root, segment(kind), segment(namespace))];
}

/** Whether anything is stored. What cannot be seen is an error: policies that are not read would not decide. */
export function hasObjects(roots: Roots): boolean {
  try {
    return statSync(objectRoot(roots), { throwIfNoEntry: false }) !== undefined;
  } catch (cause) {
    throw unreadable(objectRoot(roots), cause);
  }
}

/** As long as no command needs to write one. */
const STALE_MILLISECONDS = 60_000;
/** Rounds against another command that removes empty directories. */
const ATTEMPTS = 100;

/**
 * Objects that outlive a command: a JSON file each, `objects/KIND/[NAMESPACE/]NAME.json` below the state root. Only root
 * writes there, everybody may read all but Secrets. A file appears and goes as a whole; one that is being written begins with a dot.
 */
export class ObjectStore {
  readonly #root: string;

  constructor(roots: Roots) {
    this.#root = objectRoot(roots);
  }

  /** All objects of a kind, by namespace and name. A damaged one is an error: without it others might decide. */
  list(kind: string): readonly LoadedObject[] {
    const files = (directory: string): readonly string[] =>
      entriesOf(directory).flatMap(entry => {
        const path = join(directory, entry.name);
        if (entry.isDirectory()) return files(path);
        return isObject(entry.name) ? [path] : [];
      });
    const objects = files(join(this.#root, segment(kind))).flatMap(file => this.#read(file, kind) ?? []);
    const order = ({ object }: LoadedObject): string => {
      const { namespace = '', name = '' } = (object as StoredObject).metadata ?? {};
      return `${namespace}\0${name}`;
    };
    return objects.sort((a, b) => (order(a) < order(b) ? -1 : 1));
  }

  get(key: ObjectKey): LoadedObject | undefined {
    return this.#read(this.#file(key), key.kind);
  }

  /** False if there is one of that name. */
  create(
    key: ObjectKey,
    apiVersion: string,
    object: StoredObject,
    identity: Identity = { uid: newUid(), creationTimestamp: now() },
  ): boolean {
    const file = this.#file(key);
    const text = storedText(key, apiVersion, object, identity);
    const temporary = this.#write(key, `${text}\n`, file);
    try {
      linkSync(temporary, file);
      return true;
    } catch (cause) {
      if (errnoCode(cause) === 'EEXIST') return false;
      throw new UserError(`cannot store "${file}": ${fileFailure(cause)}`, { cause });
    } finally {
      unlinkSync(temporary);
      this.#removeEmpty(dirname(file));
    }
  }

  /** Makes an object another one, its identity too. */
  replace(key: ObjectKey, apiVersion: string, object: StoredObject, identity: Identity): void {
    const file = this.#file(key);
    renameSync(this.#write(key, `${storedText(key, apiVersion, object, identity)}\n`, file), file);
  }

  /** Makes an object what another one says, but for its identity. */
  apply(key: ObjectKey, apiVersion: string, object: StoredObject): 'created' | 'configured' | 'unchanged' {
    for (;;) {
      const before = this.get(key);
      if (before === undefined) {
        if (this.create(key, apiVersion, object)) return 'created';
        continue;
      }
      const { uid, creationTimestamp } = (before.object as StoredObject).metadata ?? {};
      const text = storedText(key, apiVersion, object, { uid, creationTimestamp });
      if (text === storedText(key, apiVersion, before.object, { uid, creationTimestamp })) return 'unchanged';
      const file = this.#file(key);
      renameSync(this.#write(key, `${text}\n`, file), file);
      return 'configured';
    }
  }

  /** False if there is none. */
  remove(key: ObjectKey): boolean {
    const file = this.#file(key);
    try {
      unlinkSync(file);
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
    this.#removeEmpty(dirname(file));
    return true;
  }

  /** Removes what commands have left that were killed while they wrote; returns the files. */
  sweep(isDry = false): readonly string[] {
    const stale = (directory: string): readonly string[] =>
      entriesOf(directory).flatMap(entry => {
        const path = join(directory, entry.name);
        if (entry.isDirectory()) return stale(path);
        const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
        return entry.name.startsWith('.') && age > STALE_MILLISECONDS ? [path] : [];
      });
    const files = stale(this.#root);
    for (const file of isDry ? [] : files) {
      rmSync(file, { force: true });
      this.#removeEmpty(dirname(file));
    }
    return files;
  }

  #file(key: ObjectKey): string {
    return join(this.#root, objectFile(key));
  }

  /** Undefined if there is no such file, or no more. */
  #read(file: string, kind: string): LoadedObject | undefined {
    let text: string;
    try {
      text = readManifest(file);
    } catch (error) {
      if (error instanceof UserError && isMissing(error.cause)) return undefined;
      throw error;
    }
    try {
      const [object, another] = loadManifest([{ file, text }]).objects;
      if (object === undefined || another !== undefined) throw new Error('it is not one object');
      const { namespace, name = '' } = (object.object as StoredObject).metadata ?? {};
      if (object.kind !== kind || this.#file({ kind, namespace, name }) !== file)
        throw new Error('it is another object than its name says');
      return object;
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new UserError(`the stored object "${file}" is damaged: ${reason}`, {
        cause,
        hint: 'remove the file, and create the object again',
      });
    }
  }

  /** The name of a new file beside that of an object. */
  #write({ kind }: ObjectKey, text: string, file: string): string {
    const directory = dirname(file);
    const temporary = join(directory, `.${newUid()}`);
    for (let attempt = 0; ; attempt++) {
      try {
        makeDirectories(directory, 0o755);
        writeFileSync(temporary, text, { mode: 0o600, flush: true } as Parameters<typeof writeFileSync>[2]);
        chmodSync(temporary, kind === 'Secret' ? 0o600 : 0o644);
        return temporary;
      } catch (cause) {
        if (errnoCode(cause) === 'ENOENT' && attempt < ATTEMPTS) continue;
        if (existsSync(temporary)) unlinkSync(temporary);
        this.#removeEmpty(directory);
        throw new UserError(`cannot store "${file}": ${fileFailure(cause)}`, { cause });
      }
    }
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

function storedText(
  { kind, namespace, name }: ObjectKey,
  apiVersion: string,
  object: StoredObject,
  identity: Identity,
): string {
  const { name: _, namespace: __, uid: ___, creationTimestamp: ____, ...more } = object.metadata ?? {};
  const metadata = { ...more, name, ...(namespace === undefined ? {} : { namespace }), ...identity };
  const { apiVersion: _____, kind: ______, metadata: _______, ...rest } = object;
  return JSON.stringify({ apiVersion, kind, metadata, ...rest }, null, 2);
}

/** A part of a path: names have no "/", but where nobody has looked they may be anything, ".." too. */
const segment = (name: string): string =>
  encodeURIComponent(name.replace(/\p{Surrogate}/gu, '\ufffd')).replace(/^\./, '%2E');

/** Where an object's file is, below the root of all of them. */
export function objectFile({ kind, namespace, name }: ObjectKey): string {
  const directories = [kind, ...(namespace === undefined ? [] : [namespace])].map(segment);
  return join(...directories, `${segment(name)}.json`);
}

/** Whether a file of that name is an object, and not one that is being written. */
export const isObject = (name: string): boolean => name.endsWith('.json') && !name.startsWith('.');

/** A name that is too long for a file is that of none. */
const isMissing = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(errnoCode(error) ?? '');

/** RFC 3339 in seconds, as the API server stamps. */
const now = (): string => new Date().toISOString().replace(/\.\d+Z$/, 'Z');

function unreadable(path: string, cause: unknown): UserError {
  return new UserError(`cannot read "${path}": ${fileFailure(cause)}`, { cause });
}

/** Nothing where the directory is missing, perhaps since just now. */
function entriesOf(directory: string): readonly Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (cause) {
    if (isMissing(cause)) return [];
    throw unreadable(directory, cause);
  }
}
