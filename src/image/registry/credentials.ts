import { existsSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { errnoCode, fileFailure, UserError } from '../../base/errors.ts';
import { writeWithMode } from '../../native/exact-mode.ts';
import { isObject, parseObject } from '../manifest.ts';
import type { ImageStore } from '../store.ts';
import { prepareStore } from '../write-name.ts';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** The `auths` of a Docker config file, which is also what a Secret of type kubernetes.io/dockerconfigjson holds. */
export type Auths = Readonly<Record<string, unknown>>;

export const ownFile = (store: ImageStore): string => join(store.names, '..', 'auth.json');

/** Files that have credentials: our own, then those of podman and docker (containers-auth.json(5)). */
function files(store: ImageStore, env: NodeJS.ProcessEnv): readonly string[] {
  const { REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, DOCKER_CONFIG } = env;
  return [
    ownFile(store),
    ...(REGISTRY_AUTH_FILE ? [REGISTRY_AUTH_FILE] : []),
    ...(XDG_RUNTIME_DIR ? [join(XDG_RUNTIME_DIR, 'containers/auth.json')] : []),
    join(DOCKER_CONFIG || join(homedir(), '.docker'), 'config.json'),
  ];
}

/** The first that fits: those of the pod, then of the files. */
export function findCredentials(
  domain: string,
  repository: string,
  store: ImageStore,
  secrets: readonly Auths[] = [],
  env: NodeJS.ProcessEnv = process.env,
): Credentials | undefined {
  for (const auths of secrets) {
    const found = lookUp(auths, domain, repository, 'imagePullSecrets');
    if (found !== undefined) return found;
  }
  for (const file of files(store, env)) {
    const auths = readAuths(file);
    const found = auths === undefined ? undefined : lookUp(auths, domain, repository, file);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Of a Secret: `.dockerconfigjson`, decoded. */
export function parseAuths(text: string, where: string): Auths {
  const { auths } = parseObject(text, where);
  return isObject(auths) ? auths : {};
}

function readAuths(file: string): Auths | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoCode(cause) ?? '')) return undefined;
    throw new UserError(`cannot read "${file}": ${fileFailure(cause)}`, { cause });
  }
  return parseAuths(text, file);
}

/** The longest prefix: `host/team/app`, `host/team`, `host`; Docker Hub has an old name there. */
function lookUp(auths: Auths, domain: string, repository: string, where: string): Credentials | undefined {
  const parts = repository.split('/');
  const keys = parts.map((_, i) => [domain, ...parts.slice(0, parts.length - i)].join('/'));
  keys.push(domain, ...(domain === 'docker.io' ? ['index.docker.io'] : []));
  const normal = new Map(Object.entries(auths).map(([key, value]) => [normalize(key), value]));
  for (const key of keys) {
    const value = normal.get(key);
    if (isObject(value)) return decode(value, where, key);
  }
  return undefined;
}

const normalize = (key: string): string => key.replace(/^https?:\/\//, '').replace(/\/(v[12]\/?)?$/, '');

function decode(value: Record<string, unknown>, where: string, key: string): Credentials | undefined {
  const { username, password, auth } = value;
  if (typeof username === 'string' && typeof password === 'string') return { username, password };
  if (typeof auth !== 'string' || auth === '') return undefined;
  const text = Buffer.from(auth, 'base64').toString();
  const colon = text.indexOf(':');
  if (colon < 1) throw new UserError(`${where}: auth of "${key}" is not "user:password" in base64`);
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') };
}

/** `podspace image login`. */
export function saveCredentials(
  store: ImageStore,
  domain: string,
  { username, password }: Credentials,
): void {
  change(store, auths => ({
    ...auths,
    [domain]: { auth: Buffer.from(`${username}:${password}`).toString('base64') },
  }));
}

/** `podspace image logout`; false if there was nothing. */
export function forgetCredentials(store: ImageStore, domain: string): boolean {
  const before = existsSync(ownFile(store)) ? (readAuths(ownFile(store)) ?? {}) : {};
  if (!Object.hasOwn(before, domain)) return false;
  change(store, ({ [domain]: _, ...rest }) => rest);
  return true;
}

function change(store: ImageStore, to: (auths: Auths) => Auths): void {
  prepareStore(store);
  const file = ownFile(store);
  const text = JSON.stringify({ auths: to(readAuths(file) ?? {}) }, null, 2);
  writeWithMode(`${file}.${process.pid}.tmp`, `${text}\n`, 0o600);
  renameSync(`${file}.${process.pid}.tmp`, file);
}
