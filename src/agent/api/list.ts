import { ApiError, badRequest } from '../api-error.ts';
import type { ApiObject } from '../objects.ts';
import type { Registry } from '../registry.ts';
import type { ResourceRequest } from './request-info.ts';
import { fieldSelector, labelSelector, type Predicate } from './selectors.ts';

/** What of a collection a request is about. Throws an ApiError (400). */
export function selection({ type, namespace, name }: ResourceRequest, query: URLSearchParams): Predicate {
  const labels = labelSelector(query.get('labelSelector') ?? '');
  const fields = fieldSelector(type.kind, query.get('fieldSelector') ?? '');
  return object =>
    (namespace === undefined || object.metadata.namespace === namespace) &&
    (name === '' || object.metadata.name === name) &&
    labels(object) &&
    fields(object);
}

export interface Page {
  readonly items: readonly ApiObject[];
  readonly metadata: {
    readonly resourceVersion: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
}

/** The next object's place: what has changed since is seen on later pages (as the API server's inconsistent continue). */
interface Continue {
  readonly rv: string;
  readonly after: string;
}

const placeOf = ({ metadata: { namespace = '', name = '' } }: ApiObject): string => `${namespace}/${name}`;

/** The objects that a request selects, or a page of them. Throws an ApiError (400, 410). */
export function listPage(registry: Registry, request: ResourceRequest, query: URLSearchParams): Page {
  const isSelected = selection(request, query);
  const { items, resourceVersion } = registry.list(request.type.kind, request.namespace);
  const token = query.get('continue') ?? '';
  const from = token === '' ? undefined : parseContinue(token);
  requireVersion(query, resourceVersion, from !== undefined);
  const selected = items
    .filter(isSelected)
    .filter(object => from === undefined || placeOf(object) > from.after);
  const limit = countOf(query.get('limit'));
  const page = limit === 0 ? selected : selected.slice(0, limit);
  const rv = from?.rv ?? resourceVersion;
  const left = selected.length - page.length;
  const last = page.at(-1);
  if (left === 0 || last === undefined) return { items: page, metadata: { resourceVersion: rv } };
  const next: Continue = { rv, after: placeOf(last) };
  return {
    items: page,
    metadata: {
      resourceVersion: rv,
      continue: Buffer.from(JSON.stringify(next)).toString('base64url'),
      remainingItemCount: left,
    },
  };
}

function countOf(text: string | null): number {
  const count = Number(text ?? 0);
  if (Number.isSafeInteger(count) && count >= 0) return count;
  throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
}

function parseContinue(token: string): Continue {
  try {
    const { rv, after } = JSON.parse(Buffer.from(token, 'base64url').toString()) as Partial<Continue>;
    if (typeof rv === 'string' && typeof after === 'string' && /^\d+$/.test(rv)) return { rv, after };
  } catch {}
  throw badRequest('continue key is not valid');
}

/** Only what is now can be listed: an exact version of before is gone, one that is to come is refused. */
function requireVersion(query: URLSearchParams, current: string, isContinued: boolean): void {
  const asked = query.get('resourceVersion') ?? '';
  const match = query.get('resourceVersionMatch') ?? '';
  if (asked !== '' && !/^\d+$/.test(asked))
    throw badRequest(
      `Invalid value: ${JSON.stringify(asked)}: strconv.ParseUint: parsing ${JSON.stringify(asked)}: invalid syntax`,
    );
  if (isContinued && asked !== '' && asked !== '0')
    throw badRequest('specifying resource version is not allowed when using continue');
  if (match === 'Exact' && asked !== current)
    throw new ApiError('Expired', 'The provided resource version is not available');
  if (Number(asked) > Number(current))
    throw new ApiError('Timeout', `Too large resource version: ${asked}, current: ${current}`, {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    });
}
