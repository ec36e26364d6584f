import { isIP } from 'node:net';
import { UserError } from '../../base/errors.ts';
import { formatReference, type ImageReference } from '../reference.ts';

/** Where a registry answers (distribution-spec, "Endpoints"). */
export interface Endpoint {
  /** As references and credentials name it. */
  readonly domain: string;
  readonly base: URL;
  readonly isPlain: boolean;
  readonly repository: string;
  /** A tag or digest. */
  readonly reference: string;
}

/** Docker Hub's registry has another name than its images. */
const HOSTS: Readonly<Record<string, string>> = { 'docker.io': 'registry-1.docker.io' };

/** HTTPS, unless it is this machine or the user has said so. */
export function endpointOf(image: ImageReference, insecure: readonly string[] = []): Endpoint {
  const { domain, path, tag, digest } = image;
  const host = HOSTS[domain] ?? domain;
  const isPlain = insecure.includes(domain) || isLoopback(host);
  let base: URL;
  try {
    base = new URL(`${isPlain ? 'http' : 'https'}://${host}`);
  } catch (cause) {
    throw new UserError(`${formatReference(image)}: "${host}" is no host`, { cause });
  }
  return { domain, base, isPlain, repository: path, reference: digest ?? tag ?? 'latest' };
}

/** As Docker and containerd have it: the registry of a developer is on the same machine, without a certificate. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:[0-9]+$/, '').replace(/^\[|\]$/g, '');
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));
}
