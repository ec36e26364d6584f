import { badRequest, notFound } from '../api-error.ts';
import { isRecord, parseBody } from './body.ts';
import type { ApiContext } from './context.ts';
import type { ResourceRequest } from './request-info.ts';
import type { Reply } from './respond.ts';
import { deleteRequest, type SentBody } from './write.ts';

/** Evicts a pod: there are no disruption budgets, so it is deleted. Throws an ApiError. */
export function evictPod(
  { registry }: ApiContext,
  { type, namespace, name }: ResourceRequest,
  body: SentBody,
): Reply {
  const eviction = parseBody(body.mediaType, body.bytes);
  if (!isRecord(eviction) || eviction.kind !== 'Eviction') throw badRequest('the body is no Eviction');
  const options = Buffer.from(JSON.stringify(eviction.deleteOptions ?? {}));
  const { isDryRun, ...asked } = deleteRequest({ ...body, mediaType: 'application/json', bytes: options });
  if (registry.get('Pod', namespace, name) === undefined) throw notFound(type, name);
  if (!isDryRun) registry.delete('Pod', namespace, name, asked);
  return {
    code: 201,
    body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 },
  };
}
