import { History } from './history.ts';
import type { ApiObject, WatchEvent } from './objects.ts';
import { SERVED } from './resources.ts';
import type { Versions } from './versions.ts';

const keyOf = (namespace: string | undefined, name: string): string => `${namespace ?? ''}/${name}`;

/** Objects of all kinds in memory: each change gets a version, and is told to whoever watches. */
export class ObjectTable {
  readonly #objects = new Map<string, Map<string, ApiObject>>(SERVED.map(({ kind }) => [kind, new Map()]));
  readonly #podsByUid = new Map<string, ApiObject>();
  readonly #versions: Versions;
  readonly #history: History;

  constructor(versions: Versions) {
    this.#versions = versions;
    this.#history = new History(versions.current);
  }

  /** The newest version of anything. */
  get resourceVersion(): string {
    return String(this.#versions.current);
  }

  get(kind: string, namespace: string | undefined, name: string): ApiObject | undefined {
    return this.#of(kind).get(keyOf(namespace, name));
  }

  pod(uid: string): ApiObject | undefined {
    return this.#podsByUid.get(uid);
  }

  /** Objects of a kind, by namespace and name. */
  list(kind: string, namespace?: string): readonly ApiObject[] {
    const all = [...this.#of(kind).entries()];
    const prefix = `${namespace ?? ''}/`;
    return (namespace === undefined ? all : all.filter(([key]) => key.startsWith(prefix)))
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([, object]) => object);
  }

  put(object: ApiObject): ApiObject {
    const version = this.#versions.next();
    const { namespace, name = '', uid = '' } = object.metadata;
    const made = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
    const objects = this.#of(object.kind);
    const key = keyOf(namespace, name);
    const previous = objects.get(key);
    objects.set(key, made);
    if (object.kind === 'Pod') this.#podsByUid.set(uid, made);
    const event: WatchEvent =
      previous === undefined ? { type: 'ADDED', object: made } : { type: 'MODIFIED', object: made, previous };
    this.#history.add(object.kind, version, event);
    return made;
  }

  drop(object: ApiObject): ApiObject {
    const version = this.#versions.next();
    const { namespace, name = '', uid = '' } = object.metadata;
    this.#of(object.kind).delete(keyOf(namespace, name));
    if (object.kind === 'Pod') this.#podsByUid.delete(uid);
    const last = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
    this.#history.add(object.kind, version, { type: 'DELETED', object: last, previous: object });
    return last;
  }

  watch(
    kind: string,
    from: string | undefined,
    onEvent: (event: WatchEvent, resourceVersion: string) => void,
  ): () => void {
    return this.#history.watch(kind, from ?? this.resourceVersion, this.#versions.current, onEvent);
  }

  #of(kind: string): Map<string, ApiObject> {
    const objects = this.#objects.get(kind);
    if (objects === undefined) throw new Error(`bug in podspace: ${kind} is not served`);
    return objects;
  }
}
