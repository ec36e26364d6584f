import type { ObjectStore } from '../runtime/object-store.ts';
import { forbidden, notFound } from './api-error.ts';
import { INITIAL_NAMESPACES, impliedNamespace, impliedServiceAccount } from './implied.ts';
import type { ObjectTable } from './object-table.ts';
import type { ApiObject } from './objects.ts';
import { type ServedType, STORED, servedKind } from './resources.ts';

/** Which namespaces there are: other commands of podspace put objects into some that nobody has made. */
export class Namespaces {
  readonly #table: ObjectTable;
  readonly #store: ObjectStore;
  readonly #since: string;

  /** `since` is when those began to be that nobody has made. */
  constructor(table: ObjectTable, store: ObjectStore, since: string) {
    this.#table = table;
    this.#store = store;
    this.#since = since;
  }

  /** Throws an ApiError where nothing can be made in a namespace. */
  require(type: ServedType, namespace: string, name: string): void {
    const found = this.#table.get('Namespace', undefined, namespace);
    if (found === undefined) throw notFound(servedKind('Namespace'), namespace);
    if (found.metadata.deletionTimestamp === undefined) return;
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
    throw forbidden(type, name, why);
  }

  imply(name: string): void {
    if (this.#table.get('Namespace', undefined, name) === undefined)
      this.#table.put(impliedNamespace(name, this.#since));
    this.implyServiceAccount(name);
  }

  implyServiceAccount(namespace: string): void {
    const owner = this.#table.get('Namespace', undefined, namespace);
    if (owner === undefined || owner.metadata.deletionTimestamp !== undefined) return;
    if (this.#table.get('ServiceAccount', namespace, 'default') === undefined)
      this.#table.put(impliedServiceAccount(namespace, owner.metadata.creationTimestamp ?? this.#since));
  }

  /** The file of a namespace has been removed: what is in it is still there, since other commands ask for no namespace. */
  lost(name: string): void {
    if (INITIAL_NAMESPACES.includes(name) || this.#isUsed(name)) this.imply(name);
    else for (const account of this.#table.list('ServiceAccount', name)) this.#table.drop(account);
  }

  #isUsed(namespace: string): boolean {
    const isKept = ({ kind, metadata: { name = '' } }: ApiObject): boolean =>
      kind !== 'ServiceAccount' || this.#store.get({ kind, namespace, name }) !== undefined;
    return STORED.some(
      ({ kind, namespaced }) => namespaced && this.#table.list(kind, namespace).some(isKept),
    );
  }
}
