import { readFileSync } from 'node:fs';
import { UserError } from '../base/errors.ts';
import { parsePlatform } from '../image/manifest.ts';
import { pullImage } from '../image/pull.ts';
import { parseReference } from '../image/reference.ts';
import { checkLogin } from '../image/registry/check-login.ts';
import { forgetCredentials, saveCredentials } from '../image/registry/credentials.ts';
import type { ImageStore } from '../image/store.ts';
import { sweepBlobs, sweepImages } from '../image/sweep.ts';
import { keepYoungGenerationSmall } from '../native/young-generation.ts';
import { stopped } from './image-transfer.ts';
import { type Args, type Io, text, texts } from './io.ts';
import { showPull } from './pull-progress.ts';
import { formatSize, usedImages } from './used-images.ts';

export async function pull(args: Args, io: Io, store: ImageStore): Promise<number> {
  const name = text(args, 'name');
  if (name === undefined) throw new UserError('podspace image pull needs NAME');
  keepYoungGenerationSmall();
  const platform = text(args, 'platform');
  const progress = showPull(io, name);
  try {
    const image = await pullImage(store, name, {
      insecureRegistries: texts(args, 'insecure-registry'),
      signal: stopped(),
      onProgress: progress.onProgress,
      ...(platform === undefined ? {} : { platform: parsePlatform(platform) }),
    });
    progress.end();
    // What the name stood for before.
    const used = usedImages(io);
    sweepImages(store, id => used.has(id));
    sweepBlobs(store);
    io.out(
      `pulled ${image.reference} (${image.id}, ${image.layers?.length} layers, ${formatSize(image.size)})\n`,
    );
    return 0;
  } catch (error) {
    progress.end();
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`failed to pull image "${name}": ${error.message}`, {
      cause: error,
      hint: error.hint,
    });
  }
}

/** The password comes by standard input, never by an argument, which everybody can read. */
export async function login(args: Args, io: Io, store: ImageStore): Promise<number> {
  const domain = registryOf(args, 'login');
  const username = text(args, 'username');
  if (username === undefined) throw new UserError('podspace image login needs --username');
  if (username.includes(':')) throw new UserError('a username has no ":"');
  if (io.isTerminal) io.err('password (it is read from standard input, to its end): ');
  const password = readFileSync(io.stdin, 'utf8').replace(/\r?\n$/, '');
  if (password === '') throw new UserError('no password on standard input');
  await checkLogin(domain, { username, password }, texts(args, 'insecure-registry'), stopped());
  saveCredentials(store, domain, { username, password });
  io.out(`logged in to ${domain}\n`);
  return 0;
}

export function logout(args: Args, io: Io, store: ImageStore): number {
  const domain = registryOf(args, 'logout');
  if (!forgetCredentials(store, domain)) throw new UserError(`not logged in to ${domain}`);
  io.out(`logged out of ${domain}\n`);
  return 0;
}

function registryOf(args: Args, action: string): string {
  const name = text(args, 'name');
  if (name === undefined) throw new UserError(`podspace image ${action} needs REGISTRY`);
  const domain = name === 'index.docker.io' ? 'docker.io' : name;
  if (domain.includes('/') || parseReference(`${domain}/x`).domain !== domain)
    throw new UserError(`"${name}" is no registry`, {
      hint: 'quay.io or registry.example.org:5000, for example',
    });
  return domain;
}
