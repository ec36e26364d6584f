import { existsSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { errnoCode, fileFailure, UserError } from '../../base/errors.ts';
import { writeWithMode } from '../../native/exact-mode.ts';
import { isObject, parseObject } from '../manifest.ts';
import type { ImageStore } from '../store.ts';
import { prepareStore } from '../write-name.ts';
import { askHelper, TOKEN_USER } from './credential-helper.ts';

export interface Password {
  readonly username: string;
  readonly password: string;
}

/** A token that the registry's own service gives others for (distribution, oauth2.md), for a password that is not kept. */
export interface IdentityToken {
  readonly username: string;
  readonly identityToken: string;
}

export type Credentials = Password | IdentityToken;

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

/** What a Docker config file has for us. Helpers are programs: a pod's Secret cannot name any. */
interface Config {
  readonly auths: Auths;
  readonly credHelpers: Readonly<Record<string, unknown>>;
  readonly credsStore: string | undefined;
}

/** The first that fits: those of the pod, then of the files. In a file, a helper comes before what is written there. */
export async function findCredentials(
  domain: string,
  repository: string,
  store: ImageStore,
  secrets: readonly Auths[] = [],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Credentials | undefined> {
  for (const auths of secrets) {
    const found = lookUp(auths, domain, repository, 'imagePullSecrets');
    if (found !== undefined) return found;
  }
  for (const file of files(store, env)) {
    const config = readConfig(file);
    if (config === undefined) continue;
    const found =
      (await askHelpers(config, domain, repository, file)) ?? lookUp(config.auths, domain, repository, file);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** As Docker calls its own registry there. */
const HUB = 'https://index.docker.io/v1/';

async function askHelpers(
  { credHelpers, credsStore }: Config,
  domain: string,
  repository: string,
  file: string,
): Promise<Credentials | undefined> {
  const own = keysOf(domain, repository)
    .map(key => [key, credHelpers[key] ?? (key === 'docker.io' ? credHelpers[HUB] : undefined)] as const)
    .find(([, helper]) => helper !== undefined);
  const [key, helper] = own ?? [domain, credsStore];
  if (helper === undefined || helper === '') return undefined;
  return askHelper(String(helper), key === 'docker.io' ? HUB : key, file);
}

/** Of a Secret: `.dockerconfigjson`, decoded. */
export function parseAuths(text: string, where: string): Auths {
  const { auths } = parseObject(text, where);
  return isObject(auths) ? auths : {};
}

const readAuths = (file: string): Auths | undefined => readConfig(file)?.auths;

function readConfig(file: string): Config | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoCode(cause) ?? '')) return undefined;
    throw new UserError(`cannot read "${file}": ${fileFailure(cause)}`, { cause });
  }
  const { auths, credHelpers, credsStore } = parseObject(text, file);
  return {
    auths: isObject(auths) ? auths : {},
    credHelpers: isObject(credHelpers) ? credHelpers : {},
    credsStore: typeof credsStore === 'string' ? credsStore : undefined,
  };
}

/** The longest prefix first: `host/team/app`, `host/team`, `host`; Docker Hub has an old name there. */
function keysOf(domain: string, repository: string): readonly string[] {
  const parts = repository.split('/');
  const keys = parts.map((_, i) => [domain, ...parts.slice(0, parts.length - i)].join('/'));
  return [...keys, domain, ...(domain === 'docker.io' ? ['index.docker.io'] : [])];
}

function lookUp(auths: Auths, domain: string, repository: string, where: string): Credentials | undefined {
  const normal = new Map(Object.entries(auths).map(([key, value]) => [normalize(key), value]));
  for (const key of keysOf(domain, repository)) {
    const value = normal.get(key);
    if (isObject(value)) return decode(value, where, key);
  }
  return undefined;
}

const normalize = (key: string): string => key.replace(/^https?:\/\//, '').replace(/\/(v[12]\/?)?$/, '');

function decode(value: Record<string, unknown>, where: string, key: string): Credentials | undefined {
  const { username, password, auth, identitytoken } = value;
  if (typeof identitytoken === 'string' && identitytoken !== '')
    return { username: typeof username === 'string' ? username : TOKEN_USER, identityToken: identitytoken };
  if (typeof username === 'string' && typeof password === 'string') return { username, password };
  if (typeof auth !== 'string' || auth === '') return undefined;
  const text = Buffer.from(auth, 'base64').toString();
  const colon = text.indexOf(':');
  if (colon < 1) throw new UserError(`${where}: auth of "${key}" is not "user:password" in base64`);
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') };
}

/** `podspace image login`. */
export function saveCredentials(store: ImageStore, domain: string, { username, password }: Password): void {
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
