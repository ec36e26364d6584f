import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { ImageStore } from '../../src/image/store.ts';

/** The busybox image as a layer: a tar. */
export function busyboxLayer(): Buffer {
  const store = new ImageStore('/var/lib/podspace');
  const image = store.get('localhost/busybox');
  if (image === undefined) throw new Error('no busybox image');
  const root = join('/var/lib/podspace', store.layers(image)[0] ?? '');
  return execFileSync('tar', ['-cC', root, '--format=posix', '--numeric-owner', '.'], { maxBuffer: 1 << 28 });
}
