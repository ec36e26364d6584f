import type { Roots } from '../oci/pod-paths.ts';
import { removeClaim } from '../runtime/claims.ts';
import { forbidden } from './api-error.ts';
import { INITIAL_NAMESPACES } from './implied.ts';
import { markedForDeletion } from './object-rules.ts';
import type { ObjectTable } from './object-table.ts';
import { type ApiObject, timestamp } from './objects.ts';
import { SERVED, STORED, servedKind } from './resources.ts';

/** What a deletion does to the registry. */
export interface DeletionSteps {
  /** Takes an object away for good. */
  readonly remove: (object: ApiObject) => ApiObject;
  /** Stores an object that is to go soon. A full disk does not keep it: what is deleted makes room. */
  readonly mark: (object: ApiObject) => ApiObject;
  /** The same of one whose file somebody has removed. */
  readonly markInMemory: (object: ApiObject) => ApiObject;
  readonly onWarning: (message: string) => void;
}

/** What goes in its own time: pods, which end first, and namespaces, which are emptied. */
export class Deletions {
  readonly #roots: Roots;
  readonly #table: ObjectTable;
  readonly #steps: DeletionSteps;
  /** The namespaces of pods whose objects have gone, and that have still to end: by uid. */
  readonly #ending = new Map<string, string>();

  constructor(roots: Roots, table: ObjectTable, steps: DeletionSteps) {
    this.#roots = roots;
    this.#table = table;
    this.#steps = steps;
  }

  /** Marks a pod, whose manager ends it. Without a grace period nobody waits for that: its object goes at once. */
  pod(pod: ApiObject, asked: number | undefined, mark = this.#steps.mark): ApiObject {
    const marked = markedForDeletion(pod, asked);
    if (marked === undefined) return pod;
    if (marked.metadata.deletionGracePeriodSeconds !== 0) return mark(marked);
    this.#ending.set(marked.metadata.uid ?? '', marked.metadata.namespace ?? '');
    this.#steps.remove(marked);
    return marked;
  }

  /** A pod whose file another command has removed. */
  lostPod(pod: ApiObject): ApiObject {
    return this.pod(pod, undefined, this.#steps.markInMemory);
  }

  /** Nothing is left of a pod. */
  removed(podUid: string): void {
    const pod = this.#table.pod(podUid);
    if (pod !== undefined) this.#steps.remove(pod);
    const namespace = pod?.metadata.namespace ?? this.#ending.get(podUid);
    this.#ending.delete(podUid);
    if (namespace !== undefined) this.#finish(namespace);
  }

  /** Throws an ApiError (403) for a namespace that is always there. */
  namespace(namespace: ApiObject): ApiObject {
    const { name = '', deletionTimestamp } = namespace.metadata;
    const type = servedKind('Namespace');
    if (INITIAL_NAMESPACES.includes(name)) throw forbidden(type, name, 'this namespace may not be deleted');
    if (deletionTimestamp !== undefined) return namespace;
    const metadata = { ...namespace.metadata, deletionTimestamp: timestamp() };
    const marked = this.#steps.mark({ ...namespace, metadata, status: { phase: 'Terminating' } });
    for (const { kind, namespaced } of STORED)
      for (const object of namespaced ? this.#table.list(kind, name) : [])
        if (kind === 'Pod') this.pod(object, undefined);
        // Pods that end have their volumes until they have ended.
        else if (kind !== 'PersistentVolumeClaim') this.#steps.remove(object);
    this.#finish(name);
    return marked;
  }

  /** What an agent that was killed had not come to: to be called when no pod runs that nobody knows. */
  finishNamespaces(): void {
    for (const { metadata } of this.#table.list('Namespace')) this.#finish(metadata.name ?? '');
  }

  /** A namespace that is being deleted goes with its last pod. */
  #finish(name: string): void {
    const namespace = this.#table.get('Namespace', undefined, name);
    if (namespace?.metadata.deletionTimestamp === undefined) return;
    if (this.#table.list('Pod', name).length > 0 || [...this.#ending.values()].includes(name)) return;
    for (const claim of this.#table.list('PersistentVolumeClaim', name)) this.#removeData(claim);
    for (const { kind, namespaced } of SERVED)
      for (const object of namespaced ? this.#table.list(kind, name) : []) this.#steps.remove(object);
    this.#steps.remove(namespace);
  }

  /** A claim goes with its data. */
  #removeData({ metadata: { namespace = '', name = '' } }: ApiObject): void {
    try {
      removeClaim(this.#roots, namespace, name);
    } catch (error) {
      this.#steps.onWarning(`the data of claim ${namespace}/${name} stays: ${(error as Error).message}`);
    }
  }
}
