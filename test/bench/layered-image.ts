/** Images of many megabytes for the benchmarks: what this machine has in /usr, in layers. */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

export interface LayeredImage {
  /** An OCI layout. */
  readonly directory: string;
  readonly compressed: number;
  readonly unpacked: number;
  readonly files: number;
}

const SOURCES = ['/usr/lib', '/usr/share', '/usr/bin', '/usr/include'];

/** No file is so large that it makes a layer on its own. */
const MAX_FILE = 4e6;

/** Regular files, in the order in which directories have them. */
function* filesBelow(directory: string): Iterable<readonly [path: string, size: number]> {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) {
      const { size } = statSync(path);
      if (size <= MAX_FILE) yield [path, size];
    }
  }
}

/** So many layers of so many bytes before compression; the lowest has busybox's `true` too. `level` is gzip's. */
export async function makeLayeredImage(
  directory: string,
  layers: number,
  bytes: number,
  busybox: string,
  level: number,
): Promise<LayeredImage> {
  const blobs = join(directory, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const lists = Array.from({ length: layers }, () => [] as string[]);
  let [at, inLayer, files, unpacked] = [0, 0, 0, 0];
  for (const source of SOURCES)
    for (const [path, size] of filesBelow(source)) {
      if (at === layers) break;
      lists[at]?.push(path.slice(1));
      files++;
      unpacked += size;
      inLayer += size;
      if (inLayer < bytes) continue;
      at++;
      inLayer = 0;
    }
  const made = [];
  for (const [i, list] of lists.entries()) {
    const tar = join(directory, 'layer.tar');
    writeFileSync(join(directory, 'list'), list.join('\0'));
    const pack = [
      '--format=posix',
      '--numeric-owner',
      '-cf',
      tar,
      '-C',
      '/',
      '--null',
      '-T',
      join(directory, 'list'),
    ];
    execFileSync('tar', pack, { stdio: ['ignore', 'inherit', 'ignore'] });
    if (i === 0) execFileSync('tar', ['-rf', tar, '-C', busybox, 'bin']);
    const diffId = await digestOf(tar);
    await pipeline(createReadStream(tar), createGzip({ level }), createWriteStream(`${tar}.gz`));
    rmSync(tar);
    made.push({ diffId, ...(await addBlob(blobs, `${tar}.gz`)) });
  }
  const add = async (document: object): Promise<{ digest: string; size: number }> => {
    writeFileSync(join(directory, 'document'), JSON.stringify(document));
    return addBlob(blobs, join(directory, 'document'));
  };
  const type = (name: string): string => `application/vnd.oci.image.${name}`;
  const config = await add({
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Cmd: ['/bin/true'] },
    rootfs: { type: 'layers', diff_ids: made.map(({ diffId }) => diffId) },
  });
  const manifest = await add({
    schemaVersion: 2,
    mediaType: type('manifest.v1+json'),
    config: { mediaType: type('config.v1+json'), ...config },
    layers: made.map(({ digest, size }) => ({ mediaType: type('layer.v1.tar+gzip'), digest, size })),
  });
  const annotations = { 'org.opencontainers.image.ref.name': 'v1' };
  const manifests = [{ mediaType: type('manifest.v1+json'), ...manifest, annotations }];
  writeFileSync(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  return { directory, unpacked, files, compressed: made.reduce((sum, { size }) => sum + size, 0) };
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 18 })) hash.update(chunk as Buffer);
  return `sha256:${hash.digest('hex')}`;
}

async function addBlob(blobs: string, file: string): Promise<{ digest: string; size: number }> {
  const [digest, { size }] = [await digestOf(file), statSync(file)];
  renameSync(file, join(blobs, digest.slice('sha256:'.length)));
  return { digest, size };
}

/** Debian's docker-registry on the loopback. */
export async function startRegistry(directory: string): Promise<{ host: string; stop(): Promise<void> }> {
  const host = '127.0.0.1:5917';
  const file = join(directory, 'registry.yml');
  const root = join(directory, 'registry');
  writeFileSync(
    file,
    `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${root}}}\nhttp: {addr: "${host}"}\n`,
  );
  const child = spawn('docker-registry', ['serve', file], { stdio: 'ignore' });
  const ended = new Promise(done => child.once('exit', done));
  for (let i = 0; i < 500; i++) {
    const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
    if (answer?.ok === true) break;
    await new Promise(done => setTimeout(done, 20));
  }
  return {
    host,
    stop: async () => {
      child.kill();
      await ended;
    },
  };
}
