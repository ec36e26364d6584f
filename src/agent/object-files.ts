import {
  type Dirent,
  type FSWatcher,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  watch,
} from 'node:fs';
import { basename, join } from 'node:path';
import { errnoCode, fileFailure } from '../base/errors.ts';
import { decodeJson } from '../kube/decode-json.ts';
import type { Roots } from '../oci/pod-paths.ts';
import { isObject, objectFile, objectRoot } from '../runtime/object-store.ts';
import type { ApiObject } from './objects.ts';
import { STORED } from './resources.ts';

/** Milliseconds after which everything is looked at again, whatever the kernel has told. */
const LOOK = 60_000;
/** Kinds that deny: a damaged one stays where it is, since without it more would be allowed. */
const DENYING = ['PodSecurityPolicy', 'NetworkPolicy', 'Namespace'];

export interface FileObserver {
  /** A file has appeared, or has another content. */
  changed(object: ApiObject): void;
  gone(path: string): void;
  warning(message: string): void;
}

/** The files of the store as they are now; what other commands change there is told. Paths are relative to the store. */
export class ObjectFiles {
  readonly #root: string;
  readonly #roots: Roots;
  readonly #observer: FileObserver;
  /** Of each file what says that it has not changed. */
  readonly #known = new Map<string, string>();
  readonly #damaged = new Map<string, string>();
  readonly #watchers = new Map<string, { readonly inode: number; readonly watcher: FSWatcher }>();
  readonly #timer: NodeJS.Timeout;

  constructor(roots: Roots, observer: FileObserver) {
    this.#roots = roots;
    this.#root = objectRoot(roots);
    this.#observer = observer;
    mkdirSync(roots.state, { recursive: true, mode: 0o755 });
    this.#timer = setInterval(() => this.look(), LOOK).unref();
    this.look();
  }

  /** What is wrong with files that deny, and that nobody can read. */
  get damaged(): readonly string[] {
    return [...this.#damaged.values()];
  }

  /** A file that we have written or removed ourselves is no news. */
  wrote(path: string): void {
    const mark = markOf(join(this.#root, path));
    if (mark === undefined) this.#known.delete(path);
    else this.#known.set(path, mark);
  }

  /** Looks at everything. */
  look(): void {
    this.#watch(this.#roots.state, name => {
      if (name === null || name === 'objects') this.look();
    });
    this.#lookAt('', 0);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const { watcher } of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  /** A directory of the store: the root, a kind's, a namespace's. It is watched before it is read: nothing falls between. */
  #lookAt(directory: string, depth: number): void {
    const path = join(this.#root, directory);
    this.#watch(path, name => this.#changed(directory, depth, name));
    const entries = entriesOf(path);
    const names = new Set(entries.map(({ name }) => name));
    const prefix = directory === '' ? '' : `${directory}/`;
    for (const file of [...this.#known.keys()]) {
      const [name = ''] = file.slice(prefix.length).split('/');
      if (file.startsWith(prefix) && !names.has(name)) this.#forget(file);
    }
    for (const entry of entries)
      if (entry.isDirectory()) {
        if (depth < 2) this.#lookAt(join(directory, entry.name), depth + 1);
      } else this.#lookAtFile(join(directory, entry.name));
  }

  #changed(directory: string, depth: number, name: string | null): void {
    if (name?.startsWith('.') === true) return;
    const path = join(directory, name ?? '');
    if (name !== null && isObject(name) && this.#known.has(path)) this.#lookAtFile(path);
    else this.#lookAt(directory, depth);
  }

  #lookAtFile(path: string): void {
    if (!isObject(path.split('/').at(-1) ?? '')) return;
    const file = join(this.#root, path);
    const mark = markOf(file);
    if (mark === undefined) {
      if (this.#known.has(path)) this.#forget(path);
      return;
    }
    if (this.#known.get(path) === mark) return;
    this.#damaged.delete(path);
    const object = this.#read(path, file);
    if (object === undefined) return;
    this.#known.set(path, mark);
    if (object !== 'damaged') this.#observer.changed(object);
  }

  #forget(path: string): void {
    this.#known.delete(path);
    this.#damaged.delete(path);
    this.#observer.gone(path);
  }

  #read(path: string, file: string): ApiObject | 'damaged' | undefined {
    try {
      return parse(path, readFileSync(file, 'utf8'));
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return undefined;
      const [kind = ''] = path.split('/');
      const reason = errnoCode(error) === undefined ? (error as Error).message : fileFailure(error);
      const damaged = `the stored object "${file}" is damaged: ${reason}`;
      if (DENYING.includes(kind)) {
        this.#damaged.set(path, damaged);
        this.#observer.warning(`${damaged}; it must be repaired or removed`);
      } else this.#observer.warning(`${damaged}; ${this.#moveAside(path, file)}`);
      return 'damaged';
    }
  }

  #moveAside(path: string, file: string): string {
    const directory = join(this.#roots.state, 'damaged');
    const target = join(directory, `${path.replaceAll('/', '_')}.${Date.now()}`);
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      renameSync(file, target);
      return `it is now "${target}"`;
    } catch (error) {
      return `it could not be moved aside: ${fileFailure(error)}`;
    }
  }

  #unwatch(path: string): void {
    this.#watchers.get(path)?.watcher.close();
    this.#watchers.delete(path);
  }

  #watch(path: string, changed: (name: string | null) => void): void {
    const inode = statSync(path, { throwIfNoEntry: false })?.ino;
    const before = this.#watchers.get(path);
    if (before?.inode === inode) return;
    this.#unwatch(path);
    if (inode === undefined) return;
    try {
      const watcher = watch(path, { persistent: false }, (_type, name) => {
        // It has gone itself, and another one of that name may be there, with the same inode.
        if (name === basename(path)) this.#unwatch(path);
        try {
          changed(name === basename(path) ? null : name);
        } catch (error) {
          this.#observer.warning(`cannot take over a change of ${path}: ${(error as Error).message}`);
        }
      });
      // It has gone: its parent says so.
      watcher.on('error', () => {});
      this.#watchers.set(path, { inode, watcher });
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return;
      this.#observer.warning(`changes of ${path} are only seen each minute: ${(error as Error).message}`);
    }
  }
}

/** Undefined if there is no such file. */
function markOf(file: string): string | undefined {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stat?.isFile() === true ? `${stat.ino} ${stat.mtimeNs} ${stat.size}` : undefined;
}

function entriesOf(directory: string): readonly Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoCode(error) ?? '')) return [];
    throw error;
  }
}

/** Throws an Error that says why it is no object. */
function parse(path: string, text: string): ApiObject {
  const value: unknown = JSON.parse(text);
  const { apiVersion, kind, metadata } = Object(value) as Partial<ApiObject>;
  const decoded = decodeJson(`${apiVersion}/${kind}`, value);
  if (decoded === undefined) throw new Error(`no matches for kind "${kind}" in version "${apiVersion}"`);
  const error = decoded.error ?? decoded.unknown[0];
  if (error !== undefined) throw new Error(error);
  const { namespace, name = '' } = metadata ?? {};
  const type = STORED.find(each => each.kind === kind);
  const key = { kind: kind ?? '', namespace: type?.namespaced === false ? undefined : namespace, name };
  if (objectFile(key) !== path) throw new Error('it is another object than its name says');
  return decoded.object as ApiObject;
}
