import type { ObjectMeta } from '../kube/types.generated.ts';

/** An object of the API, as JSON has it. Nobody changes one: a change is another object. */
export interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly spec?: unknown;
  readonly status?: unknown;
  readonly [field: string]: unknown;
}

/** A change of an object, as a watch tells it. */
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: ApiObject;
  /** What it was before: whoever selects objects must know whether it was among them. */
  readonly previous?: ApiObject;
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  /** Preconditions. */
  readonly uid?: string;
  readonly resourceVersion?: string;
}

/** RFC 3339 in seconds, as the API server stamps. */
export const timestamp = (milliseconds: number = Date.now()): string =>
  new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z');

/** RFC 3339 with microseconds (metav1.MicroTime). */
export const microTime = (milliseconds: number = Date.now()): string =>
  new Date(milliseconds).toISOString().replace(/(\.\d+)Z$/, '$1000Z');
