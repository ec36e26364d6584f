import { MASTERS, ROOT_USER } from '../../admission/user.ts';
import { badRequest } from '../api-error.ts';
import { isRecord } from './body.ts';

/** What `podspace kubeconfig` asks the agent for. */
export interface KubeconfigRequest {
  readonly listen: ListenAddress | undefined;
  readonly user: string;
  readonly groups: readonly string[];
  /** Not a new token: the user's are taken back. */
  readonly isRevoked: boolean;
}

/** Where the agent listens beside its socket. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export const DEFAULT_LISTEN: ListenAddress = { host: '127.0.0.1', port: 6443 };

/** `127.0.0.1:6443`, `[::1]:6443`: the machine's own addresses only. Throws an ApiError (400). */
export function parseListen(text: string): ListenAddress {
  const [, v4, v6, port = ''] = /^(?:(127(?:\.\d{1,3}){3}|localhost)|\[(::1)\]):(\d{1,5})$/.exec(text) ?? [];
  const host = v4 === 'localhost' ? '127.0.0.1' : (v4 ?? v6);
  const isAddress = host?.split('.').every(part => host.includes(':') || Number(part) < 256);
  if (host === undefined || !isAddress || Number(port) > 65535)
    throw badRequest(
      `"${text.slice(0, 100)}" is not an address of this machine alone, such as 127.0.0.1:6443`,
    );
  return { host, port: Number(port) };
}

/** Reads what was posted. Throws an ApiError (400). */
export function kubeconfigRequest(body: unknown): KubeconfigRequest {
  if (!isRecord(body)) throw badRequest('the body is no object');
  const { listen, user, groups = [], revoke = false } = body;
  const isText = (value: unknown): value is string =>
    typeof value === 'string' && value !== '' && value.length < 1000;
  if (listen !== undefined && !isText(listen)) throw badRequest('listen is no address');
  if (user !== undefined && !isText(user)) throw badRequest('user is no name');
  if (!Array.isArray(groups) || !groups.every(isText)) throw badRequest('groups are no names');
  if (user === undefined && groups.length > 0) throw badRequest('groups are those of a user: name one');
  return {
    listen: listen === undefined ? undefined : parseListen(listen),
    user: user ?? ROOT_USER.name,
    groups: user === undefined ? [MASTERS] : groups,
    isRevoked: revoke === true,
  };
}

/** The file for kubectl: JSON is YAML. */
export function kubeconfig(
  { host, port }: ListenAddress,
  { user, token, authority }: { readonly user: string; readonly token: string; readonly authority: string },
): object {
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
  const name = 'podspace';
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name, cluster: { server, 'certificate-authority-data': Buffer.from(authority).toString('base64') } },
    ],
    users: [{ name: user, user: { token } }],
    contexts: [{ name, context: { cluster: name, user } }],
    'current-context': name,
  };
}
