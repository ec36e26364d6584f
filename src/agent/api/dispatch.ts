import type { IncomingMessage, ServerResponse } from 'node:http';
import type { UserInfo } from '../../admission/user.ts';
import { ApiError, notFound } from '../api-error.ts';
import type { ApiObject } from '../objects.ts';
import { acceptedForm } from './accept.ts';
import { isRecord, mediaTypeOf, parseBody, readBody } from './body.ts';
import type { ApiContext, Change } from './context.ts';
import { asType } from './events-v1.ts';
import { evictPod } from './eviction.ts';
import { type FormOptions, formOf, formOfList, includeObjectOf } from './forms.ts';
import { shown } from './kinds.ts';
import { listPage, selection } from './list.ts';
import { serveLog } from './logs.ts';
import type { PostedType } from './posted.ts';
import type { ResourceRequest } from './request-info.ts';
import { type Reply, sendReply } from './respond.ts';
import { answerReview } from './reviews.ts';
import { serveWatch } from './watch.ts';
import {
  createObject,
  deleteObject,
  deleteRequest,
  isDry,
  patchObject,
  replaceObject,
  type SentBody,
} from './write.ts';

/** One request for objects, from somebody who may ask. */
export interface Asked {
  readonly request: ResourceRequest;
  readonly query: URLSearchParams;
  readonly user: UserInfo;
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
}

type Handler = (context: ApiContext, asked: Asked, warnings: string[]) => Promise<Reply | undefined>;

const bodyOf = async ({ incoming, query, user }: Asked): Promise<SentBody> => ({
  mediaType: mediaTypeOf(incoming),
  bytes: await readBody(incoming, user.name),
  query,
});

const formOptions = ({ incoming, query }: Asked): FormOptions => ({
  form: acceptedForm(incoming.headers.accept),
  includeObject: includeObjectOf(query),
});

function changeOf({ user, query }: Asked, warnings: string[]): Change {
  return { user, isDryRun: isDry(query.getAll('dryRun')), warn: message => warnings.push(message) };
}

function replyOf(context: ApiContext, asked: Asked, object: ApiObject, code = 200): Reply {
  const { type } = asked.request;
  return { code, body: formOf(type, asType(type, shown(context, object)), formOptions(asked)) };
}

/** What is answered where a delete has removed the object at once. */
function deletedStatus({ type }: ResourceRequest, { metadata: { name = '', uid = '' } }: ApiObject): object {
  const details = { name, ...(type.group === '' ? {} : { group: type.group }), kind: type.resource, uid };
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
}

/** By verb. Undefined: the answer has been sent already. */
const HANDLERS: Readonly<Record<ResourceRequest['verb'], Handler>> = {
  get: async (context, asked) => {
    const { type, namespace, name } = asked.request;
    const object = context.registry.get(type.kind, namespace, name);
    if (object === undefined) throw notFound(type, name);
    return replyOf(context, asked, object);
  },
  list: async (context, asked) => {
    const { type } = asked.request;
    const { items, metadata } = listPage(context.registry, asked.request, asked.query);
    const objects = items.map(object => asType(type, shown(context, object)));
    return { code: 200, body: formOfList(type, objects, metadata, formOptions(asked)) };
  },
  watch: async (context, asked) => {
    await serveWatch(context, asked.request, asked.query, asked.response, formOptions(asked));
    return undefined;
  },
  create: async (context, asked, warnings) => {
    const made = await createObject(context, asked.request, await bodyOf(asked), changeOf(asked, warnings));
    return replyOf(context, asked, made, 201);
  },
  update: async (context, asked, warnings) => {
    const made = await replaceObject(context, asked.request, await bodyOf(asked), changeOf(asked, warnings));
    return replyOf(context, asked, made);
  },
  patch: async (context, asked, warnings) => {
    const made = await patchObject(context, asked.request, await bodyOf(asked), changeOf(asked, warnings));
    return replyOf(context, asked, made);
  },
  delete: async (context, asked, warnings) => {
    const options = deleteRequest(await bodyOf(asked));
    const deleted = await deleteObject(context, asked.request, options, changeOf(asked, warnings));
    const { type, namespace, name } = asked.request;
    const isThere = context.registry.get(type.kind, namespace, name) !== undefined;
    // Of a pod the API server tells what it was (ReturnDeletedObject).
    return isThere || type.kind === 'Pod'
      ? replyOf(context, asked, deleted)
      : { code: 200, body: deletedStatus(asked.request, deleted) };
  },
  deletecollection: async (context, asked, warnings) => {
    const { request, query } = asked;
    const options = deleteRequest(await bodyOf(asked));
    const isSelected = selection(request, query);
    const { items, resourceVersion } = context.registry.list(request.type.kind, request.namespace);
    const deleted: ApiObject[] = [];
    for (const { metadata } of items.filter(isSelected)) {
      const { namespace, name = '' } = metadata;
      const one = { type: request.type, namespace, name };
      deleted.push(await deleteObject(context, one, options, changeOf(asked, warnings)));
    }
    return { code: 200, body: formOfList(request.type, deleted, { resourceVersion }, formOptions(asked)) };
  },
};

/** What is below an object and no part of it. */
const SUBRESOURCES: Readonly<Record<string, Handler>> = {
  log: async (context, asked) => {
    await serveLog(context, asked);
    return undefined;
  },
  eviction: async (context, asked) => evictPod(context, asked.request, await bodyOf(asked)),
};
const UPGRADED = ['exec', 'attach', 'portforward'];

/** Answers a request. Throws an ApiError. */
export async function answer(context: ApiContext, asked: Asked): Promise<number> {
  const { request, response } = asked;
  const { type, subresource, verb } = request;
  const warnings: string[] = [];
  const allowed = subresource === '' ? type.verbs : subresourceVerbs(request);
  if (!allowed.includes(verb))
    throw new ApiError('MethodNotAllowed', 'the server does not allow this method on the requested resource');
  if (UPGRADED.includes(subresource))
    throw new ApiError(
      'BadRequest',
      'you must specify a WebSocket upgrade (Upgrade: websocket) for this request',
    );
  const handler = SUBRESOURCES[subresource] ?? HANDLERS[verb];
  const reply = await handler(context, asked, warnings);
  if (reply === undefined) return response.statusCode;
  sendReply(response, reply, warnings);
  return reply.code;
}

const subresourceVerbs = ({ type, subresource }: ResourceRequest): readonly string[] =>
  type.subresources.find(({ name }) => name === subresource)?.verbs ?? [];

/** Answers a question that was posted. Throws an ApiError. */
export async function answerPosted(
  context: ApiContext,
  type: PostedType,
  namespace: string | undefined,
  { incoming, user }: Pick<Asked, 'incoming' | 'user'>,
): Promise<Reply> {
  if (incoming.method !== 'POST')
    throw new ApiError('MethodNotAllowed', 'the server does not allow this method on the requested resource');
  const { group: apiGroup, resource } = type;
  if (!type.isFree)
    context.access.require(user, {
      verb: 'create',
      apiGroup,
      resource,
      ...(namespace === undefined ? {} : { namespace }),
    });
  const body = parseBody(mediaTypeOf(incoming), await readBody(incoming, user.name));
  if (!isRecord(body)) throw new ApiError('BadRequest', `${type.kind} is no object`);
  return { code: 201, body: answerReview(context, type, body, user, namespace) };
}
