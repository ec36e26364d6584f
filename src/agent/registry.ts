import { statSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { PodSpec, PodStatus } from '../kube/types.generated.ts';
import type { Roots } from '../oci/pod-paths.ts';
import { isDiskFailure } from '../runtime/disk-failure.ts';
import { ObjectStore, objectFile } from '../runtime/object-store.ts';
import { newUid } from '../runtime/uid.ts';
import { alreadyExists, notFound } from './api-error.ts';
import { Deletions } from './deletions.ts';
import { EventFile } from './event-file.ts';
import { EventRecorder, type EventSource } from './event-recorder.ts';
import { INITIAL_NAMESPACES } from './implied.ts';
import { Namespaces } from './namespaces.ts';
import { ObjectFiles } from './object-files.ts';
import { check, isStored, merged, withoutVersion } from './object-rules.ts';
import { ObjectTable } from './object-table.ts';
import { type ApiObject, type DeleteOptions, timestamp, type WatchEvent } from './objects.ts';
import { type ServedType, servedKind } from './resources.ts';
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
  readonly #deletions: Deletions;
  readonly #sweep: NodeJS.Timeout;
  readonly #onWarning: (message: string) => void;

  static async open(roots: Roots, options: RegistryOptions = {}): Promise<Registry> {
    return new Registry(roots, options);
  }

  private constructor(roots: Roots, { onWarning = () => {} }: RegistryOptions) {
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
    this.#deletions = new Deletions(roots, this.#table, {
      remove: object => this.#remove(object),
      mark: object => {
        this.#writeOrWarn(object, 'it is deleted all the same');
        return this.#put(object);
      },
      markInMemory: object => this.#put(object),
      onWarning,
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
   * Removes an object. A pod is marked, and goes when its manager says so, but at once without a grace period; a namespace
   * goes when nothing is in it any more. Throws an ApiError (404, 409).
   */
  delete(kind: string, namespace: string | undefined, name: string, options: DeleteOptions = {}): ApiObject {
    const type = servedKind(kind);
    const before = this.get(kind, namespace, name);
    if (before === undefined) throw notFound(type, name);
    check(type, before, options);
    if (kind === 'Pod') return this.#deletions.pod(before, options.gracePeriodSeconds);
    if (kind === 'Namespace') return this.#deletions.namespace(before);
    return this.#remove(before);
  }

  /** The pod has ended, and nothing of it is left: the manager's last word. */
  removed(podUid: string): void {
    this.#deletions.removed(podUid);
  }

  /** The manager has ended what was left by others: namespaces may go that had pods in them. */
  finishNamespaces(): void {
    this.#deletions.finishNamespaces();
  }

  /** What a scheduler does. Without room on the disk for it, the node is known in memory: who reads the object binds it again. */
  bind(podUid: string, node: string): void {
    const pod = this.pod(podUid);
    const { nodeName = '' } = (pod?.spec ?? {}) as Partial<PodSpec>;
    if (pod === undefined || nodeName !== '') return;
    const bound = { ...pod, spec: { ...(pod.spec as PodSpec), nodeName: node } };
    this.#writeOrWarn(bound, 'it has its node all the same');
    this.#put(bound);
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

  #writeOrWarn(object: ApiObject, consequence: string): void {
    try {
      this.#write(servedKind(object.kind), object);
    } catch (error) {
      const { message, cause } = error as Error;
      if (!isDiskFailure(error) && !isDiskFailure(cause)) throw error;
      this.#onWarning(`${message}; ${consequence}`);
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
    if (kind === 'Pod') this.#deletions.lostPod(object);
    else if (kind === 'Namespace') {
      this.#table.drop(object);
      // Its objects are still there: other commands ask for no namespace to be there.
      this.#namespaces.lost(name);
    } else this.#remove(object);
  }
}
