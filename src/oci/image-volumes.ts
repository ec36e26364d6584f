import type { Container } from '../kube/types.generated.ts';
import type { OciMount } from './config.ts';
import { placesOfPod } from './mounts.ts';
import type { PodPaths } from './pod-paths.ts';

/** A path that an image wants to be a volume, and the directory that is mounted there. */
export interface ImageVolume {
  /** In the container, and in the image, whose content it begins with. */
  readonly path: string;
  readonly source: string;
}

/** The root, and where the kernel's own file systems are: an image has nothing to say about them. */
const REFUSED = /^\/((proc|sys)(\/.*)?|dev)?$/;

/**
 * The `Volumes` of an image's config as containerd's CRI plugin makes them (volumeMounts): a directory of the container's own
 * for each path, unless the pod or the kubelet mounts something there. Or why they cannot be.
 */
export function imageVolumes(
  volumes: readonly string[],
  container: Container,
  attempt: number,
  paths: PodPaths,
): readonly ImageVolume[] | { readonly error: string } {
  if (volumes.length === 0) return [];
  const taken = placesOfPod(container);
  const wanted = [...new Set(volumes.map(cleaned))].filter(path => !taken.has(path)).sort();
  const refused = wanted.find(path => REFUSED.test(path));
  if (refused !== undefined) return { error: `the image wants a volume at ${JSON.stringify(refused)}` };
  return wanted.map((path, i) => ({ path, source: paths.imageVolume(container.name, attempt, i) }));
}

/** Writable whatever the root is. */
export const imageVolumeMount = ({ path, source }: ImageVolume): OciMount => ({
  destination: path,
  type: 'bind',
  source,
  options: ['rbind', 'rprivate', 'rw'],
});

/** Absolute, and without "..", as Go's filepath.Join("/", path). */
function cleaned(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}
