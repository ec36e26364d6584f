import { badRequest, notFound } from '../api-error.ts';
import { SERVED, type ServedType, type Verb } from '../resources.ts';
import { POSTED, type PostedType } from './posted.ts';
import { UNSERVED, unserved } from './unserved.ts';

/** What a request is about (RequestInfo of apiserver/pkg/endpoints/request). */
export interface ResourceRequest {
  readonly verb: Verb;
  readonly type: ServedType;
  readonly namespace: string | undefined;
  /** Empty for a collection. */
  readonly name: string;
  readonly subresource: string;
}

export type RequestInfo =
  | { readonly kind: 'resource'; readonly request: ResourceRequest }
  | { readonly kind: 'posted'; readonly type: PostedType; readonly namespace: string | undefined }
  | { readonly kind: 'path'; readonly path: string };

const COLLECTION_VERBS: Readonly<Record<string, Verb>> = {
  GET: 'list',
  HEAD: 'list',
  POST: 'create',
  DELETE: 'deletecollection',
};
const OBJECT_VERBS: Readonly<Record<string, Verb>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** Parts of a namespace's path that are no resource in it. */
const NAMESPACE_SUBRESOURCES = ['status', 'finalize'];

/** Reads a method and a path. Throws an ApiError for a path that nothing can be at. */
export function requestInfo(method: string, path: string, query: URLSearchParams): RequestInfo {
  const [first = '', ...rest] = segmentsOf(path);
  const [group, version, ...parts] = first === 'api' ? ['', ...rest] : rest;
  if (!['api', 'apis'].includes(first) || version === undefined || parts.length === 0)
    return { kind: 'path', path };
  const isNamespaced =
    parts[0] === 'namespaces' && parts.length > 2 && !NAMESPACE_SUBRESOURCES.includes(parts[2] ?? '');
  const namespace = isNamespaced ? parts[1] : undefined;
  const [resource = '', name = '', subresource = '', ...more] = isNamespaced ? parts.slice(2) : parts;
  const isOf = (each: { group: string; version: string; resource: string }): boolean =>
    each.group === group && each.version === version && each.resource === resource;
  const posted = POSTED.find(isOf);
  if (posted !== undefined && name === '') return { kind: 'posted', type: posted, namespace };
  if (UNSERVED.some(isOf)) throw unserved({ group: group ?? '', resource });
  const type = SERVED.find(isOf);
  if (type === undefined || more.length > 0) return { kind: 'path', path };
  if (namespace !== undefined && !type.namespaced) return { kind: 'path', path };
  if (subresource !== '' && !type.subresources.some(each => each.name === subresource))
    return { kind: 'path', path };
  if (namespace === undefined && type.namespaced && (name !== '' || method === 'POST'))
    throw badRequest('an empty namespace may not be set when a resource name is provided');
  const verb = verbOf(method, name, query);
  return { kind: 'resource', request: { verb, type, namespace, name, subresource } };
}

function verbOf(method: string, name: string, query: URLSearchParams): Verb {
  const verb = (name === '' ? COLLECTION_VERBS : OBJECT_VERBS)[method];
  if (verb === undefined) throw badRequest(`the server does not allow method ${method} here`);
  if (verb !== 'list' && !(verb === 'get' && isTrue(query.get('watch')))) return verb;
  return isTrue(query.get('watch')) ? 'watch' : verb;
}

/** As strconv.ParseBool, of what kubectl sends. */
export const isTrue = (text: string | null): boolean =>
  ['1', 'true', 'True', 'TRUE', 't'].includes(text ?? '');

/** Names are checked where they are made; what could be another path to somebody else has no place here. */
function segmentsOf(path: string): readonly string[] {
  const segments = path.replace(/^\/+/, '').replace(/\/+$/, '').split('/');
  return segments.map(segment => {
    let text: string;
    try {
      text = decodeURIComponent(segment);
    } catch {
      throw badRequest(`invalid URL escape ${JSON.stringify(segment.slice(0, 80))}`);
    }
    if (text === '' || text === '.' || text === '..' || /[/%\0]/.test(text))
      throw notFound({ group: '', resource: 'the path' }, path.slice(0, 200));
    return text;
  });
}
