import { conflict, STALE } from './api-error.ts';
import { type ApiObject, type DeleteOptions, timestamp } from './objects.ts';
import type { ServedType } from './resources.ts';

/** Kinds that clients make are kept in files. */
export const isStored = ({ verbs }: ServedType): boolean => verbs.includes('create');

/** As a file has it: versions are the memory's, and so is the status of a pod. */
export function withoutVersion(object: ApiObject): ApiObject {
  const { resourceVersion: _, ...metadata } = object.metadata;
  const { status, ...rest } = object;
  return { ...rest, metadata, ...(status === undefined || object.kind === 'Pod' ? {} : { status }) };
}

/** Preconditions of a change. Throws an ApiError (409). */
export function check(
  type: ServedType,
  { metadata }: ApiObject,
  { uid, resourceVersion }: Pick<DeleteOptions, 'uid' | 'resourceVersion'>,
): void {
  const name = metadata.name ?? '';
  if (uid !== undefined && uid !== '' && uid !== metadata.uid)
    throw conflict(
      type,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`,
    );
  if (resourceVersion !== undefined && resourceVersion !== '' && resourceVersion !== metadata.resourceVersion)
    throw conflict(type, name, STALE);
}

/** An object after an update: what clients cannot change stays as it was. */
export function merged(before: ApiObject, asked: ApiObject, subresource: 'status' | undefined): ApiObject {
  if (subresource === 'status')
    return { ...before, ...(asked.status === undefined ? {} : { status: asked.status }) };
  const {
    uid,
    creationTimestamp,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    resourceVersion,
    generateName,
  } = before.metadata;
  const kept = {
    uid,
    creationTimestamp,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    generateName,
    resourceVersion,
  };
  const { status: _, ...rest } = asked;
  const metadata = Object.fromEntries(
    Object.entries({ ...asked.metadata, ...kept }).filter(([, value]) => value !== undefined),
  );
  return { ...rest, metadata, ...(before.status === undefined ? {} : { status: before.status }) };
}

/** A pod that is to end; undefined if it is so already. A grace period can only become shorter. */
export function markedForDeletion(pod: ApiObject, asked: number | undefined): ApiObject | undefined {
  const { deletionTimestamp, deletionGracePeriodSeconds: before = 0 } = pod.metadata;
  const { terminationGracePeriodSeconds: own = 30 } = (pod.spec ?? {}) as {
    terminationGracePeriodSeconds?: number;
  };
  const wanted = asked ?? own;
  // As the API server takes them.
  const grace = wanted < 0 ? 1 : wanted;
  if (deletionTimestamp !== undefined && (asked === undefined || grace >= before)) return undefined;
  const metadata = {
    ...pod.metadata,
    deletionTimestamp: timestamp(Date.now() + grace * 1000),
    deletionGracePeriodSeconds: grace,
  };
  return { ...pod, metadata };
}
