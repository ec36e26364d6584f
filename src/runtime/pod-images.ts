import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { holdDirectory } from '../image/directories.ts';
import { type Image, layerIds } from '../image/store.ts';
import { isAtLeast } from '../oci/seccomp/profile.ts';
import { MAX_OPTION } from '../program/phases/rootfs.ts';
import type { Cleanup } from './cleanup.ts';
import type { RunPodOptions } from './run-options.ts';

/** Every image of the pod, before anything is made. */
export function findImages({ pod, images }: RunPodOptions): ReadonlyMap<string, Image> {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  return new Map(
    containers.map(({ name, image = '' }) => {
      const found = look(images, name, image);
      if (found !== undefined) return [name, found] as const;
      const known = images.list().map(({ reference }) => reference);
      throw new UserError(`container "${name}": image "${image}" is not in the local store`, {
        hint:
          known.length === 0
            ? 'podspace image import NAME DIR|TAR brings one in'
            : `there are: ${known.join(', ')}`,
      });
    }),
  );
}

/** Nobody removes a layer between our look and the first mount of it, nor later. */
export function holdLayers(
  { images: store, host }: RunPodOptions,
  images: readonly Image[],
  cleanup: Cleanup,
): void {
  const ids = new Set(images.flatMap(layerIds));
  for (const image of images)
    if (store.layers(image).join(':').length > MAX_OPTION && !isAtLeast(host.kernelRelease, '6.7'))
      throw new UserError(
        `image "${image.reference}" has ${layerIds(image).length} layers: Linux before 6.7 takes 7`,
      );
  for (const id of ids) {
    const fd = holdDirectory(join(store.roots, id));
    if (fd === undefined) throw new UserError('an image of the pod has just been removed');
    cleanup.add('lock of a layer', () => closeSync(fd));
  }
}

function look(images: RunPodOptions['images'], container: string, image: string): Image | undefined {
  try {
    return images.get(image);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`container "${container}": ${error.message}`, { cause: error });
  }
}
