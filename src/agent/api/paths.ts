import type { IncomingMessage, ServerResponse } from 'node:http';
import type { UserInfo } from '../../admission/user.ts';
import { ApiError } from '../api-error.ts';
import { acceptsAggregated } from './accept.ts';
import type { ApiContext } from './context.ts';
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, apiVersions } from './discovery.ts';
import { openApiV3, openApiV3Index } from './openapi.ts';
import { sendReply, sendText } from './respond.ts';

export interface AskedPath {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly user: UserInfo;
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
}

/** The Kubernetes whose API this is. */
const VERSION = {
  major: '1',
  minor: '34',
  gitVersion: 'v1.34.0+podspace',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: '',
  compiler: 'node',
  platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
};

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

type Answer = (context: ApiContext, asked: AskedPath) => Promise<number> | number;

function json(response: ServerResponse, body: object | undefined, contentType?: string): number {
  if (body === undefined)
    throw new ApiError('NotFound', 'the server could not find the requested resource', {});
  sendReply(response, { code: 200, body, ...(contentType === undefined ? {} : { contentType }) });
  return 200;
}

const ok: Answer = (_context, { response }) => {
  sendText(response, 200, 'ok');
  return 200;
};

const discovery =
  (isCore: boolean, plain: (address: string) => object): Answer =>
  (_context, { incoming, response }) => {
    response.setHeader('Vary', 'Accept');
    if (acceptsAggregated(incoming.headers.accept))
      return json(response, aggregatedDiscovery(isCore), AGGREGATED);
    return json(response, plain(incoming.headers.host ?? ''));
  };

/** Paths that are no object's, which everybody who is somebody may see (system:discovery, system:public-info-viewer). */
const OPEN: Readonly<Record<string, Answer>> = {
  '/api': discovery(true, apiVersions),
  '/apis': discovery(false, apiGroupList),
  '/version': (_context, { response }) => json(response, VERSION),
  '/healthz': ok,
  '/livez': ok,
  '/readyz': ok,
  '/openapi/v3': (_context, { response }) => json(response, openApiV3Index()),
};

const RESTRICTED: Readonly<Record<string, Answer>> = {
  '/metrics': async ({ metrics }, { response }) => {
    sendText(response, 200, await metrics.text(), metrics.contentType);
    return 200;
  },
  '/': (_context, { response }) =>
    json(response, { paths: [...Object.keys(OPEN), '/api/v1', '/metrics', '/openapi/v3/api/v1'].sort() }),
};

/** Paths below which something is found by the rest of them. */
const PREFIXES: readonly (readonly [RegExp, (...parts: string[]) => object | undefined])[] = [
  [/^\/api\/([^/]+)$/, version => apiResourceList('', version)],
  [/^\/apis\/([^/]+)$/, group => apiGroup(group)],
  [/^\/apis\/([^/]+)\/([^/]+)$/, (group, version = '') => apiResourceList(group, version)],
  [/^\/openapi\/v3\/api\/([^/]+)$/, version => openApiV3('', version)],
  [/^\/openapi\/v3\/apis\/([^/]+)\/([^/]+)$/, (group, version = '') => openApiV3(group, version)],
];

/** Answers for a path that is no object's. Throws an ApiError. */
export async function answerPath(context: ApiContext, asked: AskedPath): Promise<number> {
  const path = asked.path.length > 1 ? asked.path.replace(/\/+$/, '') : asked.path;
  const method = asked.incoming.method ?? 'GET';
  const open = Object.hasOwn(OPEN, path) ? OPEN[path] : undefined;
  const restricted = Object.hasOwn(RESTRICTED, path) ? RESTRICTED[path] : undefined;
  const found = PREFIXES.map(([pattern, find]) => [pattern.exec(path), find] as const).find(
    ([match]) => match !== null,
  );
  if (open === undefined && found === undefined)
    context.access.require(asked.user, { verb: method.toLowerCase(), path });
  const exists = open ?? restricted ?? found;
  if (exists === undefined)
    throw new ApiError('NotFound', 'the server could not find the requested resource', {});
  if (method !== 'GET' && method !== 'HEAD')
    throw new ApiError(
      'MethodNotAllowed',
      'the server does not allow this method on the requested resource',
      {},
    );
  if (open !== undefined) return open(context, asked);
  if (restricted !== undefined) return restricted(context, asked);
  const [match, find] = found ?? [];
  return json(asked.response, find?.(...(match ?? []).slice(1)));
}
