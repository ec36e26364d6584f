import { UserError } from '../../base/errors.ts';
import { parseObject } from '../manifest.ts';
import type { Credentials, Password } from './credentials.ts';
import { type Endpoint, isLoopback } from './endpoint.ts';
import { type HttpOptions, readBody, request } from './http.ts';

const MAX_TOKEN = 1 << 20;

/** `WWW-Authenticate: Bearer realm="…",service="…"` (RFC 7235; distribution's token specification). */
export interface Challenge {
  readonly scheme: 'bearer' | 'basic';
  readonly parameters: Readonly<Record<string, string>>;
}

export function parseChallenge(header: string): Challenge | undefined {
  const [, word = '', rest = ''] = /^\s*(\w+)\s*(.*)$/s.exec(header) ?? [];
  const scheme = word.toLowerCase();
  if (scheme !== 'bearer' && scheme !== 'basic') return undefined;
  const parameters: Record<string, string> = {};
  for (const [, key = '', quoted, plain] of rest.matchAll(/([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]*))/g))
    parameters[key.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '';
  return { scheme, parameters };
}

const basic = ({ username, password }: Password): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

/** What to send instead, after a registry said 401. */
export async function authorize(
  endpoint: Endpoint,
  header: string,
  credentials: Credentials | undefined,
  options: HttpOptions,
): Promise<string> {
  const challenge = parseChallenge(header);
  if (challenge === undefined)
    throw new UserError(`${endpoint.domain} wants an authentication that is not known`);
  if (challenge.scheme === 'basic') {
    if (credentials === undefined) throw needed(endpoint);
    if ('identityToken' in credentials)
      throw new UserError(`${endpoint.domain} wants a password, and there is an identity token for it`);
    return basic(credentials);
  }
  const { realm = '', service, scope = scopeOf(endpoint) } = challenge.parameters;
  const url = realmOf(endpoint, realm);
  const wanted = {
    ...(service === undefined ? {} : { service }),
    ...(scope === '' ? {} : { scope }),
  };
  const response = await askForToken(endpoint, url, wanted, credentials, options);
  const body = await readBody(response, MAX_TOKEN);
  if (response.status === 401 || response.status === 403)
    throw credentials === undefined
      ? needed(endpoint)
      : new UserError(`${endpoint.domain}: the credentials are not accepted`);
  if (response.status !== 200) throw new UserError(`${url.host} gives no token: ${response.status}`);
  const { token, access_token } = parseObject(body.toString(), `token of ${url.host}`);
  const found = token ?? access_token;
  if (typeof found !== 'string' || !/^[\x21-\x7e]+$/.test(found))
    throw new UserError(`${url.host} gives no token`);
  return `Bearer ${found}`;
}

/** distribution's token.md, and oauth2.md for an identity token, which nobody else should see: it is in the body. */
function askForToken(
  endpoint: Endpoint,
  url: URL,
  wanted: Readonly<Record<string, string>>,
  credentials: Credentials | undefined,
  options: HttpOptions,
): Promise<Response> {
  if (credentials !== undefined && 'identityToken' in credentials) {
    const { identityToken: refresh_token } = credentials;
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: 'podspace',
      ...wanted,
      refresh_token,
    });
    return request(endpoint, url, {}, { ...options, form });
  }
  for (const [name, value] of Object.entries(wanted)) url.searchParams.set(name, value);
  if (credentials === undefined) return request(endpoint, url, {}, options);
  url.searchParams.set('account', credentials.username);
  return request(endpoint, url, { authorization: basic(credentials) }, options);
}

/** Nothing, where only a login is tried. */
const scopeOf = ({ repository }: Endpoint): string =>
  repository === '' ? '' : `repository:${repository}:pull`;

/** A password goes over HTTPS, or stays on the machine, or goes where the user has allowed it. */
function realmOf(endpoint: Endpoint, realm: string): URL {
  let url: URL;
  try {
    url = new URL(realm);
  } catch (cause) {
    throw new UserError(`${endpoint.domain}: its realm is no address`, { cause });
  }
  if (url.protocol === 'https:' || (url.protocol === 'http:' && (endpoint.isPlain || isLoopback(url.host))))
    return url;
  throw new UserError(`${endpoint.domain}: its realm is not HTTPS`);
}

const needed = ({ domain }: Endpoint): UserError =>
  new UserError(`${domain}: authentication required`, { hint: `podspace image login ${domain}` });
