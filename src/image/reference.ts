import { UserError } from '../base/errors.ts';

/** An image's name, taken apart as distribution/reference does. */
export interface ImageReference {
  readonly domain: string;
  readonly path: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

const DOMAIN =
  '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*(?::[0-9]+)?';
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*';
const REFERENCE = new RegExp(
  `^(?:(${DOMAIN})/)?(${COMPONENT}(?:/${COMPONENT})*)(?::([\\w][\\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$`,
);

/**
 * `busybox` → docker.io/library/busybox:latest, as on a Kubernetes node. Throws a UserError with the kubelet's
 * InvalidImageName text.
 */
export function parseReference(text: string): ImageReference {
  const { name, rest } = splitDomain(text);
  const match = REFERENCE.exec(`${name}/${rest}`);
  if (match === null || text.length > 512) {
    const isUpper =
      /[A-Z]/.test(rest.split(/[:@]/)[0] ?? '') && REFERENCE.test(`${name}/${rest.toLowerCase()}`);
    const why = isUpper
      ? 'invalid reference format: repository name must be lowercase'
      : 'invalid reference format';
    throw new UserError(`couldn't parse image name "${text}": ${why}`);
  }
  const [, domain = '', path = '', tag, digest] = match;
  return { domain, path, tag: tag ?? (digest === undefined ? 'latest' : undefined), digest };
}

/** The first component is a domain if it has a dot or a port, or is localhost; else the image is Docker Hub's. */
function splitDomain(text: string): { name: string; rest: string } {
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(slash, 0));
  if (slash !== -1 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase()))
    return { name: first, rest: text.slice(slash + 1) };
  return { name: 'docker.io', rest: slash === -1 ? `library/${text}` : text };
}

export function formatReference({ domain, path, tag, digest }: ImageReference): string {
  return `${domain}/${path}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}
