import { UserError } from '../base/errors.ts';

/** An image's name, taken apart as distribution/reference does. */
export interface ImageReference {
  readonly domain: string;
  readonly path: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

const LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const DOMAIN = `(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*';
const REFERENCE = new RegExp(
  `^(${DOMAIN})/(${COMPONENT}(?:/${COMPONENT})*)(?::([\\w][\\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$`,
);

/** Of the path: `RepositoryNameTotalLengthMax`. */
const MAX_PATH = 255;

/** Hexadecimal digits of each algorithm that go-digest knows. */
const DIGESTS: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

/**
 * `busybox` → docker.io/library/busybox:latest, as on a Kubernetes node. Throws a UserError with the kubelet's
 * InvalidImageName text.
 */
export function parseReference(text: string): ImageReference {
  const parsed = parse(text);
  if ('error' in parsed)
    throw new UserError(`couldn't parse image name ${JSON.stringify(text)}: ${parsed.error}`);
  return parsed;
}

function parse(text: string): ImageReference | { readonly error: string } {
  if (/^[a-f0-9]{64}$/.test(text))
    return { error: `invalid repository name (${text}), cannot specify 64-byte hexadecimal strings` };
  const { name, rest } = splitDomain(text);
  const repository = rest.split(':')[0] ?? '';
  if (repository !== repository.toLowerCase())
    return { error: `invalid reference format: repository name (${repository}) must be lowercase` };
  const [, domain, path, tag, digest] = REFERENCE.exec(`${name}/${rest}`) ?? [];
  if (domain === undefined || path === undefined) return { error: 'invalid reference format' };
  if (path.length > MAX_PATH) return { error: 'repository name must not be more than 255 characters' };
  const error = digest === undefined ? undefined : digestError(digest);
  if (error !== undefined) return { error };
  return { domain, path, tag: tag ?? (digest === undefined ? 'latest' : undefined), digest };
}

function digestError(digest: string): string | undefined {
  const [algorithm = '', hex = ''] = digest.split(':');
  const length = Object.hasOwn(DIGESTS, algorithm) ? DIGESTS[algorithm] : undefined;
  if (length === undefined) return 'unsupported digest algorithm';
  if (hex.length !== length) return 'invalid checksum digest length';
  return /[A-F]/.test(hex) ? 'invalid checksum digest format' : undefined;
}

/** The first component is a domain if it has a dot or a port, or is localhost; else the image is Docker Hub's. */
function splitDomain(text: string): { readonly name: string; readonly rest: string } {
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(slash, 0));
  const isDomain = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  const name = !isDomain || first === 'index.docker.io' ? 'docker.io' : first;
  const rest = isDomain ? text.slice(slash + 1) : text;
  return { name, rest: name === 'docker.io' && !rest.includes('/') ? `library/${rest}` : rest };
}

export function formatReference({ domain, path, tag, digest }: ImageReference): string {
  return `${domain}/${path}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}
