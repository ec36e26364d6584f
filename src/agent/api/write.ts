import { existsSync } from 'node:fs';
import { UserError } from '../../base/errors.ts';
import { NETWORK_KINDS } from '../../network/objects.ts';
import { removeClaim } from '../../runtime/claims.ts';
import { generateName } from '../../runtime/generate-name.ts';
import { NODE_DIRECTORY } from '../../runtime/node-registry.ts';
import { updateNode } from '../../runtime/node-rules.ts';
import { newUid } from '../../runtime/uid.ts';
import { ApiError, alreadyExists, badRequest, conflict, invalid, notFound, STALE } from '../api-error.ts';
import { type ApiObject, timestamp } from '../objects.ts';
import { isRecord, parseBody, parsePatch } from './body.ts';
import type { ApiContext, Change } from './context.ts';
import { decodeObject, definitionOf, fieldValidationOf } from './decode.ts';
import { prepareCreate, prepareUpdate } from './kinds.ts';
import { applyPatch } from './patch/apply-patch.ts';
import type { ResourceRequest } from './request-info.ts';

/** A body as it came. */
export interface SentBody {
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly query: URLSearchParams;
}

/** Creates an object. Throws an ApiError. */
export async function createObject(
  context: ApiContext,
  { type, namespace, name: urlName }: ResourceRequest,
  { mediaType, bytes, query }: SentBody,
  change: Change,
): Promise<ApiObject> {
  if (urlName !== '')
    throw new ApiError('MethodNotAllowed', 'the server does not allow this method on the requested resource');
  const decoded = decodeObject(type, parseBody(mediaType, bytes), fieldValidationOf(query), change.warn);
  const placed = inNamespace(decoded, namespace);
  const { generateName: beginning = '', name = '', resourceVersion = '' } = placed.metadata;
  if (resourceVersion !== '') throw badRequest('resourceVersion should not be set on objects to be created');
  const isGenerated = name === '' && beginning !== '';
  if (name === '' && !isGenerated)
    throw invalid(type, '', [
      {
        reason: 'FieldValueRequired',
        message: 'Required value: name or generateName is required',
        field: 'metadata.name',
      },
    ]);
  const named = withMetadata(placed, { name: isGenerated ? generateName(beginning) : name });
  if (namespace !== undefined) requireNamespace(context, type, namespace);
  const prepared = prepareCreate(context, named, change, isGenerated);
  if (change.isDryRun) return dryCreate(context, type, prepared);
  const made = context.registry.create(prepared);
  await inForce(made, change);
  return made;
}

/** What of the metadata nobody says but the API server. */
const OWN = [
  'namespace',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'selfLink',
  'managedFields',
];

/** An object in the namespace of the request. Throws an ApiError (400) if it says another one. */
function inNamespace(object: ApiObject, namespace: string | undefined): ApiObject {
  const { namespace: own = '' } = object.metadata;
  if (own !== '' && own !== (namespace ?? ''))
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  const stated = Object.fromEntries(
    Object.entries(object.metadata).filter(([field]) => !OWN.includes(field)),
  );
  return { ...object, metadata: { ...stated, ...(namespace === undefined ? {} : { namespace }) } };
}

const withMetadata = (object: ApiObject, more: Partial<ApiObject['metadata']>): ApiObject => ({
  ...object,
  metadata: { ...object.metadata, ...more },
});

function requireNamespace(
  { registry }: ApiContext,
  { kind }: ResourceRequest['type'],
  namespace: string,
): void {
  if (kind !== 'Namespace' && registry.get('Namespace', undefined, namespace) === undefined)
    throw notFound({ group: '', resource: 'namespaces' }, namespace);
}

function dryCreate({ registry }: ApiContext, type: ResourceRequest['type'], object: ApiObject): ApiObject {
  const { namespace, name = '' } = object.metadata;
  if (registry.get(type.kind, namespace, name) !== undefined) throw alreadyExists(type, name);
  return withMetadata(object, { uid: object.metadata.uid ?? newUid(), creationTimestamp: timestamp() });
}

/** Replaces an object by another one. Throws an ApiError. */
export async function replaceObject(
  context: ApiContext,
  request: ResourceRequest,
  { mediaType, bytes, query }: SentBody,
  change: Change,
): Promise<ApiObject> {
  const { type, name } = request;
  const sent = decodeObject(type, parseBody(mediaType, bytes), fieldValidationOf(query), change.warn);
  return storeChange(context, request, current(context, request), sent, change, name);
}

/** Changes an object. Throws an ApiError. */
export async function patchObject(
  context: ApiContext,
  request: ResourceRequest,
  { mediaType, bytes, query }: SentBody,
  change: Change,
): Promise<ApiObject> {
  const { type, name } = request;
  const validation = fieldValidationOf(query);
  const before = current(context, request);
  const patched = applyPatch(mediaType, before, parsePatch(bytes), definitionOf(type));
  const sent = decodeObject(type, patched, validation, change.warn);
  return storeChange(context, request, before, sent, change, name);
}

function current({ registry }: ApiContext, { type, namespace, name }: ResourceRequest): ApiObject {
  const object = registry.get(type.kind, namespace, name);
  if (object === undefined) throw notFound(type, name);
  return object;
}

async function storeChange(
  context: ApiContext,
  { type, namespace, subresource }: ResourceRequest,
  before: ApiObject,
  sent: ApiObject,
  change: Change,
  name: string,
): Promise<ApiObject> {
  const own = sent.metadata.name ?? '';
  if (own !== name)
    throw badRequest(`the name of the object (${own}) does not match the name on the URL (${name})`);
  if (sent.metadata.namespace !== undefined && sent.metadata.namespace !== namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  const { managedFields: _, ...metadata } = sent.metadata;
  const object = { ...sent, metadata: { ...metadata, ...(namespace === undefined ? {} : { namespace }) } };
  const { uid = '', resourceVersion = '' } = object.metadata;
  if (uid !== '' && uid !== before.metadata.uid)
    throw conflict(
      type,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${before.metadata.uid}`,
    );
  if (resourceVersion !== '' && resourceVersion !== before.metadata.resourceVersion)
    throw conflict(type, name, STALE);
  if (subresource === 'status') {
    if (change.isDryRun) return { ...before, status: object.status };
    return context.registry.update(object, { subresource: 'status' });
  }
  const prepared = prepareUpdate(context, object, change, before);
  if (change.isDryRun) return { ...prepared, metadata: { ...before.metadata, ...prepared.metadata } };
  const after = context.registry.update(prepared);
  if (after !== before) await inForce(after, change);
  return after;
}

export interface DeleteRequest {
  readonly gracePeriodSeconds?: number;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly isDryRun: boolean;
}

/** What the query and the body of a DELETE say. Throws an ApiError (400). */
export function deleteRequest({ mediaType, bytes, query }: SentBody): DeleteRequest {
  const body = bytes.length === 0 ? {} : parseBody(mediaType, bytes);
  const {
    gracePeriodSeconds = query.get('gracePeriodSeconds') ?? undefined,
    preconditions,
    dryRun,
  } = isRecord(body) ? body : {};
  const { uid, resourceVersion } = isRecord(preconditions) ? preconditions : {};
  const grace = Number(gracePeriodSeconds ?? 0);
  if (!Number.isSafeInteger(grace))
    throw badRequest(
      `gracePeriodSeconds: Invalid value: ${JSON.stringify(gracePeriodSeconds)}: must be an integer`,
    );
  const dry = [...query.getAll('dryRun'), ...(Array.isArray(dryRun) ? dryRun : [])];
  return {
    isDryRun: isDry(dry),
    ...(gracePeriodSeconds === undefined || gracePeriodSeconds === null ? {} : { gracePeriodSeconds: grace }),
    ...(typeof uid === 'string' ? { uid } : {}),
    ...(typeof resourceVersion === 'string' ? { resourceVersion } : {}),
  };
}

/** Throws an ApiError (400) for another word than All. */
export function isDry(words: readonly unknown[]): boolean {
  const wrong = words.find(word => word !== 'All' && word !== '');
  if (wrong !== undefined)
    throw badRequest(`dryRun: Unsupported value: ${JSON.stringify(wrong)}: supported values: "All"`);
  return words.includes('All');
}

/** Deletes an object; a pod and a namespace go later. Throws an ApiError. */
export async function deleteObject(
  { registry, roots }: ApiContext,
  { type, namespace, name }: Pick<ResourceRequest, 'type' | 'namespace' | 'name'>,
  { isDryRun, ...options }: DeleteRequest,
  change: Change,
): Promise<ApiObject> {
  const before = registry.get(type.kind, namespace, name);
  if (before === undefined) throw notFound(type, name);
  if (isDryRun) return before;
  if (type.kind === 'PersistentVolumeClaim')
    removeData(() => removeClaim(roots, namespace ?? 'default', name), type, name);
  const deleted = registry.delete(type.kind, namespace, name, options);
  await inForce(deleted, change);
  return deleted;
}

/** A claim goes with its data, and not while a pod uses it. */
function removeData(body: () => unknown, type: ResourceRequest['type'], name: string): void {
  try {
    body();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw conflict(type, name, error.message);
  }
}

/** Objects about the network hold at once, for pods that run too. */
async function inForce({ kind }: ApiObject, { warn }: Change): Promise<void> {
  if (!NETWORK_KINDS.includes(kind) || !existsSync(NODE_DIRECTORY)) return;
  try {
    await updateNode();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    warn(`stored, but not in force for the pods that run: ${error.message}`);
  }
}
