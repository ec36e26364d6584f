import { UserError } from '../base/errors.ts';
import type { Image, ImageStore } from '../image/store.ts';
import type { Pod, Volume } from '../kube/types.generated.ts';
import { hasWrittenFiles } from '../kube/volume-files.ts';
import type { PreparedVolume } from '../oci/mounts.ts';
import { claimPath, type PodPaths } from '../oci/pod-paths.ts';

export type VolumeImages = Pick<ImageStore, 'get' | 'layers'>;

/** Volumes that live in memory, tmpfs mounts that the sandbox makes: as on a node secrets never touch the disk. */
export function isMemory(volume: Volume): boolean {
  const { emptyDir, configMap } = volume;
  return emptyDir?.medium === 'Memory' || (hasWrittenFiles(volume) && configMap === undefined);
}

/** Of the root of every volume that podspace makes, as the kubelet does. */
export const OWN_MODE = 0o777;

/** Where a volume is; nothing is made, and nothing looked for but an image. */
export function placeOf(pod: Pod, volume: Volume, paths: PodPaths, images: VolumeImages): PreparedVolume {
  const { name, hostPath, image, persistentVolumeClaim: claim } = volume;
  if (hostPath !== undefined) return { source: hostPath.path, readOnly: false, mode: 0o755 };
  if (claim !== undefined) {
    const namespace = pod.metadata?.namespace ?? 'default';
    return {
      source: claimPath(paths.roots, namespace, claim.claimName),
      readOnly: claim.readOnly === true,
      mode: OWN_MODE,
    };
  }
  if (image !== undefined) {
    const found = images.get(image.reference ?? '');
    const [root = 'images/roots/(unknown)/rootfs'] = found === undefined ? [] : images.layers(found);
    return { source: `${paths.roots.state}/${root}`, readOnly: true, isImage: true };
  }
  return {
    source: paths.volume(name, isMemory(volume)),
    readOnly: hasWrittenFiles(volume),
    mode: OWN_MODE,
  };
}

/** The images that a pod has as volumes: in use while it runs. Throws a UserError for one that is not there. */
export function imagesOfVolumes({ spec }: Pod, images: VolumeImages): readonly Image[] {
  return (spec?.volumes ?? []).flatMap(({ name, image }) => {
    if (image === undefined) return [];
    const reference = image.reference ?? '';
    const found = images.get(reference);
    if (found !== undefined && images.layers(found).length > 1)
      throw new UserError(
        `volume "${name}": image "${reference}" has several layers: only one can be mounted`,
        {
          hint: 'make one of them: podspace image import NAME ROOTFS, of the tar of a container’s root for example',
        },
      );
    if (found !== undefined) return [found];
    throw new UserError(`volume "${name}": image "${reference}" is not in the local store`, {
      hint: 'podspace image import NAME DIR|TAR brings one in',
    });
  });
}
