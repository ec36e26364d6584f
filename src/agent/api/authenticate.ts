import type { IncomingMessage } from 'node:http';
import { impersonate, ROOT_USER, type UserInfo } from '../../admission/user.ts';
import type { Access } from '../access.ts';
import { ApiError } from '../api-error.ts';

/** Finds the user of a token; undefined if it is nobody's. */
export type FindUser = (token: string) => UserInfo | undefined;

/** Everybody who can open the agent's own socket is root. */
export const rootOnly = (): UserInfo => ROOT_USER;

/** Who sends a request with a token. Throws an ApiError (401). */
export function bearerUser(request: IncomingMessage, find: FindUser): UserInfo {
  const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? websocketToken(request);
  const user = token === undefined ? undefined : find(token);
  if (user === undefined) throw new ApiError('Unauthorized', 'Unauthorized');
  return user;
}

const PROTOCOL = 'base64url.bearer.authorization.k8s.io.';

/** Browsers can send no header with a WebSocket: a token may be one of its protocols. */
function websocketToken({ headers }: IncomingMessage): string | undefined {
  const protocols = (headers['sec-websocket-protocol'] ?? '').split(',').map(each => each.trim());
  const encoded = protocols.find(each => each.startsWith(PROTOCOL))?.slice(PROTOCOL.length);
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64url').toString();
}

/** The user of `--as`, if whoever asks may be him. Throws an ApiError (403). */
export function impersonated(request: IncomingMessage, user: UserInfo, access: Access): UserInfo {
  const headers = request.headersDistinct;
  const [name] = headers['impersonate-user'] ?? [];
  const groups = headers['impersonate-group'] ?? [];
  const others = Object.keys(headers).filter(header => /^impersonate-(uid|extra-.*)$/.test(header));
  if (name === undefined && groups.length === 0 && others.length === 0) return user;
  // Root is whom nobody names elsewhere; here a name is asked for.
  if (name === undefined || name === '')
    throw new ApiError(
      'InternalError',
      `requesting uid, groups or user-extra for ${user.name} without impersonating a user`,
    );
  const meant = impersonate(name, groups);
  if ('error' in meant) throw new ApiError('InternalError', meant.error);
  const require = (resource: string, wanted: string, apiGroup = '', namespace = ''): void =>
    access.require(user, { verb: 'impersonate', apiGroup, resource, name: wanted, namespace });
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(meant.name);
  if (account === null) require('users', meant.name);
  else require('serviceaccounts', account[2] ?? '', '', account[1] ?? '');
  for (const group of groups) require('groups', group);
  return meant;
}
