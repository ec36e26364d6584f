import type { ImageStore } from '../image/store.ts';
import type { Pod, Volume } from '../kube/types.generated.ts';
import { hasWrittenFiles } from '../kube/volume-files.ts';
import type { PreparedVolume } from '../oci/mounts.ts';
import { claimPath, type PodPaths } from '../oci/pod-paths.ts';

export type VolumeImages = Pick<ImageStore, 'get' | 'layers'>;

/** Where an image of several layers is mounted; the uppermost first, relative to the state directory. */
export interface VolumeOverlay {
  readonly path: string;
  readonly layers: readonly string[];
}

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
    const layers = found === undefined ? ['images/roots/(unknown)/rootfs'] : images.layers(found);
    const [only = ''] = layers;
    if (layers.length === 1)
      return { source: `${paths.roots.state}/${only}`, readOnly: true, isImage: true, layers };
    return { source: paths.volume(name, true), readOnly: true, isImage: true, layers };
  }
  return {
    source: paths.volume(name, isMemory(volume)),
    readOnly: hasWrittenFiles(volume),
    mode: OWN_MODE,
  };
}

/** Images of several layers that a pod has as volumes: overlays that the sandbox makes, where nothing can be written. */
export function volumeOverlays(pod: Pod, paths: PodPaths, images: VolumeImages): readonly VolumeOverlay[] {
  return (pod.spec?.volumes ?? []).flatMap(volume => {
    const { source, layers = [] } = placeOf(pod, volume, paths, images);
    return layers.length > 1 ? [{ path: source, layers }] : [];
  });
}
