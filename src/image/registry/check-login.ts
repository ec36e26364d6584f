import { UserError } from '../../base/errors.ts';
import { authorize } from './auth.ts';
import type { Password } from './credentials.ts';
import { endpointOf } from './endpoint.ts';
import { readBody, request } from './http.ts';

/** Asks a registry whether it takes credentials (distribution-spec, "Determining Support"). */
export async function checkLogin(
  domain: string,
  credentials: Password,
  insecure: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const endpoint = endpointOf({ domain, path: '', tag: undefined, digest: undefined }, insecure);
  const url = new URL('/v2/', endpoint.base);
  const first = await request(endpoint, url, {}, { signal });
  await readBody(first, 1 << 20);
  if (first.status === 200) return;
  const challenge = first.headers.get('www-authenticate');
  if (first.status !== 401 || challenge === null)
    throw new UserError(`${domain} is no registry: ${first.status}`);
  const authorization = await authorize(endpoint, challenge, credentials, { signal });
  const second = await request(endpoint, url, { authorization }, { signal });
  await readBody(second, 1 << 20);
  if (second.status !== 200) throw new UserError(`${domain}: the credentials are not accepted`);
}
