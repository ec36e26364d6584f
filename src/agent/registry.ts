import { statSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { PodStatus } from '../kube/types.generated.ts';
import type { Roots } from '../oci/pod-paths.ts';
import { removeClaim } from '../runtime/claims.ts';
import { isDiskFailure } from '../runtime/disk-failure.ts';
import { ObjectStore, objectFile } from '../runtime/object-store.ts';
import { newUid } from '../runtime/uid.ts';
import { alreadyExists, forbidden, notFound } from './api-error.ts';
import { EventFile } from './event-file.ts';
import { EventRecorder, type EventSource } from './event-recorder.ts';
import { INITIAL_NAMESPACES } from './implied.ts';
import { Namespaces } from './namespaces.ts';
import { ObjectFiles } from './object-files.ts';
import { check, isStored, markedForDeletion, merged, withoutVersion } from './object-rules.ts';
import { ObjectTable } from './object-table.ts';
import { type ApiObject, type DeleteOptions, timestamp, type WatchEvent } from './objects.ts';
import { SERVED, type ServedType, STORED, servedKind } from './resources.ts';
import { Versions } from './versions.ts';

export interface RegistryOptions {
  /** Something is wrong with what is stored: the others go on. */
  onWarning?(message: string): void;
}

/** Milliseconds between two looks for events that are too old. */
const SWEEP = 60_000;

/**
 * The agent's objects, all of them in memory: versions, watches, conflicts. What is made here is kept in the files of the
 * ObjectStore, what other commands change there is taken over. Events, and the status of pods, are in none of those files.
 */
export class Registry {
  readonly #table: ObjectTable;
  readonly #store: ObjectStore;
  readonly #files: ObjectFiles;
  readonly #events: EventRecorder;
  readonly #namespaces: Namespaces;
  readonly #sweep: NodeJS.Timeout;
  readonly #roots: Roots;
  readonly #onWarning: (message: string) => void;

  static async open(roots: Roots, options: RegistryOptions = {}): Promise<Registry> {
    return new Registry(roots, options);
  }

  private constructor(roots: Roots, { onWarning = () => {} }: RegistryOptions) {
    this.#roots = roots;
    this.#onWarning = onWarning;
    this.#table = new ObjectTable(new Versions(join(roots.state, 'agent', 'resource-version')));
    this.#store = new ObjectStore(roots);
    this.#events = new EventRecorder(
      this.#table,
      hostname().toLowerCase(),
      new EventFile(join(roots.run, 'agent', 'events.jsonl')),
    );
    this.#namespaces = new Namespaces(
      this.#table,
      this.#store,
      timestamp(statSync(join(roots.state, 'agent')).birthtimeMs),
    );
    for (const name of INITIAL_NAMESPACES) this.#namespaces.imply(name);
    this.#files = new ObjectFiles(roots, {
      changed: object => this.#changedOutside(object),
      gone: path => this.#goneOutside(path),
      warning: onWarning,
    });
    this.#sweep = setInterval(() => this.#events.dropOld(), SWEEP).unref();
  }

  /** Stops looking at the files. */
  close(): void {
    clearInterval(this.#sweep);
    this.#files.close();
  }

  /** The newest version of anything. */
  get resourceVersion(): string {
    return this.#table.resourceVersion;
  }

  /** What is wrong with stored objects that deny something, and that nobody can read: without them more would be allowed. */
  get damaged(): readonly string[] {
    return this.#files.damaged;
  }

  /** All objects of a kind, by namespace and name. */
  list(
    kind: string,
    namespace?: string,
  ): { readonly items: readonly ApiObject[]; readonly resourceVersion: string } {
    return { items: this.#table.list(kind, namespace), resourceVersion: this.resourceVersion };
  }

  get(kind: string, namespace: string | undefined, name: string): ApiObject | undefined {
    return this.#table.get(kind, namespace, name);
  }

  /** A pod by its uid. */
  pod(uid: string): ApiObject | undefined {
    return this.#table.pod(uid);
  }

  /** Stores a new object, with a uid of its own unless it has one already. Throws an ApiError (404, 409). */
  create(object: ApiObject): ApiObject {
    const type = servedKind(object.kind);
    const { namespace, name = '', uid = newUid(), ...metadata } = object.metadata;
    if (type.namespaced) this.#namespaces.require(type, namespace ?? '', name);
    if (this.get(type.kind, namespace, name) !== undefined) throw alreadyExists(type, name);
    const identity = { uid, creationTimestamp: timestamp() };
    const place = namespace === undefined ? {} : { namespace };
    const made = { ...object, metadata: { ...metadata, name, ...place, ...identity } };
    if (isStored(type)) {
      const key = { kind: type.kind, namespace, name };
      const isMade = this.#store.create(key, object.apiVersion, withoutVersion(made), identity);
      // Another command was faster: its object is on the way.
      if (!isMade) throw alreadyExists(type, name);
      this.#files.wrote(objectFile(key));
    }
    return this.#put(made);
  }

  /**
   * Makes an object another one; what the API server keeps to itself (uid, times, and the status or all but the status)
   * stays. Throws an ApiError (404; 409 for a stale resourceVersion or another uid).
   */
  update(object: ApiObject, { subresource }: { readonly subresource?: 'status' } = {}): ApiObject {
    const type = servedKind(object.kind);
    const { namespace, name = '', uid, resourceVersion } = object.metadata;
    const before = this.get(type.kind, namespace, name);
    if (before === undefined) throw notFound(type, name);
    check(type, before, { uid, resourceVersion });
    const after = merged(before, object, subresource);
    if (isDeepStrictEqual(after, before)) return before;
    if (type.kind !== 'Pod' || subresource === undefined) this.#write(type, after);
    return this.#put(after);
  }

  /**
   * Removes an object. A pod is marked, and goes when its manager says so; a namespace when nothing is in it any more.
   * Throws an ApiError (404, 409).
   */
  delete(kind: string, namespace: string | undefined, name: string, options: DeleteOptions = {}): ApiObject {
    const type = servedKind(kind);
    const before = this.get(kind, namespace, name);
    if (before === undefined) throw notFound(type, name);
    check(type, before, options);
    if (kind === 'Pod') return this.#deletePod(before, options.gracePeriodSeconds);
    if (kind === 'Namespace') return this.#deleteNamespace(before);
    return this.#remove(before);
  }

  /** The pod has ended, and nothing of it is left: the manager's last word. */
  removed(podUid: string): void {
    const pod = this.pod(podUid);
    if (pod === undefined) return;
    this.#remove(pod);
    this.#finishNamespace(pod.metadata.namespace ?? '');
  }

  /** What the manager knows of a pod now. */
  setPodStatus(podUid: string, status: PodStatus): void {
    const pod = this.pod(podUid);
    if (pod !== undefined && !isDeepStrictEqual(pod.status, status)) this.#put({ ...pod, status });
  }

  /** Tells of something that has happened to an object. The same once more counts. */
  recordEvent(
    about: ApiObject,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
    source: EventSource,
  ): void {
    this.#events.record({ about, type, reason, message, source });
  }

  /** An object that only the machine makes (a Node, Endpoints), in no file. False if it is as it was. */
  publish(object: ApiObject): boolean {
    const { namespace, name = '' } = object.metadata;
    const before = this.get(object.kind, namespace, name);
    const { resourceVersion: _, ...metadata } = before?.metadata ?? {};
    if (before !== undefined && isDeepStrictEqual({ ...before, metadata }, object)) return false;
    this.#put(object);
    return true;
  }

  /** The machine no longer has it. */
  unpublish(kind: string, namespace: string | undefined, name: string): void {
    const object = this.get(kind, namespace, name);
    if (object !== undefined) this.#table.drop(object);
  }

  /**
   * Changes of a kind after a version (none: from now on), in order; `onEvent` is called at once for those that have been.
   * Throws an ApiError (410) for a version that is too old. Returns how to stop.
   */
  watch(
    kind: string,
    from: string | undefined,
    onEvent: (event: WatchEvent, resourceVersion: string) => void,
  ): () => void {
    return this.#table.watch(kind, from, onEvent);
  }

  #put(object: ApiObject): ApiObject {
    const made = this.#table.put(object);
    if (object.kind === 'Namespace') this.#namespaces.implyServiceAccount(object.metadata.name ?? '');
    return made;
  }

  #remove(object: ApiObject): ApiObject {
    const { namespace, name = '' } = object.metadata;
    if (isStored(servedKind(object.kind))) {
      const key = { kind: object.kind, namespace, name };
      this.#store.remove(key);
      this.#files.wrote(objectFile(key));
    }
    const last = this.#table.drop(object);
    // The account of pods that name none comes back at once.
    if (object.kind === 'ServiceAccount') this.#namespaces.implyServiceAccount(namespace ?? '');
    return last;
  }

  #write({ kind }: ServedType, object: ApiObject): void {
    const { namespace, name = '', uid, creationTimestamp } = object.metadata;
    const key = { kind, namespace, name };
    this.#store.replace(key, object.apiVersion, withoutVersion(object), { uid, creationTimestamp });
    this.#files.wrote(objectFile(key));
  }

  /** What is deleted makes room: a full disk does not keep it. Only an agent that is killed before it has gone forgets that. */
  #writeMark(marked: ApiObject): void {
    try {
      this.#write(servedKind(marked.kind), marked);
    } catch (error) {
      const { message, cause } = error as Error;
      if (!isDiskFailure(error) && !isDiskFailure(cause)) throw error;
      this.#onWarning(`${message}; it is deleted all the same`);
    }
  }

  #deletePod(pod: ApiObject, asked: number | undefined, isStored = true): ApiObject {
    const marked = markedForDeletion(pod, asked);
    if (marked === undefined) return pod;
    // Nobody waits for its end then; its manager ends it all the same.
    if (marked.metadata.deletionGracePeriodSeconds === 0) {
      this.#remove(marked);
      this.#finishNamespace(marked.metadata.namespace ?? '');
      return marked;
    }
    if (isStored) this.#writeMark(marked);
    return this.#put(marked);
  }

  #deleteNamespace(namespace: ApiObject): ApiObject {
    const { name = '', deletionTimestamp } = namespace.metadata;
    const type = servedKind('Namespace');
    if (INITIAL_NAMESPACES.includes(name)) throw forbidden(type, name, 'this namespace may not be deleted');
    if (deletionTimestamp !== undefined) return namespace;
    const metadata = { ...namespace.metadata, deletionTimestamp: timestamp() };
    const marked = { ...namespace, metadata, status: { phase: 'Terminating' } };
    this.#writeMark(marked);
    const put = this.#put(marked);
    for (const { kind, namespaced } of STORED)
      for (const object of namespaced ? this.list(kind, name).items : [])
        if (kind === 'Pod') this.#deletePod(object, undefined);
        // Pods that end have their volumes until they have ended.
        else if (kind !== 'PersistentVolumeClaim') this.#remove(object);
    this.#finishNamespace(name);
    return put;
  }

  /** A namespace that is being deleted goes with its last pod. */
  #finishNamespace(name: string): void {
    const namespace = this.get('Namespace', undefined, name);
    if (namespace?.metadata.deletionTimestamp === undefined || this.list('Pod', name).items.length > 0)
      return;
    for (const claim of this.list('PersistentVolumeClaim', name).items) this.#removeData(claim);
    for (const { kind, namespaced } of SERVED)
      for (const object of namespaced ? this.list(kind, name).items : []) this.#remove(object);
    this.#remove(namespace);
  }

  /** A claim goes with its data. */
  #removeData({ metadata: { namespace = '', name = '' } }: ApiObject): void {
    try {
      removeClaim(this.#roots, namespace, name);
    } catch (error) {
      this.#onWarning(`the data of claim ${namespace}/${name} stays: ${(error as Error).message}`);
    }
  }

  #changedOutside(object: ApiObject): void {
    const { namespace, name = '' } = object.metadata;
    if (namespace !== undefined) this.#namespaces.imply(namespace);
    const before = this.get(object.kind, namespace, name);
    // The status of a pod is the manager's, which other commands do not know.
    const isSame = object.kind === 'Pod' && before?.metadata.uid === object.metadata.uid;
    const status = object.kind === 'Namespace' ? (object.status ?? { phase: 'Active' }) : object.status;
    this.#put({
      ...object,
      ...(isSame ? { status: before?.status } : status === undefined ? {} : { status }),
    });
  }

  /** What other commands have removed goes here as if it had been asked for here: a pod ends first. */
  #goneOutside(path: string): void {
    const [kind = ''] = path.split('/');
    const object = this.#table.list(kind).find(({ metadata: { namespace, name = '' } }) => {
      return objectFile({ kind, namespace, name }) === path;
    });
    if (object === undefined) return;
    const { name = '' } = object.metadata;
    if (kind === 'Pod') this.#deletePod(object, undefined, false);
    else if (kind === 'Namespace') {
      this.#table.drop(object);
      // Its objects are still there: other commands ask for no namespace to be there.
      this.#namespaces.lost(name);
    } else this.#remove(object);
  }
}
