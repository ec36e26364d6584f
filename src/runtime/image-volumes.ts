import { chmodSync, chownSync, closeSync, constants, fstatSync, readdirSync } from 'node:fs';
import { copyDirectory } from '../native/cp.ts';
import { mergedLayers } from '../native/detached-mount.ts';
import { makeTree } from '../native/exact-mode.ts';
import { openInRoot, SyscallError } from '../native/libc.ts';
import type { ImageVolume } from '../oci/image-volumes.ts';

/** Of a volume that the image has nothing for, as containerd makes it. */
const EMPTY_MODE = 0o755;

/**
 * Makes the volumes that an image wants, each with what the image has at its path, owner and mode of the directory included
 * (containerd's WithVolumes). Returns why one cannot be made. `layers` are the image's directories, the uppermost first: nobody
 * writes to them, and links in them are followed with the image's own root.
 */
export async function fillImageVolumes(
  volumes: readonly ImageVolume[],
  layers: readonly string[],
): Promise<string | undefined> {
  const root = mergedLayers(layers);
  try {
    for (const { path, source } of volumes) {
      makeTree(source, 0o700);
      const why = await fill(root, path, source);
      if (why !== undefined) return `volume ${JSON.stringify(path)} of the image: ${why}`;
    }
    return undefined;
  } finally {
    closeSync(root);
  }
}

async function fill(root: number, path: string, target: string): Promise<string | undefined> {
  let found: number;
  try {
    found = openInRoot(root, path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.code !== 'ENOENT') return error.message;
    chmodSync(target, EMPTY_MODE);
    return undefined;
  }
  try {
    // Most of these are empty, and need no other program.
    if (readdirSync(`/proc/self/fd/${found}`).length > 0) return await copyDirectory(found, target);
    const { uid, gid, mode } = fstatSync(found);
    chownSync(target, uid, gid);
    chmodSync(target, mode & 0o7777);
    return undefined;
  } finally {
    closeSync(found);
  }
}
