import type { HTTPGetAction } from '../../kube/types.generated.ts';
import { hostPort } from './dial.ts';

/** The version that is spoken of in `kube-probe/1.36`. */
export const KUBERNETES_VERSION = '1.36';

/** A request for one page, nothing of it to be changed any more. */
export interface HttpRequest {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** With its query, as it is sent. */
  readonly path: string;
  /** What the Host header is to say instead of the address. */
  readonly hostHeader: string | undefined;
  /** Names and values but Host's, in the order of the action. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** As it is named in messages. */
export const urlOf = ({ scheme, host, port, path }: HttpRequest): string =>
  `${scheme}://${hostPort(host, port)}${path}`;

/** The kubelet's NewRequestForHTTPGetAction; `purpose` is in the User-Agent: kube-probe, kube-lifecycle. */
export function requestOf(
  action: HTTPGetAction,
  podIP: string,
  port: number,
  purpose: 'probe' | 'lifecycle',
): HttpRequest {
  const given = (action.httpHeaders ?? []).map(({ name, value = '' }) => [name, value] as const);
  const find = (wanted: string): string | undefined =>
    given.find(([name]) => name.toLowerCase() === wanted)?.[1];
  const isSent = ([name]: readonly [string, string]): boolean =>
    name.toLowerCase() !== 'host' && (name.toLowerCase() !== 'accept' || find('accept') !== '');
  return {
    scheme: action.scheme === 'HTTPS' ? 'https' : 'http',
    host: action.host || podIP,
    port,
    path: pathOf(action.path ?? ''),
    hostHeader: find('host') || undefined,
    headers: [
      ...given.filter(isSent),
      ...(find('user-agent') === undefined
        ? [['User-Agent', `kube-${purpose}/${KUBERNETES_VERSION}`] as const]
        : []),
      ...(find('accept') === undefined ? [['Accept', '*/*'] as const] : []),
    ],
  };
}

/** What may stand in a path, and in a query, as it is (Go's url.URL.EscapedPath, RFC 3986). */
const NOT_IN_PATH = /[^A-Za-z0-9\-._~!$&'()*+,;=:@/%[\]]/g;
const NOT_IN_QUERY = /[\0-\x20"<>\x7f-\u{10ffff}]/gu;

/** A path may be a URL of its own, of which neither host nor fragment counts; where it is none, all of it is a path. */
function pathOf(path: string): string {
  const encode = (text: string, what: RegExp): string => text.replace(what, percentEncode);
  const [, rest = ''] = /^(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?:\/\/[^/?#]*)?([\s\S]*)$/.exec(path) ?? [];
  const [beforeFragment = ''] = rest.split('#');
  const at = beforeFragment.indexOf('?');
  const [name, query] =
    at < 0 ? [beforeFragment, ''] : [beforeFragment.slice(0, at), beforeFragment.slice(at)];
  const absolute = (text: string): string => (text.startsWith('/') ? text : `/${text}`);
  if (/%(?![0-9A-Fa-f]{2})/.test(name)) return absolute(encode(path.replaceAll('%', '%25'), NOT_IN_PATH));
  return absolute(encode(name, NOT_IN_PATH)) + encode(query, NOT_IN_QUERY);
}

function percentEncode(text: string): string {
  return [...Buffer.from(text)].map(byte => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
}

/** Where an answer leads: a request for that page, `elsewhere` for another host, or why it leads nowhere. */
export type Redirect =
  | { readonly kind: 'request'; readonly request: HttpRequest }
  | { readonly kind: 'elsewhere' }
  | { readonly kind: 'error'; readonly message: string };

/** Codes that lead on to a Location. */
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** How often the kubelet goes on. */
const MAX_REDIRECTS = 10;

/** What is to be done about an answer; undefined if it is the last one. `hops` is how many requests were made. */
export function redirectOf(
  request: HttpRequest,
  first: HttpRequest,
  status: number,
  location: string | undefined,
  hops: number,
): Redirect | undefined {
  if (!REDIRECTS.has(status) || !location) return undefined;
  let url: URL;
  try {
    url = new URL(location, urlOf(request));
  } catch {
    return { kind: 'error', message: `failed to parse Location header ${JSON.stringify(location)}` };
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (host !== first.host.toLowerCase()) return { kind: 'elsewhere' };
  if (hops >= MAX_REDIRECTS) return { kind: 'error', message: `stopped after ${MAX_REDIRECTS} redirects` };
  const scheme = url.protocol.slice(0, -1);
  if (scheme !== 'http' && scheme !== 'https')
    return { kind: 'error', message: `unsupported protocol scheme ${JSON.stringify(scheme)}` };
  const isAbsolute = /^[A-Za-z][A-Za-z0-9+.-]*:/.test(location);
  return {
    kind: 'request',
    request: {
      ...request,
      scheme,
      host,
      port: url.port === '' ? (scheme === 'https' ? 443 : 80) : Number(url.port),
      path: `${url.pathname}${url.search}`,
      hostHeader: isAbsolute ? undefined : request.hostHeader,
    },
  };
}
